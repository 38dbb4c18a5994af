"""Binance's own recorded answers, where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded data."""
    folder = os.environ.get("KLINECAST_TEST_DATA")
    if not folder:
        pytest.skip("KLINECAST_TEST_DATA names no folder of recorded Binance data")
    return Path(folder)
