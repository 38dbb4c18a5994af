from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from market.errors import ExchangeUnavailable
from market.exchange_time import time_fetcher
from support.ports import free_port


class _Exchange(BaseHTTPRequestHandler):
    answers: list[tuple[int, bytes]]

    def do_GET(self) -> None:
        status, body = self.answers.pop(0)
        self.send_response(status if self.path == "/api/v3/time" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def exchange() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Exchange)
    serve = partial(server.serve_forever, poll_interval=0.01)
    threading.Thread(target=serve, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_time_is_asked_for(exchange: HTTPServer) -> None:
    _Exchange.answers = [(200, b'{"serverTime":17}')]

    fetch = time_fetcher(f"http://127.0.0.1:{exchange.server_port}/")

    assert fetch() == 17


@pytest.mark.parametrize(
    "answer", [(500, b""), (200, b"<html>"), (200, b"{}"), (200, b"[]"), (429, b"{}")]
)
def test_any_other_answer_is_unavailable(exchange: HTTPServer, answer: tuple[int, bytes]) -> None:
    _Exchange.answers = [answer]
    fetch = time_fetcher(f"http://127.0.0.1:{exchange.server_port}")

    with pytest.raises(ExchangeUnavailable, match="/api/v3/time"):
        fetch()


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(ExchangeUnavailable):
        time_fetcher(f"http://127.0.0.1:{free_port()}", timeout_s=1)()


def test_a_host_that_does_not_answer_is_passed_over(exchange: HTTPServer) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    _Exchange.answers = [(200, b'{"serverTime":17}'), (200, b'{"serverTime":18}')]
    fetch = time_fetcher(away, f"http://127.0.0.1:{exchange.server_port}", timeout_s=1)

    assert [fetch(), fetch()] == [17, 18]
