"""The lives of symbols: when they were listed, when they ended, and as what they go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from sqlalchemy import Connection

from market.errors import DataError, ExchangeUnavailable
from market.gaps import Cause, Gap
from market.interval import DAY_MS, Interval
from market.log import get_logger
from market.store import Store
from market.store.gap_ledger import read_gaps, write_gaps
from market.store.symbol_states import (
    GONE,
    Lifecycle,
    ListedSymbol,
    read_universe,
    write_lifecycle,
    write_snapshot,
)
from market.store.symbols import (
    VENUE,
    Series,
    SeriesBounds,
    Symbol,
    lock_symbol,
    read_bounds,
    refresh_symbols,
)
from market.times import MAX_MS
from populate_base.answers import iter_file_answers, parse_file_name
from populate_base.archive import Archive
from populate_base.archive_file import ArchiveFile, Period
from populate_base.renames import find_successor
from populate_base.source import KlineSource

log = get_logger()

#: A symbol is taken off the list within so long after its last kline, or nobody followed it.
_LATELY_MS = 31 * DAY_MS
#: Where the archive keeps a folder for every symbol that ever was.
_SYMBOLS = "data/spot/monthly/klines/"
#: Assets that symbols are quoted in, of symbols that nobody describes any more.
_QUOTES = ("USDT", "BUSD", "USDC", "TUSD", "FDUSD", "PAX", "USDS", "BTC", "ETH", "BNB")


def take_snapshot(store: Store, source: KlineSource, now_ms: int) -> dict[str, Symbol]:
    """Keep what the exchange says of all its symbols; return them and those now gone by name.

    Made once a day it is the history of the universe; more often does no harm. What it says
    of symbols whose klines are stored ends or begins their lives in the ledger too.
    """
    write_snapshot(store, source.fetch_symbols(), now_ms, venue=source.venue)
    learn_lives(store, now_ms, venue=source.venue)
    with store.read() as connection:
        universe = read_universe(connection, venue=source.venue)
    return {one.symbol.symbol: one.symbol for one in universe}


def learn_lives(store: Store, now_ms: int, *, venue: str = VENUE) -> None:
    """Tell from what is stored when symbols were listed, and end those that are gone.

    Of a gone symbol the time after its last kline is a gap with the cause `delisted`, without
    an end until it comes back.
    """
    with store.read() as connection:
        universe = {one.symbol.symbol: one for one in read_universe(connection, venue=venue)}
        bounds = read_bounds(connection, venue=venue)
    of_symbol: dict[str, list[SeriesBounds]] = {}
    for one in bounds:
        of_symbol.setdefault(one.series.symbol, []).append(one)
    for name, series in of_symbol.items():
        store.transact(partial(_learn, listed=universe[name], bounds=series, now_ms=now_ms))


def _learn(
    connection: Connection, *, listed: ListedSymbol, bounds: Sequence[SeriesBounds], now_ms: int
) -> None:
    is_gone = listed.symbol.status == GONE
    delisted_ms = _find_end(listed, bounds) if is_gone else None
    listed_ms = listed.life.listed_ms
    for one in bounds:
        series = one.series
        lock_symbol(connection, series.symbol_id)
        first_ms = series.interval.floor(one.first_open_ms)
        before = read_gaps(connection, series, first_ms - 1, first_ms)
        if any(gap.cause is Cause.NOT_LISTED for gap in before):
            listed_ms = min(filter(None, (listed_ms, one.first_open_ms)))
        if not is_gone:
            _reopen(connection, series, _end_of(one), now_ms)
        elif delisted_ms is not None:
            _close(connection, series, max(_end_of(one), delisted_ms), now_ms)
    successor = find_successor(listed.symbol.symbol) if is_gone else None
    life = Lifecycle(listed_ms, delisted_ms, successor and successor.symbol)
    if life != listed.life:
        venue = bounds[0].series.venue
        write_lifecycle(connection, listed.symbol.symbol, life, venue=venue)


def _find_end(listed: ListedSymbol, bounds: Iterable[SeriesBounds]) -> int | None:
    """Return the end of a gone symbol's last kline, `None` where what is stored can't tell.

    The archive's word stands. Else a series tells that was followed to the end: one whose
    newest kline is not much older than the snapshot that missed the symbol.
    """
    ends = [end for end in map(_end_of, bounds) if listed.since_ms - end <= _LATELY_MS]
    known_ms = listed.life.delisted_ms
    return max([*ends, *([] if known_ms is None else [known_ms])], default=None)


def _end_of(bounds: SeriesBounds) -> int:
    interval = bounds.series.interval
    return interval.close_of(interval.floor(bounds.newest_open_ms)) + 1


def _close(connection: Connection, series: Series, end_ms: int, now_ms: int) -> None:
    after = (series.interval.ceil(end_ms), series.interval.floor(MAX_MS))
    open_gaps = read_gaps(connection, series, *after)
    if not any(gap.cause is Cause.DELISTED for gap in open_gaps):
        write_gaps(connection, series, after, [Gap(*after, Cause.DELISTED)], now_ms)


def _reopen(connection: Connection, series: Series, end_ms: int, now_ms: int) -> None:
    """Leave of an end only what was not traded until now: the symbol trades again."""
    future_ms = series.interval.floor(MAX_MS)
    for gap in read_gaps(connection, series, end_ms, None):
        if gap.cause is Cause.DELISTED and gap.end_ms == future_ms:
            back_ms = max(series.interval.floor(now_ms), gap.start_ms)
            halted = [Gap(gap.start_ms, back_ms, Cause.DELISTED)] if back_ms > gap.start_ms else []
            write_gaps(connection, series, (gap.start_ms, future_ms), halted, now_ms)


def learn_gone(
    store: Store, archive: Archive, now_ms: int, *, workers: int = 4, venue: str = VENUE
) -> list[str]:
    """Learn from the archive of symbols the exchange no longer lists; return their names.

    One listing names all symbols that ever were; each new one takes a listing of its days
    and two small files, which tell its first and its last kline.

    Raises:
        DataError, ExchangeUnavailable: the archive could not be listed.
    """
    with store.read() as connection:
        known = {one.symbol.symbol: one for one in read_universe(connection, venue=venue)}
    names = [folder.rstrip("/").rsplit("/", 1)[-1] for folder in archive.iter_folders(_SYMBOLS)]
    gone = [
        name
        for name in names
        if name not in known or (known[name].symbol.status == GONE and None in known[name].life[:2])
    ]
    quotes = {one.symbol.quote_asset for one in known.values()} | set(_QUOTES)
    with ThreadPoolExecutor(workers) as pool:
        lives = list(pool.map(lambda name: _fetch_life(archive, name, now_ms), gone))
    found = [
        (_describe(name, quotes), life)
        for name, life in zip(gone, lives, strict=True)
        if life is not None
    ]

    def work(connection: Connection) -> None:
        fresh = {one.symbol: one for one, _ in found if one.symbol not in known}
        refresh_symbols(connection, fresh, now_ms, venue)
        for symbol, life in found:
            write_lifecycle(connection, symbol.symbol, life, venue=venue)

    store.transact(work)
    return [symbol.symbol for symbol, _ in found]


def _describe(name: str, quotes: Iterable[str]) -> Symbol:
    endings = [quote for quote in quotes if name.endswith(quote) and name != quote]
    quote = max(endings, key=len, default="")
    return Symbol(name, name.removesuffix(quote), quote, GONE, "{}")


def _fetch_life(archive: Archive, name: str, now_ms: int) -> Lifecycle | None:
    """Return a gone symbol's life as its daily klines tell it, `None` where they don't."""
    series = Series(0, name, Interval.D1)
    try:
        files = sorted(_iter_months(archive, series), key=lambda file: file.start_ms)
        if not files:
            return None
        opens = _fetch_opens(archive, files[0], now_ms)
        last = opens if files[-1] == files[0] else _fetch_opens(archive, files[-1], now_ms)
    except (DataError, ExchangeUnavailable) as error:
        log.warning("symbol_life_unknown", symbol=name, detail=error.detail)
        return None
    if not opens or not last:
        return None
    successor = find_successor(name)
    end_ms = Interval.D1.add(Interval.D1.floor(last[-1]), 1)
    return Lifecycle(opens[0], end_ms, successor and successor.symbol)


def _iter_months(archive: Archive, series: Series) -> Iterator[ArchiveFile]:
    path = ArchiveFile(series.symbol, series.interval, Period.MONTHLY, 0).path
    for entry in archive.iter_objects(path[: path.rindex("/") + 1]):
        file = parse_file_name(series, entry.key)
        if file is not None:
            yield file


def _fetch_opens(archive: Archive, file: ArchiveFile, now_ms: int) -> list[int]:
    download = archive.fetch(file)
    if download is None:
        return []
    with download.content:
        return [
            kline.open_time_ms
            for answer in iter_file_answers(download, file, now_ms)
            for kline in answer.klines
        ]
