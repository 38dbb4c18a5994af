"""The world a chaos test lives in: what is true of it, and whether a store tells just that."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from binance_simulator.grid import Grid
from market.aggregation import iter_aggregated
from market.gaps import Cause, Range, find_missing
from market.interval import DAY_MS, Interval
from market.kline import Kline
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.klines import read_klines
from market.store.symbols import find_series
from market.times import format_time, parse_time_ms
from support.archive import write_archive_file, write_archive_months
from support.klines import make_klines

SYMBOLS = ("AAAUSDT", "BBBUSDT")
INTERVALS = (Interval.M1, Interval.H1)
#: Before the first kline: the time until then is no gap.
SINCE = "2024-01-27"
#: Two hours before a month ends.
NOW = "2024-01-31T22:00:00Z"
_FIRST_MS = parse_time_ms("first", "2024-01-28T05:00:00Z")
_DAYS = 7
#: What the exchange has no klines of; the last two lie in the future of `NOW`.
_OUTAGES = (
    ("2024-01-29T03:10:00Z", "2024-01-29T03:40:00Z"),
    ("2024-01-30T12:00:00Z", "2024-01-30T14:30:00Z"),
    ("2024-01-31T22:20:00Z", "2024-01-31T22:26:00Z"),
    ("2024-02-01T04:00:00Z", "2024-02-01T07:10:00Z"),
)

Truth = dict[tuple[str, Interval], list[Kline]]


def make_truth() -> Truth:
    """Return every kline there will ever be, by series."""
    outages = [tuple(parse_time_ms("outage", moment) for moment in one) for one in _OUTAGES]
    truth: Truth = {}
    for seed, symbol in enumerate(SYMBOLS):
        minutes = [
            kline
            for kline in make_klines(Interval.M1, _DAYS * 1440, start_ms=_FIRST_MS, seed=seed)
            if not any(start_ms <= kline.open_time_ms < end_ms for start_ms, end_ms in outages)
        ]
        truth[symbol, Interval.M1] = minutes
        truth[symbol, Interval.H1] = list(iter_aggregated(minutes, Interval.M1, Grid(Interval.H1)))
    return truth


def write_truth(truth: Truth, folder: Path) -> None:
    """Write the truth as monthly and as daily files."""
    for (symbol, interval), klines in truth.items():
        write_archive_months(folder, symbol, interval.value, klines)
        days: dict[int, list[Kline]] = {}
        for kline in klines:
            days.setdefault(kline.open_time_ms // DAY_MS, []).append(kline)
        for day, rows in days.items():
            name = f"{symbol}-{interval}-{format_time(day * DAY_MS)[:10]}"
            write_archive_file(folder, name, rows)


def find_differences(store: Store, truth: Truth, now_ms: int) -> list[str]:
    """Return in what a store differs from what has closed by `now_ms`, a line each."""
    return [
        line
        for (symbol, interval), klines in truth.items()
        for line in _differences(
            store, symbol, interval, [k for k in klines if k.close_time_ms < now_ms]
        )
    ]


def _differences(
    store: Store, symbol: str, interval: Interval, closed: Sequence[Kline]
) -> list[str]:
    with store.read() as connection:
        series = find_series(connection, symbol, interval)
        stored = read_klines(connection, series, None, None, 1_000_000)
        gaps = read_gaps(connection, series, None, None)
    name = f"{symbol} {interval}"
    true_rows = {kline.open_time_ms: kline for kline in closed}
    stored_rows = {kline.open_time_ms: kline for kline in stored}
    found = [f"{name}: {len(stored) - len(stored_rows)} rows stored twice"] * (
        len(stored) != len(stored_rows)
    )
    for open_ms in sorted(true_rows.keys() | stored_rows.keys()):
        if true_rows.get(open_ms) != stored_rows.get(open_ms):
            found.append(
                f"{name} {format_time(open_ms)}: stored {stored_rows.get(open_ms)},"
                f" true {true_rows.get(open_ms)}"
            )
    missing = find_missing(
        interval, closed[0].open_time_ms, interval.add(closed[-1].open_time_ms, 1), true_rows
    )
    # Time before the first kline is explained; a hole at the end may be told or not, since
    # the next kline has not closed yet.
    told = _joined(
        [
            Range(gap.start_ms, gap.end_ms)
            for gap in gaps
            if gap.start_ms <= closed[-1].open_time_ms
            and not (gap.cause is Cause.NOT_LISTED and gap.end_ms <= closed[0].open_time_ms)
        ]
    )
    true_gaps = _joined(missing)
    if told != true_gaps:
        found.append(f"{name}: gaps {_shown(told)}, true ones {_shown(true_gaps)}")
    return list(islice(found, 20))


def _joined(ranges: Sequence[Range]) -> list[Range]:
    joined: list[Range] = []
    for one in sorted(ranges):
        if joined and one.start_ms <= joined[-1].end_ms:
            joined[-1] = Range(joined[-1].start_ms, max(one.end_ms, joined[-1].end_ms))
        else:
            joined.append(one)
    return joined


def _shown(ranges: Sequence[Range]) -> list[str]:
    return [f"{format_time(one.start_ms)}..{format_time(one.end_ms)}" for one in ranges]
