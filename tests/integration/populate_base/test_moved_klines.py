"""Off-grid klines that the exchange has on the grid now, and the other way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from market.interval import HOUR_MS, Interval
from market.kline import KLINE_FIELDS, Kline
from market.store import Store
from market.store import tables as t
from market.store.klines import Batch, Source, write_klines
from market.store.revisions import read_klines_as_of
from populate_base.backfill import Sources
from populate_base.file_import import Importer
from populate_base.file_klines import Rules
from populate_base.repair import Repairer
from populate_base.sample import Scope
from populate_base.verify import Verifier
from support.archive import write_archive_months
from support.klines import START_MS
from support.populator import (
    HOURS,
    make_backfill,
    opened_sources,
    opened_store,
    register,
    stored_klines,
)
from support.simulator import run_simulator
from support.stores import add_series, count

WHOLE = Scope(fraction=1)
MONTH = 31 * 24
FEBRUARY_MS = START_MS + MONTH * HOUR_MS
CLOCK = ["--now", "2024-02-15T12:30:00Z", "--speed", "0"]
ON = HOURS
#: Two in the middle open off the grid, and the last of January.
OFF = [
    kline._replace(open_time_ms=kline.open_time_ms + 137) if n in (200, 300, MONTH - 1) else kline
    for n, kline in enumerate(ON)
]


@contextmanager
def exchange(folder: Path, store: Store, klines: Sequence[Kline]) -> Iterator[Sources]:
    write_archive_months(folder / "archive", "BTCUSDT", "1h", klines)
    with (
        run_simulator(folder / "archive", folder / "log", CLOCK) as simulator,
        opened_sources(simulator.url, simulator.url, store) as sources,
    ):
        yield sources


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with opened_store(request.getfixturevalue(f"{request.param}_url")) as store:
        yield store


@pytest.mark.parametrize(("old", "new"), [(OFF, ON), (ON, OFF)], ids=["on", "off"])
def test_a_kline_that_moved_within_its_slot_is_repaired_once(
    store: Store, tmp_path: Path, old: list[Kline], new: list[Kline]
) -> None:
    with exchange(tmp_path / "old", store, old) as sources:
        series = register(store, sources, Interval.H1)
        make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)
        before_ms = sources.clock.now_ms()
        assert stored_klines(store, series) == old[:MONTH]
    with store.begin() as connection:
        # The simulators' clocks stand: what was loaded was so an hour ago.
        connection.execute(t.ingest_batches.update().values(fetched_at_ms=before_ms - HOUR_MS))

    with exchange(tmp_path / "new", store, new) as sources:
        first = Repairer(store, sources, WHOLE).repair(series)
        second = Repairer(store, sources, WHOLE).repair(series)
        audit = Verifier(store, sources, WHOLE).verify(series)

    assert stored_klines(store, series) == new[:MONTH]
    assert (first.inserted, first.replaced, first.left) == (0, 3, [])
    told = [one for one in first.audit.findings if one.field == "open_time"]
    assert len(told) == 3
    assert (second.inserted, second.replaced) == (0, 0)
    assert (second.audit.findings, audit.findings, audit.overruled) == ([], [], [])
    assert count(store, "kline_revisions") == 3
    with store.read() as connection:
        was = read_klines_as_of(connection, series, None, None, 1000, before_ms - HOUR_MS)
    assert was == old[:MONTH]


def test_a_less_believed_source_moves_no_kline(store: Store, tmp_path: Path) -> None:
    with exchange(tmp_path / "new", store, ON) as sources:
        series = register(store, sources, Interval.H1)
        rest = Batch(Source.REST, "https://exchange.test/api/v3/klines", 1)
        write_klines(store, series, OFF[190:310], rest)

        report = make_backfill(store, sources).run(series, START_MS, FEBRUARY_MS)

    assert report.changed == 0
    assert stored_klines(store, series) == [*ON[:190], *OFF[190:310], *ON[310:MONTH]]
    assert count(store, "kline_revisions") == 0


@pytest.mark.parametrize("replace", [False, True])
def test_an_import_moves_klines_only_where_it_is_to_replace(
    store: Store, tmp_path: Path, replace: bool
) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1)
    write_klines(store, series, OFF[:MONTH], Batch(Source.REST, "test", 1))
    lines = [KLINE_FIELDS, *ON[150 : MONTH + 2]]
    file = tmp_path / "in.csv"
    file.write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    rules = Rules(now_ms=ON[-1].close_time_ms + 1)

    reports = [Importer(store, rules, replace=replace).run(series, file) for _ in range(2)]

    differing = [ON[n].open_time_ms for n in (200, 300, MONTH - 1)]
    left = [] if replace else differing
    assert [one.differing for one in reports] == [differing, left]
    assert [(one.inserted, one.replaced) for one in reports] == [(2, 3 * replace), (0, 0)]
    kept = ON if replace else OFF
    assert stored_klines(store, series) == [*kept[:MONTH], *ON[MONTH : MONTH + 2]]
