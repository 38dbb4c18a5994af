"""What the populator's commands share: the store, ranges of time, results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import orjson
import typer

from market.clock import ExchangeClock
from market.command import time_option
from market.errors import InvalidParameter, NotFound
from market.store import Store, open_store
from market.times import format_time
from market.weighed_time import WeighedTime
from populate_base.settings import PopulateSettings

Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
TIME_HELP = "YYYY-MM-DD, ISO-8601 with an offset, or milliseconds."


@contextmanager
def opened_store(settings: PopulateSettings) -> Iterator[Store]:
    """Open the store for the length of the block, once its schema was checked."""
    store = open_store(settings.store_url.get_secret_value())
    try:
        store.check_schema()
        yield store
    finally:
        store.close()


def measure_once(clock: ExchangeClock, settings: PopulateSettings, store: Store) -> None:
    """Set a clock by the exchange's, in a command that asks nothing else of it.

    Raises:
        ExchangeUnavailable: neither of two hosts told the time soon.
        SettingsError: the store's user may only read, so that nothing may be asked.
    """
    exchange_time = WeighedTime(store, *settings.rest_urls[:2], timeout_s=2.0)
    try:
        clock.measure(exchange_time.fetch_ms)
    finally:
        exchange_time.close()


def read_span(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """Read a half-open range of time of the command line, in ms.

    Raises:
        InvalidParameter: one is no time, or the range ends before it starts.
    """
    start_ms, end_ms = time_option("start", start), time_option("end", end)
    if start_ms is not None and end_ms is not None and end_ms <= start_ms:
        raise InvalidParameter("end", end, f"a time after start ({start})")
    return start_ms, end_ms


def check_past(start_ms: int, now_ms: int) -> None:
    """Refuse a range that begins in the future.

    Raises:
        NotFound: it does; only the exchange's clock could tell.
    """
    if start_ms >= now_ms:
        raise NotFound(
            f"start was {format_time(start_ms)}, which is in the future:"
            f" the exchange's clock says {format_time(now_ms)}"
        )


def write_result(
    json: bool, build: Callable[[], Mapping[str, Any]], render: Callable[[], Iterator[str]]
) -> None:
    """Write a command's result to stdout: one JSON object, or lines for people."""
    if json:
        sys.stdout.buffer.write(orjson.dumps(build()) + b"\n")
        return
    for line in render():
        sys.stdout.write(line + "\n")
