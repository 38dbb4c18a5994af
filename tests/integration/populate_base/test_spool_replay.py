"""A spool is written whole where its series became unknown while the store was away."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.aggregation import iter_aggregated
from market.grid import grid_of
from market.interval import Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series, write_watermark
from populate_base.backfill import Sources
from populate_base.catch_up import CatchUp, Wanted
from populate_base.follow import Follower, Parts
from populate_base.lateness import Lateness
from populate_base.recovery import recover
from populate_base.spool import Spool
from populate_base.stream import ClosedKline
from populate_base.tails import HELD, Tails
from support.archive import write_archive_months
from support.populator import (
    HOURS,
    ledger_of,
    make_backfill,
    opened_sources,
    register,
    stored_klines,
)
from support.simulator import run_simulator


def make_follower(store: Store, sources: Sources, spool: Spool, *series: Series) -> Follower:
    tails = Tails(store, sources.clock, "ws://nowhere", 10)
    wanted = Wanted(HOURS[0].open_time_ms, 10)
    catch_up = CatchUp(store, sources, lambda: make_backfill(store, sources), wanted)
    lateness = Lateness(series, tails, sources.clock, 60.0)

    def open_stream(_stop: object) -> None:
        raise AssertionError("nothing is followed here")

    parts = Parts(store, sources.clock, tails, catch_up, spool, lateness, open_stream)  # type: ignore[arg-type]
    return Follower(series, parts)


def test_more_than_are_held_come_out_of_the_spool(
    store: Store, sources: Sources, tmp_path: Path
) -> None:
    series = register(store, sources, Interval.H1)
    write_klines(store, series, HOURS[:10], Batch(Source.REST, "test", 1))
    with store.begin() as connection:
        write_watermark(connection, series, HOURS[9].open_time_ms)
    spool = Spool(tmp_path / "spool" / "0.spool", 10_000_000)
    waiting = HOURS[10 : 10 + 2 * HELD]
    for kline in waiting:
        assert spool.append(kline.close_time_ms, [ClosedKline("BTCUSDT", Interval.H1, kline)])

    # The series is unknown to the follower, as after a reconnect.
    make_follower(store, sources, spool, series).replay()

    assert stored_klines(store, series) == [*HOURS[:10], *waiting]
    assert ledger_of(store, series) == ([], waiting[-1].open_time_ms)
    assert spool.size == 0


@pytest.mark.parametrize("who", ["follower", "recovery"])
def test_intervals_of_one_symbol_that_close_together_come_out_together(
    store: Store, sources: Sources, tmp_path: Path, who: str
) -> None:
    days = list(iter_aggregated(HOURS[:24], Interval.H1, grid_of(Interval.D1)))
    both = [register(store, sources, Interval.H1), register(store, sources, Interval.D1)]
    for series in both:
        write_klines(store, series, HOURS[:1], Batch(Source.REST, "test", 1))
    spool = Spool(tmp_path / "spool" / "0.spool", 10_000_000)
    closed = [
        ClosedKline("BTCUSDT", Interval.D1, days[0]),
        ClosedKline("BTCUSDT", Interval.H1, HOURS[23]),
    ]
    assert spool.append(HOURS[23].close_time_ms, closed)

    if who == "follower":
        make_follower(store, sources, spool, *both).replay()
    else:
        tails = Tails(store, sources.clock, "ws://nowhere", 10)
        recover(store, tails, tmp_path / "spool", both)

    assert stored_klines(store, both[0])[-1] == HOURS[23]
    assert spool.size == 0


def test_spools_of_one_folder_share_their_room(tmp_path: Path) -> None:
    closed = [ClosedKline("BTCUSDT", Interval.H1, HOURS[0])]
    first, second = Spool(tmp_path / "0.spool", 1_000), Spool(tmp_path / "1.spool", 1_000)

    while first.append(1, closed):
        pass

    assert not second.append(1, closed)
    assert first.size <= 1_000


def test_what_rest_lacks_of_old_klines_is_asked_of_the_archive(
    tmp_path: Path, store: Store
) -> None:
    write_archive_months(tmp_path / "rest", "BTCUSDT", "1h", [*HOURS[:800], *HOURS[803:]])
    options = ["--now", "2024-02-15T12:30:00Z", "--speed", "0"]
    with (
        run_simulator(tmp_path / "rest", tmp_path / "log", options) as simulator,
        opened_sources(simulator.url, "http://127.0.0.1:9", store) as sources,
    ):
        series = register(store, sources, Interval.H1)
        sources.exchange.fetch_time_ms()
        wanted = Wanted(HOURS[0].open_time_ms, 1)
        catch_up = CatchUp(store, sources, lambda: make_backfill(store, sources), wanted)
        catch_up.run(series)
        catch_up.run(series)  # what follows a reconnect

    (gap,), _ = ledger_of(store, series)
    # The archive could not be read, so it may still have them.
    assert (gap.start_ms, gap.cause) == (HOURS[800].open_time_ms, "repairable")
