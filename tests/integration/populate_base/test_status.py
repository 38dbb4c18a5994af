"""Status: what the ledger and the weight say, as programs read it."""

from __future__ import annotations

import time

from market.clock import ExchangeClock, Reading
from market.gaps import Cause, Gap
from market.interval import HOUR_MS, Interval
from market.store import Store
from market.store.gap_ledger import write_gaps
from market.store.klines import write_klines
from market.store.request_weight import write_ban, write_weight_limit, write_weight_used
from market.store.symbols import write_watermark
from populate_base.status import (
    read_status,
    read_weight_status,
    status_json,
    status_table,
    weight_sentence,
)
from support.klines import START_MS, make_klines
from support.stores import BATCH, add_series

KLINES = make_klines(Interval.H1, 48)


def hour(number: int) -> int:
    return START_MS + number * HOUR_MS


def test_status_is_what_the_ledger_says(store: Store) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1)
    write_klines(store, series, [*KLINES[:10], *KLINES[14:]], BATCH)
    found = [
        Gap(hour(-9), hour(0), Cause.NOT_LISTED),
        Gap(hour(10), hour(12), Cause.OUTAGE),
        Gap(hour(12), hour(14), Cause.SOURCE_MISSING),
        Gap(hour(20), hour(21), Cause.REPAIRABLE),
    ]
    with store.begin() as connection:
        write_gaps(connection, series, (hour(-9), hour(48)), found, 7)
        write_gaps(connection, series, (hour(0), hour(48)), found[1:3], 8)
        write_watermark(connection, series, hour(47))
    clock = ExchangeClock(lambda: 0.0)
    clock.record(Reading(hour(50), 0.0))

    statuses = read_status(store, clock)
    told = status_json(statuses, read_weight_status(store, "binance", 0.5, 0))

    (one,) = told["series"]
    assert one == {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "first_open_time_ms": hour(0),
        "last_open_time_ms": hour(47),
        "watermark_ms": hour(47),
        "klines": 44,
        "completeness": 44 / 48,
        "lag_seconds": 2 * 3600 + 0.001,
        "gaps": [
            gap(10, 12, "outage", 7, None),
            gap(12, 14, "source_missing", 7, None),
            gap(20, 21, "repairable", 7, 8),
        ],
    }
    assert status_table(statuses).row_count == 1


def gap(
    start: int, end: int, cause: str, seen_ms: int, resolved_ms: int | None
) -> dict[str, object]:
    return {
        "start_ms": hour(start),
        "end_ms": hour(end),
        "cause": cause,
        "first_seen_ms": seen_ms,
        "resolved_ms": resolved_ms,
    }


def test_the_weight_is_that_of_the_running_minute(store: Store) -> None:
    now_ms = time.time_ns() // 1_000_000 // 60_000 * 60_000
    assert read_weight_status(store, "binance", 0.5, now_ms)._asdict() == {
        "used_1m": 0,
        "limit_1m": 6000,
        "budget_1m": 3000,
        "banned_until_ms": None,
    }
    write_weight_limit(store, "binance", 1200, now_ms)
    write_weight_used(store, "binance", now_ms, 77, now_ms)
    write_ban(store, "binance", now_ms + 500, now_ms)

    now = read_weight_status(store, "binance", 0.25, now_ms + 100)
    later = read_weight_status(store, "binance", 0.25, now_ms + 60_000)

    assert now == (77, 1200, 300, now_ms + 500)
    assert later == (0, 1200, 300, None)
    assert "77 of 300" in weight_sentence(now)
