"""A proxy before Elasticsearch that counts which documents come through it, and may refuse them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import httpx
import orjson

_PASSED_ON = ("Content-Type", "Accept", "Authorization")


class CountingProxy:
    """What a proxy saw.

    Attributes:
        url: where it listens.
        sent: how often each document was in a bulk request, by its id.
    """

    def __init__(self) -> None:
        self.url = ""
        self.sent: Counter[str] = Counter()
        self._lock = Lock()

    def count(self, path: str, body: bytes) -> None:
        """Count the documents of a bulk request; any other request is let pass."""
        if not path.startswith("/_bulk"):
            return
        lines = [orjson.loads(line) for line in body.splitlines()]
        # A document's own line never has these words alone at its top.
        actions = [line.get("update") or line.get("delete") for line in lines]
        with self._lock:
            self.sent.update(action["_id"] for action in actions if action)


#: The status to refuse a bulk request of that many bytes with, 0 to let it pass.
Refuse = Callable[[int], int]


@contextmanager
def counting(elasticsearch_url: str, refuse: Refuse = lambda size: 0) -> Iterator[CountingProxy]:
    """Pass on what comes in on a free port of the loopback, unless it is refused."""
    proxy = CountingProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = refuse(len(body)) if self.path.startswith("/_bulk") else 0
            if status:
                self.send_response(status)
                self.send_header("X-elastic-product", "Elasticsearch")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            proxy.count(self.path, body)
            headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
            answer = passing.request(self.command, self.path, content=body, headers=headers)
            self.send_response(answer.status_code)
            for name in ("Content-Type", "X-elastic-product"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            # What was asked for with HEAD has a length and no content.
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass_on

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with (
        httpx.Client(base_url=elasticsearch_url, timeout=60) as passing,
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening,
    ):
        listening.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{listening.server_address[1]}"
        thread = Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            listening.shutdown()
            thread.join()
