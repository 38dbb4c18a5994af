"""What the commands about closed months share: the store, and the series that were chosen."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer

from market.command import parse_interval
from market.errors import NotFound
from market.interval import Interval
from market.settings import StoreSettings
from market.store import Store, open_store
from market.store.symbols import Series, find_series, read_bounds

Symbols = Annotated[
    list[str] | None, typer.Option("--symbol", help="Such as BTCUSDT; repeats. Default: all.")
]
Intervals = Annotated[
    list[Interval] | None,
    typer.Option(
        "--interval",
        parser=parse_interval,
        metavar="INTERVAL",
        help="Such as 1m; repeats. Default: all.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]


@contextmanager
def opened_store(settings: StoreSettings) -> Iterator[Store]:
    """Open the store for the length of the block, once its schema was checked."""
    store = open_store(settings.store_url.get_secret_value())
    try:
        store.check_schema()
        yield store
    finally:
        store.close()


def read_series(
    store: Store, symbols: Sequence[str] | None, intervals: Sequence[Interval] | None
) -> list[Series]:
    """Return the stored series of these symbols and intervals, all where none is named.

    Raises:
        NotFound: a symbol is not known, or no series of them holds a kline.
    """
    names = {symbol.upper() for symbol in symbols or ()}
    with store.read() as connection:
        for name in sorted(names):
            find_series(connection, name, Interval.H1)
        found = [bounds.series for bounds in read_bounds(connection)]
    chosen = [
        series
        for series in found
        if (not names or series.symbol in names) and (not intervals or series.interval in intervals)
    ]
    if not chosen:
        raise NotFound(
            "no kline of these symbols and intervals is stored",
            hint="`populate-base status` shows what is stored.",
        )
    return chosen


def write_json(body: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout."""
    sys.stdout.write(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode() + "\n")
