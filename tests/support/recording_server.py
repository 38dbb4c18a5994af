"""A web server that answers as it is told and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

import orjson


class Request(NamedTuple):
    """One request as it came in; `path` with its query."""

    method: str
    path: str
    headers: Message
    body: bytes


class RecordingServer:
    """Answers given per `METHOD /path`: the last one stays, those before are used up.

    Attributes:
        requests: what was asked, in order.
        product: what it says to be.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.url = ""
        self.product = "Elasticsearch"
        self._answers: dict[str, list[tuple[int, bytes]]] = {}

    def answer(self, route: str, *answers: tuple[int, object]) -> None:
        """Set the (status, JSON) answers of a route; any other route is a 404."""
        self._answers[route] = [(status, orjson.dumps(body)) for status, body in answers]

    def take(self, request: Request) -> tuple[int, bytes]:
        """Remember a request and return its answer."""
        self.requests.append(request)
        route = f"{request.method} {request.path.partition('?')[0]}"
        left = self._answers.get(route, [(404, b'{"message":"Not Found"}')])
        return left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def recording() -> Iterator[RecordingServer]:
    """Serve on a free port of the loopback."""
    server = RecordingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = server.take(Request(self.command, self.path, self.headers, body))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-elastic-product", server.product)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _serve

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        server.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
