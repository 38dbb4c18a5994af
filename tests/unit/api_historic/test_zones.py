"""Which grids begin at another midnight."""

from __future__ import annotations

import pytest

from api_historic.binance.zones import is_shifted
from market.interval import HOUR_MS, MINUTE_MS, Interval


@pytest.mark.parametrize(
    ("interval", "zone_ms", "shifted"),
    [
        (Interval.H1, 8 * HOUR_MS, False),
        (Interval.H1, 30 * MINUTE_MS, True),
        (Interval.H4, 8 * HOUR_MS, False),
        (Interval.H12, 8 * HOUR_MS, True),
        (Interval.D1, 8 * HOUR_MS, True),
        (Interval.W1, 8 * HOUR_MS, True),
        (Interval.MO1, -HOUR_MS, True),
        (Interval.MO1, 0, False),
        (Interval.W1, 0, False),
    ],
)
def test_zone_shifts_only_grids_it_does_not_fit(
    interval: Interval, zone_ms: int, shifted: bool
) -> None:
    assert is_shifted(interval, zone_ms) is shifted
