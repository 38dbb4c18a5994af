"""The health server of services without an API, over a real socket."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import httpx
import pytest

from market.errors import Conflict, StoreUnavailable
from market.health import Readiness, serve_health


def _away() -> str | None:
    raise StoreUnavailable("the store does not answer")


REASONS: dict[str, str | None] = {"queue": None}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = serve_health("127.0.0.1", 0, Readiness({"queue": lambda: REASONS["queue"]}))
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_health_and_readiness(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert httpx.get(f"{url}/healthz").json() == {"alive": True}
    assert httpx.get(f"{url}/readyz").status_code == 200
    monkeypatch.setitem(REASONS, "queue", "it is too long")

    unready = httpx.get(f"{url}/readyz?verbose")

    assert (unready.status_code, unready.json()) == (
        503,
        {"ready": False, "checks": {"queue": "it is too long"}},
    )


def test_metrics_and_unknown_pages(url: str) -> None:
    metrics = httpx.get(f"{url}/metrics")

    assert "python_info" in metrics.text
    assert metrics.headers["Content-Type"].startswith("text/plain")
    assert httpx.get(f"{url}/nowhere").json()["error"] == "NotFound"


def test_dependency_that_raises_is_not_ready() -> None:
    assert Readiness({"store": _away}).report() == (False, {"store": "the store does not answer"})


def test_note_is_told_and_hinders_nothing() -> None:
    notes = {"lease": lambda: "standing by", "mood": lambda: None}

    told = Readiness({"store": lambda: None}, notes=notes).report()

    assert told == (True, {"store": "ok", "lease": "standing by", "mood": "ok"})


def test_prober_that_gives_up_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    asked, given_up, answered = threading.Event(), threading.Event(), threading.Event()

    def slow() -> str | None:
        asked.set()
        given_up.wait(10)
        return None

    server = serve_health("127.0.0.1", 0, Readiness({"slow": slow}))
    close = server.shutdown_request
    server.shutdown_request = lambda request: (close(request), answered.set())  # type: ignore
    prober = socket.create_connection(server.server_address[:2])
    prober.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
    assert asked.wait(10)
    # Closed with an unsent reset: the answer meets a connection that is gone.
    prober.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    prober.close()
    given_up.set()

    assert answered.wait(10)
    assert capfd.readouterr().err == ""
    server.shutdown()
    server.server_close()


def test_port_in_use_is_a_conflict(url: str) -> None:
    port = httpx.URL(url).port

    with pytest.raises(Conflict, match=str(port)):
        serve_health("127.0.0.1", int(port or 0), Readiness({}))
