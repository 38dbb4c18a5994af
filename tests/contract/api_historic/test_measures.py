"""Symbols, coverage, gaps, statistics and resampling against slow, obvious references."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_historic.native.coverage import CoverageQuery, answer_coverage
from api_historic.native.resample import ResampleQuery, answer_resample
from api_historic.service import Service
from market.gaps import Cause, Gap
from market.grid import Grid, Length, grid_of
from market.history_shapes import CoveragePage, GapPage, ResamplePage, StatsPage
from market.interval import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from market.kline import Kline
from market.shapes import SymbolPage
from market.store import Store
from market.store.closed_klines import Arrival, write_closed
from market.store.gap_ledger import write_gaps
from market.store.kline_buckets import Steps, read_buckets
from market.store.klines import Batch, Source, write_klines
from market.store.month_counts import MonthCounts
from market.store.series_extents import read_series_states
from market.store.symbol_states import Lifecycle, write_lifecycle, write_snapshot
from market.store.symbols import Series, Symbol, write_watermark
from support.history_api import add_series, frozen_clock, history_api, new_store
from support.klines import START_MS, make_klines

#: Three days of minutes, with holes and a running hour at the end.
MINUTES = make_klines(Interval.M1, 3 * 1440 + 25)
HOLES = [*range(100, 117), 1500, *range(2000, 2125)]
STORED = [kline for n, kline in enumerate(MINUTES) if n not in HOLES]
NOW_MS = START_MS + len(MINUTES) * MINUTE_MS + 7_000
HUGE = "99999999999999999999.99999999"


@pytest.fixture(params=["sqlite", "mysql"], scope="module")
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store with three days of minutes of BTCUSDT, holes in them."""
    with _database(request, tmp_path_factory.mktemp("store")) as url:
        store = new_store(url)
        series = add_series(store, "BTCUSDT", Interval.M1, STORED)
        outage = Gap(*(START_MS + n * MINUTE_MS for n in (2000, 2125)), Cause.OUTAGE)
        healed = Gap(*(START_MS + n * MINUTE_MS for n in (300, 301)), Cause.REPAIRABLE)
        with store.begin() as connection:
            write_gaps(connection, series, (START_MS, NOW_MS), [outage, healed], 1)
            write_gaps(connection, series, (START_MS, NOW_MS), [outage], 2)
        yield store
        store.close()


@contextmanager
def _database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    from support.databases import fresh_database

    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield url


@pytest.fixture(scope="module")
def api(store: Store) -> Iterator[str]:
    """The API over that store."""
    with history_api(store, NOW_MS) as url:
        yield url


def get(api: str, path: str, **parameters: Any) -> bytes:
    response = httpx.get(f"{api}/v1/{path}", params=parameters, timeout=30)
    assert response.status_code == 200, response.text
    return response.content


def resample(api: str, **parameters: Any) -> ResamplePage:
    content = get(api, "resample", symbol="BTCUSDT", **parameters)
    return ResamplePage.model_validate_json(content)


def resampled_by_hand(grid: Grid, klines: list[Kline]) -> list[list[Any]]:
    """Add up slot by slot, as anybody would."""
    slots: dict[int, list[Kline]] = {}
    for kline in klines:
        slots.setdefault(grid.floor(kline.open_time_ms), []).append(kline)
    rows = []
    for open_ms, parts in sorted(slots.items()):
        sums = [str(sum(Decimal(str(part[n])) for part in parts)) for n in (5, 7, 9, 10)]
        end_ms = grid.next(open_ms)
        rows.append(
            [
                open_ms,
                parts[0].open,
                str(max(Decimal(part.high) for part in parts)),
                str(min(Decimal(part.low) for part in parts)),
                parts[-1].close,
                sums[0],
                end_ms - 1,
                sums[1],
                sum(part.number_of_trades for part in parts),
                *sums[2:],
                len(parts),
                (end_ms - open_ms) // MINUTE_MS,
                end_ms <= NOW_MS,
            ]
        )
    return rows


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    interval=st.sampled_from(["2m", "7m", "10m", "45m", "1h", "90m", "6h", "1d", "2d", "1w", "1M"]),
    zone=st.sampled_from(["0", "8", "-3:30", "5:45"]),
    first=st.integers(-500, len(MINUTES)),
    minutes=st.integers(0, 5000),
    limit=st.integers(1, 300),
)
def test_resampled_equals_the_sums_by_hand(
    store: Store, interval: str, zone: str, first: int, minutes: int, limit: int
) -> None:
    start_ms = START_MS + first * MINUTE_MS
    asked = {"symbol": "BTCUSDT", "interval": interval, "timeZone": zone, "limit": limit}
    asked |= {"start": start_ms, "end": start_ms + minutes * MINUTE_MS}
    service = Service(store, frozen_clock(NOW_MS), demo=False)
    grid = Grid(Length.parse(interval), ResampleQuery.model_validate(asked).timeZone)

    pages = [answer_resample(service, ResampleQuery.model_validate(asked))]
    while pages[-1].next is not None:
        asked["cursor"] = pages[-1].next
        pages.append(answer_resample(service, ResampleQuery.model_validate(asked)))

    span = (grid.ceil(start_ms), grid.ceil(start_ms + minutes * MINUTE_MS))
    inside = [kline for kline in STORED if span[0] <= kline.open_time_ms < span[1]]
    assert [row for page in pages for row in page.klines] == resampled_by_hand(grid, inside)
    holes = {
        ms for page in pages for gap in page.gaps for ms in range(gap.start_ms, gap.end_ms, 60_000)
    }
    end_ms = min(span[1], Interval.M1.floor(NOW_MS))
    opens = {kline.open_time_ms for kline in STORED}
    assert holes == {ms for ms in range(span[0], end_ms, MINUTE_MS) if ms not in opens}
    assert all(page.complete == (not page.gaps) for page in pages)


def test_resampled_hours_name_their_source_and_their_holes(api: str) -> None:
    page = resample(api, interval="1h")

    assert (page.source, page.anchor_ms, len(page.klines)) == ("1m", 0, 72)
    assert page.klines[1][-3:] == [43, 60, True]
    assert page.klines[-1][-3:] == [25, 60, False]
    assert [(gap.cause, (gap.end_ms - gap.start_ms) // MINUTE_MS) for gap in page.gaps] == [
        (Cause.REPAIRABLE, 17),
        (Cause.REPAIRABLE, 1),
        (Cause.OUTAGE, 125),
    ]
    assert page.completeness == (len(MINUTES) - len(HOLES)) / len(MINUTES)


def test_resample_takes_the_coarsest_stored_interval_or_the_one_asked(
    api: str, store: Store
) -> None:
    add_series(store, "ETHUSDT", Interval.M1, MINUTES[:120])
    add_series(store, "ETHUSDT", Interval.M15, make_klines(Interval.M15, 8))

    def source(**asked: str) -> str:
        content = get(api, "resample", symbol="ETHUSDT", **asked)
        return ResamplePage.model_validate_json(content).source

    assert source(interval="1h") == "15m"
    assert source(interval="45m") == "15m"
    assert source(interval="40m") == "1m"
    assert source(interval="1h", source="1m") == "1m"


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("price", ["0.00000001", "999999999999.99999999"])
def test_buckets_keep_every_digit(store: Store, price: str, rows: int) -> None:
    symbol = f"X{len(price)}{rows}USDT"
    kline = Kline(START_MS, price, price, price, price, HUGE, 0, HUGE, 7, HUGE, HUGE)
    times = [START_MS + n * MINUTE_MS for n in range(rows)]
    klines = [kline._replace(open_time_ms=ms, close_time_ms=ms + 59_999) for ms in times]
    series = add_series(store, symbol, Interval.M1, klines)

    with store.read() as connection:
        steps = Steps(START_MS, START_MS + HOUR_MS, HOUR_MS)
        (bucket,) = read_buckets(connection, series, steps)

    assert (bucket.kline.high, bucket.kline.low, bucket.parts) == (price, price, rows)
    assert Fraction(bucket.kline.volume) == rows * Fraction(HUGE)
    assert len(bucket.kline.volume.partition(".")[2]) == 8


def test_off_grid_klines_fill_the_slot_they_open_in(store: Store) -> None:
    late = MINUTES[3]._replace(open_time_ms=MINUTES[3].open_time_ms + 20_000)
    cut = MINUTES[4]._replace(close_time_ms=MINUTES[4].close_time_ms - 30_000)
    later = late._replace(open_time_ms=late.open_time_ms + 10_000)
    series = add_series(store, "OFFUSDT", Interval.M1, [*MINUTES[:3], late, later, cut])

    with store.read() as connection:
        steps = Steps(START_MS, START_MS + HOUR_MS, HOUR_MS)
        (bucket,) = read_buckets(connection, series, steps)

    # An outage cut the last one short: the hour ends with it, as Binance's does.
    assert (bucket.parts, bucket.kline.close_time_ms) == (5, cut.close_time_ms)


def test_stats_equal_those_by_hand(api: str) -> None:
    content = get(api, "stats", symbol="BTCUSDT", interval="1m", period="1d")
    page = StatsPage.model_validate_json(content)

    days = grid_of(Interval.D1)
    assert [one.start_ms for one in page.periods] == [START_MS + n * DAY_MS for n in range(4)]
    for one, row in zip(page.periods, resampled_by_hand(days, STORED), strict=True):
        assert [one.open, one.high, one.low, one.close, one.volume] == row[1:6]
        assert (one.number_of_trades, one.klines, one.closed) == (row[8], row[11], row[13])
        assert (one.expected, one.completeness) == (1440, row[11] / 1440)
        inside = [k for k in STORED if one.start_ms <= k.open_time_ms < one.end_ms]
        prices = [float(inside[0].open), *(float(k.close) for k in inside)]
        squares = [math.log(b / a) ** 2 for a, b in zip(prices, prices[1:], strict=False)]
        assert one.realised_volatility == pytest.approx(math.sqrt(sum(squares)))
        yearly = sum(squares) / len(squares) * 365 * 1440
        assert one.annualised_volatility == pytest.approx(math.sqrt(yearly))
        assert one.log_return == pytest.approx(math.log(prices[-1] / prices[0]))
        vwap = Decimal(one.quote_asset_volume) / Decimal(one.volume)
        assert one.vwap is not None
        assert abs(Decimal(one.vwap) - vwap) < Decimal("0.00000001")


def test_stats_of_the_whole_range_are_one_period(api: str) -> None:
    content = get(api, "stats", symbol="BTCUSDT", interval="1m", period="all", start=START_MS)
    (one,) = StatsPage.model_validate_json(content).periods

    assert (one.open, one.close) == (MINUTES[0].open, MINUTES[-1].close)
    assert (one.klines, one.expected) == (len(STORED), len(MINUTES))
    assert one.return_ == pytest.approx(float(one.close) / float(one.open) - 1)


def test_months_of_stats_are_pages(api: str) -> None:
    asked = {"symbol": "BTCUSDT", "interval": "1m", "period": "6h", "limit": 5}
    whole = StatsPage.model_validate_json(get(api, "stats", **asked | {"limit": 1000}))

    pages = [StatsPage.model_validate_json(get(api, "stats", **asked))]
    while pages[-1].next is not None:
        content = get(api, "stats", **asked, cursor=pages[-1].next)
        pages.append(StatsPage.model_validate_json(content))

    assert len(pages) == 3
    assert [one for page in pages for one in page.periods] == whole.periods


def test_coverage_tells_extent_completeness_and_months(api: str, store: Store) -> None:
    klines = [
        kline
        for kline in make_klines(Interval.H12, 200, start_ms=START_MS)
        if kline.open_time_ms // DAY_MS % 7
    ]
    series = add_series(store, "COVUSDT", Interval.H12, klines)
    with store.begin() as connection:
        write_watermark(connection, series, START_MS)

    content = get(api, "coverage", symbol="covusdt", by="month")
    (one,) = CoveragePage.model_validate_json(content).series

    slots = Interval.H12.count(klines[0].open_time_ms, klines[-1].open_time_ms + 1)
    assert (one.count, one.expected) == (len(klines), slots)
    assert one.completeness == len(klines) / slots
    assert (one.watermark_ms, one.confirmed_until_ms) == (START_MS, None)
    assert one.months is not None
    assert [month.count for month in one.months] == [
        sum(Interval.MO1.floor(k.open_time_ms) == month.month_ms for k in klines)
        for month in one.months
    ]
    assert sum(month.expected for month in one.months) == slots


def test_coverage_is_paged_by_symbol_and_interval(api: str) -> None:
    whole = CoveragePage.model_validate_json(get(api, "coverage"))
    names = [(one.symbol, Interval.parse(one.interval).number) for one in whole.series]

    pages = [CoveragePage.model_validate_json(get(api, "coverage", limit=2))]
    while pages[-1].next is not None:
        content = get(api, "coverage", limit=2, cursor=pages[-1].next)
        pages.append(CoveragePage.model_validate_json(content))

    assert names == sorted(names)
    assert [one for page in pages for one in page.series] == whole.series


_NUMBERS = count()
_COUNTED = make_klines(Interval.H12, 140)


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    steps=st.lists(
        st.one_of(
            st.sets(st.integers(0, 139), min_size=1, max_size=30),
            st.integers(1, 20),  # so many klines that a stream appends
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_kept_counts_equal_a_count_of_all_rows(store: Store, steps: list[set[int] | int]) -> None:
    series = add_series(store, f"C{next(_NUMBERS)}USDT", Interval.H12, [])
    counts, held = MonthCounts(), set[int]()
    for step in steps:
        if isinstance(step, int):
            first = max(held, default=-1) + 1
            fresh = set(range(first, min(first + step, 140)))
            _append(store, series, sorted(fresh), max(held, default=None))
        else:
            fresh = step
            klines = [_COUNTED[n] for n in sorted(step)]
            write_klines(store, series, klines, Batch(Source.REST, "test", 1))
        held |= fresh

        with store.read() as connection:
            states = read_series_states(connection, symbol_ids=[series.symbol_id])
            months = counts.read(connection, states).get(series, [])

        by_month: dict[int, int] = {}
        for n in held:
            month_ms = Interval.MO1.floor(_COUNTED[n].open_time_ms)
            by_month[month_ms] = by_month.get(month_ms, 0) + 1
        assert {one.month_ms: one.rows for one in months} == by_month
        assert {one.month_ms: one.slots for one in months} == by_month


def _append(store: Store, series: Series, numbers: list[int], newest: int | None) -> None:
    if not numbers or newest is None:
        klines = [_COUNTED[n] for n in numbers]
        write_klines(store, series, klines, Batch(Source.WS, "test", 1))
        return
    with store.begin() as connection:
        write_watermark(connection, series, _COUNTED[newest].open_time_ms)
    arrival = Arrival(series, [_COUNTED[n] for n in numbers], "wss://test", 5)
    assert write_closed(store, [arrival], announce_newest=0) == [series]


def test_gaps_have_causes_and_a_history(api: str) -> None:
    def gaps(**asked: Any) -> list[tuple[str, int, int, int | None]]:
        page = GapPage.model_validate_json(get(api, "gaps", **asked))
        return [(one.cause, one.slots, one.first_seen_ms, one.resolved_ms) for one in page.gaps]

    outage, healed = ("outage", 125, 1, None), ("repairable", 1, 1, 2)
    assert gaps() == [outage]
    assert gaps(resolved="true") == [healed]
    assert gaps(resolved="any") == [healed, outage]
    assert gaps(resolved="any", cause="outage", symbol="btcusdt", interval="1m") == [outage]
    assert gaps(start=START_MS + 2125 * MINUTE_MS) == []
    assert gaps(end=START_MS + 2000 * MINUTE_MS) == []


def test_gaps_are_paged(api: str, store: Store) -> None:
    for name in ("GAPAUSDT", "GAPBUSDT"):
        series = add_series(store, name, Interval.M1, MINUTES[:1])
        holes = [
            Gap(START_MS + n * HOUR_MS, START_MS + n * HOUR_MS + MINUTE_MS, Cause.SOURCE_MISSING)
            for n in range(5)
        ]
        with store.begin() as connection:
            write_gaps(connection, series, (0, NOW_MS), holes, 3)
    whole = GapPage.model_validate_json(get(api, "gaps", cause="source_missing"))

    pages = [GapPage.model_validate_json(get(api, "gaps", cause="source_missing", limit=3))]
    while pages[-1].next is not None:
        content = get(api, "gaps", cause="source_missing", limit=3, cursor=pages[-1].next)
        pages.append(GapPage.model_validate_json(content))

    assert [one for page in pages for one in page.gaps] == whole.gaps
    assert len(whole.gaps) == 10


def _symbol(name: str, status: str = "TRADING") -> Symbol:
    return Symbol(name, name.removesuffix("EUR"), "EUR", status, "{}")


def test_universe_of_a_moment_knows_its_dead_and_no_future(api: str, store: Store) -> None:
    write_snapshot(store, [_symbol("AAEUR"), _symbol("BBEUR", "BREAK")], 1_000)
    write_snapshot(store, [_symbol("BBEUR"), _symbol("CCEUR")], 2_000)
    with store.begin() as connection:
        write_lifecycle(connection, "AAEUR", Lifecycle(500, 2_000, "CCEUR"))

    def universe(**asked: Any) -> dict[str, tuple[Any, ...]]:
        page = SymbolPage.model_validate_json(get(api, "symbols", quote="eur", **asked))
        return {
            one.symbol: (one.status, one.listed_ms, one.delisted_ms, one.successor)
            for one in page.symbols
        }

    assert universe() == {}  # nobody asked for their klines
    assert universe(as_of=1_500) == {
        "AAEUR": ("TRADING", 500, None, None),
        "BBEUR": ("BREAK", None, None, None),
    }
    assert universe(as_of=1_500, status="trading").keys() == {"AAEUR"}
    assert universe(as_of=700) == {"AAEUR": ("TRADING", 500, None, None)}
    assert universe(scope="listed") == {
        "AAEUR": ("GONE", 500, 2_000, "CCEUR"),
        "BBEUR": ("TRADING", None, None, None),
        "CCEUR": ("TRADING", None, None, None),
    }
    page = SymbolPage.model_validate_json(get(api, "symbols", scope="listed", text="cceur"))
    assert page.symbols[0].renamed_from == ["AAEUR"]
    assert universe(as_of=1_500, scope="followed") == {}


def test_symbols_are_filtered_and_paged(api: str, store: Store) -> None:
    add_series(store, "ZZAUSDT", Interval.M3, make_klines(Interval.M3, 4))
    add_series(store, "ZZBUSDT", Interval.M3, make_klines(Interval.M3, 5))

    def names(**asked: Any) -> list[str]:
        page = SymbolPage.model_validate_json(get(api, "symbols", **asked))
        return [one.symbol for one in page.symbols]

    assert names(interval="3m") == ["ZZAUSDT", "ZZBUSDT"]
    assert names(text="zzb") == ["ZZBUSDT"]
    assert names(base="zza", quote="USDT") == ["ZZAUSDT"]
    assert names(interval="3m", status="BREAK") == []
    page = SymbolPage.model_validate_json(get(api, "symbols", interval="3m", limit=1))
    assert page.symbols[0].series[0].count == 4
    assert names(interval="3m", limit=1, cursor=page.next) == ["ZZBUSDT"]


def test_coverage_of_a_snapshot_needs_no_server(store: Store) -> None:
    service = Service(store, frozen_clock(NOW_MS), demo=False)
    query = CoverageQuery.model_validate({"symbol": "BTCUSDT", "interval": "1m"})

    (one,) = answer_coverage(service, MonthCounts(), query).series

    assert (one.count, one.expected, one.lag_ms) == (len(STORED), len(MINUTES), 7_001)
