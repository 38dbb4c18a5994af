"""Symbols over time: snapshots, ends and returns, a second venue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from market.errors import NotFound
from market.gaps import Cause, Gap, Range
from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import Kline
from market.selection import parse_selection
from market.store import Store
from market.store.gap_ledger import read_gaps
from market.store.klines import Batch, Source, write_klines
from market.store.symbol_states import GONE, Lifecycle, read_universe
from market.store.symbols import find_series, read_symbols
from market.times import MAX_MS, parse_time_ms
from populate_base.backfill import Sources
from populate_base.gone import GoneSource, read_gone
from populate_base.lifecycle import learn_gone, learn_lives, take_snapshot
from populate_base.source import KlineSource
from populate_base.universe import register_series
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.populator import (
    HOURS,
    ledger_of,
    make_backfill,
    opened_sources,
    register,
    stored_klines,
)
from support.simulator import Simulator, run_simulator
from support.stores import count

NOW_MS = parse_time_ms("time", "2024-02-20")
LUNA = make_klines(Interval.H1, 24 * 40, seed=5)


@contextmanager
def serving(folder: Path, **symbols: Sequence[Kline]) -> Iterator[Simulator]:
    folder.mkdir()
    for symbol, klines in symbols.items():
        write_archive_months(folder / "archive", symbol, "1h", klines)
    options = ["--now", str(NOW_MS), "--speed", "0"]
    with run_simulator(folder / "archive", folder / "log", options) as simulator:
        yield simulator


def universe(store: Store, as_of_ms: int | None = None) -> dict[str, str]:
    with store.read() as connection:
        return {one.symbol.symbol: one.symbol.status for one in read_universe(connection, as_of_ms)}


def lives(store: Store) -> dict[str, Lifecycle]:
    with store.read() as connection:
        return {one.symbol.symbol: one.life for one in read_universe(connection)}


def test_a_symbol_that_is_listed_no_more_has_an_end(store: Store, tmp_path: Path) -> None:
    end_ms = LUNA[-1].close_time_ms + 1
    with (
        serving(tmp_path / "both", BTCUSDT=HOURS, LUNAUSDT=LUNA) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        series = register(store, sources, Interval.H1, "LUNAUSDT")
        make_backfill(store, sources).run(series, START_MS - DAY_MS, None)
        take_snapshot(store, sources.exchange, NOW_MS)
        assert lives(store)["LUNAUSDT"] == Lifecycle(listed_ms=START_MS)

    with (
        serving(tmp_path / "one", BTCUSDT=HOURS) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        for _ in range(2):
            take_snapshot(store, sources.exchange, NOW_MS + HOUR_MS)
        again = register_series(store, sources.exchange, ["LUNAUSDT"], [Interval.H1], NOW_MS)
        assert again == [series]

    assert universe(store) == {"BTCUSDT": "TRADING", "LUNAUSDT": GONE}
    assert universe(store, NOW_MS) == {"BTCUSDT": "TRADING", "LUNAUSDT": "TRADING"}
    assert lives(store)["LUNAUSDT"] == Lifecycle(START_MS, end_ms)
    unlisted = Gap(START_MS - DAY_MS, START_MS, Cause.NOT_LISTED)
    after = Gap(end_ms, Interval.H1.floor(MAX_MS), Cause.DELISTED)
    assert ledger_of(store, series) == ([unlisted, after], LUNA[-1].open_time_ms)

    with (
        serving(tmp_path / "back", BTCUSDT=HOURS, LUNAUSDT=LUNA) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        take_snapshot(store, sources.exchange, NOW_MS + 2 * HOUR_MS)

    with store.read() as connection:
        gaps = read_gaps(connection, series, START_MS, None)
    assert gaps == [Gap(end_ms, NOW_MS + 2 * HOUR_MS, Cause.DELISTED)]
    assert lives(store)["LUNAUSDT"] == Lifecycle(START_MS)


def test_rules_select_what_trades(store: Store, sources: Sources) -> None:
    chosen = register_series(
        store, sources.exchange, parse_selection("quote:USDT"), [Interval.H1], NOW_MS
    )
    by_name = register_series(
        store, sources.exchange, parse_selection("/^BTC/"), [Interval.H1, Interval.D1], NOW_MS
    )

    assert [one.symbol for one in chosen] == ["BTCUSDT"]
    assert [one.interval for one in by_name] == [Interval.H1, Interval.D1]
    with pytest.raises(NotFound, match="no symbol in trading is selected"):
        register_series(store, sources.exchange, parse_selection("/^DOGE/"), [Interval.H1], NOW_MS)


def test_the_archive_tells_of_symbols_gone_before_anybody_looked(
    store: Store, tmp_path: Path
) -> None:
    days = make_klines(Interval.D1, 45, seed=6)
    write_archive_months(tmp_path / "past", "NANOBTC", "1d", days)
    write_archive_months(tmp_path / "past", "NANOBTC", "1h", HOURS[: 45 * 24])
    write_archive_months(tmp_path / "past", "BTCUSDT", "1h", HOURS)
    options = ["--now", "2024-03-01", "--speed", "0"]
    with (
        serving(tmp_path / "now", BTCUSDT=HOURS) as present,
        run_simulator(tmp_path / "past", tmp_path / "log", options) as past,
        opened_sources(present.url, past.url, store) as sources,
    ):
        take_snapshot(store, sources.exchange, NOW_MS)
        found = learn_gone(store, sources.archive, NOW_MS)
        again = learn_gone(store, sources.archive, NOW_MS)
        assert no_klines_wanted(store)
        (series,) = register_series(store, sources.exchange, ["NANOBTC"], [Interval.H1], NOW_MS)
        exchange = GoneSource(sources.exchange, read_gone(store, "binance"))
        make_backfill(store, replace(sources, exchange=exchange)).run(
            series, START_MS - DAY_MS, None
        )
        learn_lives(store, NOW_MS)

    # Its second month is not over by REST's clock, so the archive is not asked for it yet.
    stored = stored_klines(store, series)
    assert stored == HOURS[: 31 * 24]
    gaps, watermark_ms = ledger_of(store, series)
    assert [gap.cause for gap in gaps] == [Cause.NOT_LISTED, Cause.DELISTED]
    assert watermark_ms == stored[-1].open_time_ms
    assert (found, again) == (["NANOBTC"], [])
    assert gaps[1].start_ms == days[-1].close_time_ms + 1
    life = Lifecycle(days[0].open_time_ms, days[-1].close_time_ms + 1, "XNOBTC")
    assert lives(store)["NANOBTC"] == life
    assert universe(store, days[3].open_time_ms)["NANOBTC"] == "TRADING"
    assert universe(store)["NANOBTC"] == GONE


def no_klines_wanted(store: Store) -> bool:
    with store.read() as connection:
        return read_symbols(connection) == []


class OtherVenue:
    """A second exchange, as one file would add it: another name over another address."""

    def __init__(self, source: KlineSource) -> None:
        self._source = source
        self.venue = "binanceus"
        self.fetch_time_ms = source.fetch_time_ms
        self.fetch_symbols = source.fetch_symbols
        self.fetch_first_open = source.fetch_first_open
        self.iter_klines = source.iter_klines


def test_a_second_venue_never_mixes_with_the_first(store: Store, tmp_path: Path) -> None:
    theirs = make_klines(Interval.H1, len(HOURS), seed=9)
    with (
        serving(tmp_path / "here", BTCUSDT=HOURS) as first,
        serving(tmp_path / "there", BTCUSDT=theirs) as second,
        opened_sources(first.url, first.url, store) as sources,
        opened_sources(second.url, second.url, store) as others,
    ):
        here = register(store, sources, Interval.H1)
        make_backfill(store, sources).run(here, START_MS, START_MS + 2 * DAY_MS)
        other: KlineSource = OtherVenue(others.exchange)
        (there,) = register_series(store, other, ["BTCUSDT"], [Interval.H1], NOW_MS)
        span = Range(START_MS, START_MS + 2 * DAY_MS)
        for url, klines in other.iter_klines("BTCUSDT", Interval.H1, span):
            batch = Batch(Source.REST, url, NOW_MS)
            write_klines(store, there, klines, batch, announce_from_ms=0)

    assert (here.venue, there.venue) == ("binance", "binanceus")
    assert stored_klines(store, here) == HOURS[:48]
    assert stored_klines(store, there) == theirs[:48]
    with store.read() as connection:
        assert find_series(connection, "BTCUSDT", Interval.H1) == here
    # Announcements carry no venue: only the first one's klines reach Elasticsearch.
    assert count(store, "outbox") == 48
