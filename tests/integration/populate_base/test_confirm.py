"""What a stream told is looked up by REST, whatever is missing before it."""

from __future__ import annotations

from market.gaps import Range
from market.interval import Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from populate_base.backfill import Sources
from populate_base.causes import Knowledge
from populate_base.confirm import Confirmer
from populate_base.ledger import settle
from support.populator import HOURS, ledger_of, register, stored_klines


def test_a_hole_keeps_nothing_from_being_confirmed(store: Store, sources: Sources) -> None:
    series = register(store, sources, Interval.H1)
    told = [k._replace(number_of_trades=k.number_of_trades + 1) for k in HOURS[12:20]]
    arrived_ms = told[0].close_time_ms + 1
    write_klines(store, series, HOURS[:10], Batch(Source.REST, "test", 1))
    write_klines(store, series, told, Batch(Source.WS, "test", arrived_ms))
    span = Range(HOURS[0].open_time_ms, HOURS[20].open_time_ms)
    settle(store, series, [span], arrived_ms, Knowledge())
    assert ledger_of(store, series)[1] == HOURS[9].open_time_ms
    sources.exchange.fetch_time_ms()

    Confirmer(store, sources, [series], after_s=60, index_klines=10).confirm(series)

    # REST has what was missing, too.
    assert stored_klines(store, series) == HOURS[:20]
    assert ledger_of(store, series) == ([], HOURS[19].open_time_ms)
