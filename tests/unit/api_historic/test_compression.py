"""Which coding a client likes best."""

from __future__ import annotations

import pytest

from api_historic.compression import choose_coding


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("zstd;q=0.5, gzip;q=0.8", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("zstd;q=0, *", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=much", None),
    ],
)
def test_best_liked_coding_is_chosen(accepted: str | None, coding: str | None) -> None:
    assert choose_coding(accepted) == coding
