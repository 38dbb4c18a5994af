"""What a stream told of klines that are stored already: REST's word stays, a stream's goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from market.clock import ExchangeClock
from market.interval import Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import write_watermark
from populate_base.recovery import recover
from populate_base.spool import Spool
from populate_base.stream import ClosedKline
from populate_base.tails import Tails
from support.populator import HOURS, ledger_of, stored_klines
from support.stores import add_series, count


@pytest.mark.parametrize(("source", "replaced"), [(Source.REST, 0), (Source.WS, 1)])
def test_an_old_spool_replaces_only_what_a_stream_told(
    store: Store, tmp_path: Path, source: Source, replaced: int
) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1)
    write_klines(store, series, HOURS[:10], Batch(source, "test", 1))
    with store.begin() as connection:
        write_watermark(connection, series, HOURS[9].open_time_ms)
    late = HOURS[8]._replace(number_of_trades=HOURS[8].number_of_trades + 1)
    spool = Spool(tmp_path / "spool" / "0.spool", 10_000_000)
    spool.append(1, [ClosedKline("BTCUSDT", Interval.H1, late)])
    spool.append(2, [ClosedKline("BTCUSDT", Interval.H1, HOURS[10])])

    recover(store, Tails(store, ExchangeClock(), "ws://x", 10), spool.path.parent, [series])

    kept = late if replaced else HOURS[8]
    assert stored_klines(store, series) == [*HOURS[:8], kept, HOURS[9], HOURS[10]]
    assert ledger_of(store, series) == ([], HOURS[10].open_time_ms)
    assert count(store, "kline_revisions") == replaced
