"""A real history API on a free port, over a store prepared for the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import uvicorn

from api_historic.app import create_app
from api_historic.segments import Segments
from api_historic.service import Service
from market.access.settings import PUBLIC, SessionSettings
from market.clock import ExchangeClock, Reading
from market.interval import Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store.klines import Batch, Source, write_klines
from market.store.schema import migrate
from market.store.symbols import Series, Symbol, find_series, write_symbols

BATCH = Batch(Source.IMPORT, "test", 1)


def frozen_clock(now_ms: int) -> ExchangeClock:
    """Return a clock of an exchange whose time stands still."""
    clock = ExchangeClock()
    clock.record(Reading(now_ms, time.monotonic() - 1))
    clock.record(Reading(now_ms, time.monotonic()))
    return clock


def new_store(url: str) -> Store:
    """Open a store and bring it to the present schema."""
    store = open_store(url)
    migrate(store)
    return store


def add_series(
    store: Store, symbol: str, interval: Interval, klines: Iterable[Kline], *, info: str = ""
) -> Series:
    """Store a symbol (quoted in USDT) and klines of it; return the series."""
    base = symbol.removesuffix("USDT")
    entry = info or orjson.dumps({"symbol": symbol, "status": "TRADING"}).decode()
    write_symbols(store, [Symbol(symbol, base, "USDT", "TRADING", entry)], 1)
    with store.read() as connection:
        series = find_series(connection, symbol, interval)
    write_klines(store, series, list(klines), BATCH)
    return series


@contextmanager
def history_api(
    store: Store,
    now_ms: int,
    *,
    demo: bool = False,
    web_dir: Path = Path("no-page"),
    access: SessionSettings = PUBLIC,
    segments: Segments | None = None,
) -> Iterator[str]:
    """Serve the history API from a thread; yield its address."""
    service = Service(store, frozen_clock(now_ms), demo, segments)
    app = create_app(service, lambda: now_ms, web_dir=web_dir, threads=8, access=access)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, ws="websockets-sansio", lifespan="on")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        app.state.hub.end_soon()
        server.should_exit = True
        thread.join()
        listener.close()
