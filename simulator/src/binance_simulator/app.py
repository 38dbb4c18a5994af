"""The simulator as one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette

from binance_simulator.archive import build_archive_routes
from binance_simulator.control import build_control_routes
from binance_simulator.exchange import Exchange
from binance_simulator.rest import build_rest_routes
from binance_simulator.sockets import build_stream_routes


def build_app(exchange: Exchange) -> Starlette:
    """Return the application that serves an exchange."""
    return Starlette(
        routes=[
            *build_rest_routes(exchange),
            *build_stream_routes(exchange),
            *build_control_routes(exchange),
            *build_archive_routes(exchange),
        ]
    )
