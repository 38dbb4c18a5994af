"""Grids whose day begins at another midnight, and klines put together from finer ones."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_historic.binance.zones import ZonedGrid, is_shifted, merge_klines
from market.interval import HOUR_MS, MINUTE_MS, Interval
from support.klines import START_MS, make_klines

#: 2024-01-31T16:00:00Z: midnight of February's first day in UTC+8.
FEBRUARY_IN_CHINA_MS = 1_706_716_800_000


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


def test_months_begin_at_the_zones_midnight() -> None:
    grid = ZonedGrid(Interval.MO1, 8 * HOUR_MS)

    assert grid.floor(FEBRUARY_IN_CHINA_MS) == FEBRUARY_IN_CHINA_MS
    assert grid.ceil(FEBRUARY_IN_CHINA_MS - 1) == FEBRUARY_IN_CHINA_MS
    assert grid.add(FEBRUARY_IN_CHINA_MS, 1) == FEBRUARY_IN_CHINA_MS + 29 * 24 * HOUR_MS


@given(
    st.sampled_from([Interval.D1, Interval.W1, Interval.MO1]),
    st.integers(-48, 56),
    st.integers(START_MS, START_MS + 10**11),
)
def test_slot_holds_its_time(interval: Interval, quarters: int, time_ms: int) -> None:
    grid = ZonedGrid(interval, quarters * 15 * MINUTE_MS)

    open_ms = grid.floor(time_ms)

    assert open_ms <= time_ms < grid.add(open_ms, 1)


def test_merged_kline_is_exact() -> None:
    parts = make_klines(Interval.H1, 24)

    day = merge_klines(START_MS, START_MS + 24 * HOUR_MS - 1, parts)

    assert (day.open, day.close) == (parts[0].open, parts[-1].close)
    assert Decimal(day.high) == max(Decimal(part.high) for part in parts)
    assert Decimal(day.low) == min(Decimal(part.low) for part in parts)
    assert Decimal(day.volume) == sum(Decimal(part.volume) for part in parts)
    assert day.number_of_trades == sum(part.number_of_trades for part in parts)
    assert len(day.volume.partition(".")[2]) == 8
