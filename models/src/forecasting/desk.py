"""The desk: what trainings and forecasts are made with, opened from the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from forecasting.artefacts import Artefacts
from forecasting.followed import RuledSeries
from forecasting.registry import Device
from forecasting.settings import ModelSettings
from forecasting.source import KlineSource
from klinecast_client import Client
from market.clock import ExchangeClock, keep_measuring
from market.errors import RetryableError
from market.exchange_time import time_fetcher
from market.interval import Interval
from market.log import get_logger
from market.store import Store, open_store

log = get_logger()

SeriesName = tuple[str, Interval]


@dataclass(frozen=True, slots=True)
class Desk:
    """The store, the artefacts, the history API, the exchange's clock; where models are fitted."""

    store: Store
    artefacts: Artefacts
    source: KlineSource
    clock: ExchangeClock
    demo: bool
    device: Device


@contextmanager
def opened_desk(settings: ModelSettings, stop: threading.Event) -> Iterator[Desk]:
    """Open a desk for the length of the block, its clock kept measured; then set `stop`.

    A dependency that is away is waited for by whoever needs it.

    Raises:
        SchemaMismatch: the store's schema is not the one this version needs.
    """
    client = Client(settings.history_url, settings.history_token, attempts=3)
    store = open_store(settings.store_url.get_secret_value())
    clock = ExchangeClock()
    fetch = time_fetcher(settings.history_url)
    try:
        artefacts = Artefacts(settings.artefacts_url)
        _try("store", store.check_schema)
        _try("clock", lambda: clock.calibrate(fetch))
        keep_measuring(clock, fetch, stop, on_error=_tell)
        source = KlineSource(client)
        yield Desk(store, artefacts, source, clock, settings.demo, settings.device)
    finally:
        stop.set()
        client.close()
        store.close()


def followed_series(
    settings: ModelSettings, symbols: list[str] | None = None, intervals: list[str] | None = None
) -> Iterable[SeriesName]:
    """Return the series named, by default all that are followed.

    Where a rule selects the symbols, they are read from the store at each iteration.
    """
    spans = [Interval.parse(text) for text in intervals] if intervals else settings.intervals
    if not symbols and not settings.symbols.is_list:
        url = settings.store_url.get_secret_value()
        return RuledSeries(lambda: open_store(url), settings.symbols, spans)
    names = [name.upper() for name in symbols] if symbols else settings.symbols.names
    return [(name, interval) for name in names for interval in spans]


def _try(name: str, ask: Callable[[], None]) -> None:
    try:
        ask()
    except RetryableError as error:
        log.warning("dependency_away", dependency=name, reason=error.detail)


def _tell(error: Exception) -> None:
    log.warning("dependency_away", dependency="clock", reason=str(error))
