"""Recorded files of Binance, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def recorded(pattern: str) -> Path:
    """Return the one recorded file of that name; the test is skipped without recordings."""
    folder = os.environ.get("KLINECAST_TEST_DATA")
    if not folder:
        pytest.skip("KLINECAST_TEST_DATA names no folder of recorded Binance data")
    (file,) = Path(folder).glob(pattern)
    return file
