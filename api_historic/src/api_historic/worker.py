"""One process that answers: its store, its clock and its app, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

from api_historic.app import create_app
from api_historic.service import Service
from api_historic.settings import HistorySettings
from market import log
from market.clock import ExchangeClock
from market.serving import end_with_parent
from market.settings import load_settings
from market.store import Store, open_store
from market.weighed_time import WeighedTime

if TYPE_CHECKING:
    from api_historic.segments import Segments


def build_app(settings: HistorySettings) -> FastAPI:
    """Build the app; the store and the exchange are first asked when it runs."""
    store = open_store(settings.store_url.get_secret_value(), pool_size=settings.threads)
    segments = _open_segments(settings, store)
    return create_app(
        # The pool holds twice as many connections: long answers never take all of them.
        Service(store, ExchangeClock(), settings.demo, segments, streams=settings.threads),
        WeighedTime(store, *settings.rest_urls).fetch_ms,
        web_dir=settings.web_dir,
        threads=settings.threads,
        access=settings,
        stream_listeners=settings.stream_listeners,
    )


def _open_segments(settings: HistorySettings, store: Store) -> Segments | None:
    if not settings.segments_mb:
        return None
    # Only here: without segments a process carries no Arrow until someone asks for columns.
    from api_historic.segments import Segments

    return Segments(settings.segments_dir, settings.segments_mb << 20, store)


def build_worker() -> FastAPI:
    """Build the app of one of several workers, in its own process."""
    settings = load_settings(HistorySettings)
    log.configure("history", level=settings.log_level)
    end_with_parent()
    return build_app(settings)
