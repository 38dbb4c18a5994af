"""What a process left in its spool when it was ended: into the store, before all else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from market.errors import DataError
from market.log import get_logger
from market.store import Store
from market.store.klines import read_newest_open
from market.store.symbols import Series
from populate_base.spool import SUFFIX, Spool
from populate_base.tails import Tails

log = get_logger()


def recover(store: Store, tails: Tails, folder: Path, series: Sequence[Series]) -> None:
    """Write what waits in the spools of a folder, each in its order, and remove them.

    Klines of series that are not followed any more are left out. Ending this at any moment
    is harmless: what was written already changes nothing when it is written again.

    Raises:
        StoreUnavailable: the spools stay.
    """
    by_name = {(one.symbol, one.interval): one for one in series}
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        spool, frames = Spool(path, 0), 0
        try:
            for arrived_ms, closed in spool.read():
                known = [
                    (by_name[symbol, interval], kline)
                    for symbol, interval, kline in closed
                    if (symbol, interval) in by_name
                ]
                _begin(store, tails, (one for one, _ in known))
                tails.write(known, arrived_ms)
                frames += 1
        except DataError as error:
            log.error("spool_damaged", detail=error.detail, hint="REST catches up.")
        log.info("spool_replayed", path=str(path), frames=frames, bytes=spool.size)
        spool.clear()


def _begin(store: Store, tails: Tails, series: Iterable[Series]) -> None:
    unknown = [one for one in dict.fromkeys(series) if tails.next_ms(one) is None]
    with store.read() as connection:
        for one in unknown:
            newest_ms = read_newest_open(connection, one)
            if newest_ms is not None:
                tails.begin(one, one.interval.close_of(newest_ms) + 1)
