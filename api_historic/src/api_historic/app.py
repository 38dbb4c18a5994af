"""The application: routes, errors, health and the web page in one FastAPI app."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI

from api_historic.access.routes import build_access_routers
from api_historic.binance.document import BINANCE_ERRORS
from api_historic.binance.routes import build_binance_router
from api_historic.binance.tickers import build_ticker_router
from api_historic.binance.unsupported import build_unsupported_router
from api_historic.clock_keeper import start_clock
from api_historic.compression import Compression
from api_historic.document import CHANGE_ERRORS, FORMAT_ERRORS, NATIVE_ERRORS
from api_historic.native.catalogue import build_catalogue_router
from api_historic.native.forecasts import build_forecast_router
from api_historic.native.klines import build_kline_router
from api_historic.native.measures import build_measure_routers
from api_historic.push.ending import hear_ending
from api_historic.push.feed import Feed
from api_historic.push.hub import Hub
from api_historic.push.routes import build_stream_router
from api_historic.security import SecurityHeaders
from api_historic.service import VERSION, Service
from api_historic.web_page import PageMount, WebPage
from market.access.check import install_access
from market.access.settings import PUBLIC, SessionSettings
from market.api import install_manners


def create_app(
    service: Service,
    fetch_time_ms: Callable[[], int],
    *,
    web_dir: Path,
    threads: int,
    access: SessionSettings = PUBLIC,
    stream_listeners: int = 4_000,
) -> FastAPI:
    """Build the app; the store and the exchange are first asked when it runs.

    `threads` requests are answered at once; the store's pool should hold as many.
    `stream_listeners` may listen to `/v1/stream` at once. Where the app is served outside of
    a main thread, `app.state.hub.end_soon` ends them, as signals do elsewhere.
    """
    hub = Hub(Feed(service.store), most_listeners=stream_listeners)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        current_default_thread_limiter().total_tokens = threads
        stop = threading.Event()
        start_clock(service.clock, fetch_time_ms, stop)
        hear_ending(hub.end_soon)
        yield
        stop.set()
        hub.close()
        if service.segments is not None:
            service.segments.close()
        service.library.close()
        service.store.close()

    # The generated pages load their scripts from elsewhere; /openapi.json holds it all.
    app = FastAPI(
        title="Klinecast history API",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.hub = hub
    install_access(app, service.store, access, session_limits=access.session_limits)
    install_manners(app, service.readiness())
    binance = (build_binance_router(service), build_ticker_router(service))
    native = (
        build_forecast_router(service),
        build_catalogue_router(service),
        *build_measure_routers(service),
        build_stream_router(service, hub),
    )
    access_routers = build_access_routers(service.store, access.session_limits)
    for router in binance:
        app.include_router(router, responses=BINANCE_ERRORS)
    app.include_router(build_unsupported_router(binance))
    app.include_router(build_kline_router(service), responses=FORMAT_ERRORS)
    for router in native:
        app.include_router(router, responses=NATIVE_ERRORS)
    for router in access_routers:
        app.include_router(router, responses=CHANGE_ERRORS)
    app.router.routes.append(PageMount("/", WebPage(web_dir), name="web"))
    app.add_middleware(Compression)
    app.add_middleware(SecurityHeaders)
    return app
