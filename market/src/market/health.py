"""Health and metrics of a process: what `/healthz`, `/readyz` and `/metrics` answer.

`Readiness` is shared by every service. `serve_health` is the small HTTP server of the
services that have no API of their own.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from market.errors import Conflict, KlinecastError

#: A check returns `None` when the dependency is there, else the reason why it is not.
Check = Callable[[], str | None]


class Readiness:
    """The dependencies of a process, asked on every request.

    `notes` are told beside them and may say what they like: the process is ready all the same.
    """

    def __init__(self, checks: Mapping[str, Check], notes: Mapping[str, Check] | None = None):
        self._checks = dict(checks)
        self._notes = dict(notes or {})

    def report(self) -> tuple[bool, dict[str, str]]:
        """Return whether all is there, and per dependency and note "ok" or the reason."""
        answers: dict[str, str] = {}
        for name, check in self._checks.items():
            try:
                answers[name] = check() or "ok"
            except KlinecastError as error:
                answers[name] = error.detail
        ready = all(answer == "ok" for answer in answers.values())
        return ready, answers | {name: note() or "ok" for name, note in self._notes.items()}


def readiness_body(readiness: Readiness) -> tuple[int, bytes]:
    """Return the status and the JSON body of `/readyz`."""
    ready, checks = readiness.report()
    return 200 if ready else 503, orjson.dumps({"ready": ready, "checks": checks})


def metrics_body() -> tuple[bytes, str]:
    """Return the body of `/metrics` and its content type."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # one of several workers: `market.serving`
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _HealthServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A prober that gave up waiting is no event worth a traceback.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve_health(host: str, port: int, readiness: Readiness) -> ThreadingHTTPServer:
    """Serve health and metrics from a daemon thread; `shutdown()` of the result ends it.

    Port 0 takes a free one: see `server_address`.

    Raises:
        Conflict: the address is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/healthz":
                self._answer(200, b'{"alive":true}')
            elif path == "/readyz":
                self._answer(*readiness_body(readiness))
            elif path == "/metrics":
                body, kind = metrics_body()
                self._answer(200, body, kind)
            else:
                self._answer(404, b'{"error":"NotFound","detail":"no such page","hint":""}')

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Health checks come every few seconds and are not logged."""

    try:
        server = _HealthServer((host, port), Handler)
    except OSError as error:
        raise Conflict(
            f"can't listen on {host} port {port}: {error.strerror or error}",
            hint="Stop what listens there, or choose another port.",
        ) from error
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server
