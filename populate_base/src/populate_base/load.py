"""Loading: writes that outlast a store which is busy or away for a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import stamina

from market.errors import StoreUnavailable
from market.gaps import Range
from market.kline import Kline
from market.store import Store
from market.store.klines import Batch, KlinePart, Written, write_kline_parts, write_klines
from market.store.symbols import Series
from populate_base import metrics
from populate_base.causes import Knowledge
from populate_base.ledger import settle

_Result = TypeVar("_Result")


def write_patiently(
    store: Store,
    series: Series,
    klines: Sequence[Kline],
    batch: Batch,
    *,
    announce_from_ms: int,
) -> Written:
    """Write klines, see `market.store.klines.write_klines`, and count them.

    Raises:
        StoreUnavailable: the store stayed away; nothing was written.
    """

    def write() -> Written:
        return write_klines(store, series, klines, batch, announce_from_ms=announce_from_ms)

    return _count(series, batch, _patiently(write))


def write_parts_patiently(
    store: Store,
    series: Series,
    read_parts: Callable[[], Iterable[KlinePart]],
    batch: Batch,
    announce_from_ms: int,
) -> Written:
    """Write a file part by part, see `market.store.klines.write_kline_parts`, and count it.

    Raises:
        StoreUnavailable: the store stayed away; nothing was written.
        DataError: what `read_parts` raises; nothing was written.
    """

    def write() -> Written:
        return write_kline_parts(
            store, series, read_parts, batch, announce_from_ms=announce_from_ms
        )

    return _count(series, batch, _patiently(write))


def _count(series: Series, batch: Batch, written: Written) -> Written:
    rows = metrics.ROWS.labels(series.symbol, series.interval.value, batch.source.value)
    rows.inc(written.inserted + written.changed)
    return written


def settle_patiently(
    store: Store,
    series: Series,
    parts: Sequence[Range],
    now_ms: int,
    knowledge: Knowledge,
    *,
    present: Sequence[Range] = (),
) -> list[Range]:
    """Settle the ledger, see `populate_base.ledger.settle`.

    Raises:
        StoreUnavailable: the store stayed away; nothing was written.
    """
    return _patiently(lambda: settle(store, series, parts, now_ms, knowledge, present))


def _patiently(work: Callable[[], _Result]) -> _Result:
    # As a decorator stamina would log every argument: months of klines.
    for attempt in stamina.retry_context(on=StoreUnavailable, attempts=6, timeout=30.0):
        with attempt:
            return work()
    raise AssertionError("the last attempt returns or raises")
