"""The manners of the HTTP APIs, over a real socket."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.ports import free_port
from support.processes import running, wait_until

# A kept connection would be closed by the server in the moment it is used again.
_NO_REUSE = httpx.Limits(max_keepalive_connections=0)
_SHOP = Path(__file__).parents[2] / "support" / "shop.py"


class Shop(NamedTuple):
    """A running service: its client, the file that breaks its shelf, its log."""

    client: httpx.Client
    broken: Path
    log: Path
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    port, log = free_port(), folder / "log"
    environment = {"SHOP_PORT": str(port), "SHOP_BROKEN": str(folder / "broken")}
    with (
        running([sys.executable, _SHOP], log, environment=environment) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", limits=_NO_REUSE, timeout=30) as client,
    ):
        wait_until(lambda: "listening" in log.read_text(), "shop", process=process, log=log)
        yield Shop(client, folder / "broken", log, process)


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("parameter", 422, "InvalidParameter"),
        ("missing", 404, "NotFound"),
        ("conflict", 409, "Conflict"),
        ("limited", 429, "RateLimited"),
        ("away", 503, "StoreUnavailable"),
        ("data", 500, "DataError"),
    ],
)
def test_errors_have_one_body(shop: Shop, name: str, status: int, error: str) -> None:
    response = shop.client.get(f"/raise/{name}")

    assert response.status_code == status
    assert response.json().keys() == {"error", "detail", "hint"}
    assert response.json()["error"] == error


def test_hint_and_detail_reach_the_client(shop: Shop) -> None:
    body = shop.client.get("/raise/parameter").json()

    assert body["detail"] == "interval was '7m'; expected one of them"
    assert body["hint"] == "Look it up."


def test_waiting_is_asked_for_in_seconds(shop: Shop) -> None:
    assert shop.client.get("/raise/away").headers["Retry-After"] == "5"
    assert shop.client.get("/raise/limited").headers["Retry-After"] == "42"
    assert "Retry-After" not in shop.client.get("/raise/missing").headers


def test_unexpected_error_tells_no_detail_but_where_to_look(shop: Shop) -> None:
    response = shop.client.get("/raise/unexpected")

    body = response.json()
    assert (response.status_code, body["error"]) == (500, "InternalError")
    assert "business" not in response.text
    request_id = body["hint"].split()[-1].rstrip(".")
    events = [json.loads(line) for line in shop.log.read_text().splitlines()]
    assert any(event.get("request_id") == request_id for event in events)


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "limit was not given"),
        ("?limit=many", "limit was 'many'; "),
        ("?limit=11", "limit was '11'; expected less than or equal to 10"),
    ],
)
def test_wrong_query_is_named(shop: Shop, query: str, detail: str) -> None:
    response = shop.client.get(f"/list{query}")

    assert (response.status_code, response.json()["error"]) == (422, "InvalidParameter")
    assert response.json()["detail"].startswith(detail)


@pytest.mark.parametrize("body", ['{"steps": "x"}', "{", "[]", '{"steps": "' + "9" * 5000 + '"}'])
def test_wrong_body_is_refused_shortly(shop: Shop, body: str) -> None:
    response = shop.client.post(
        "/orders", content=body, headers={"Content-Type": "application/json"}
    )

    assert (response.status_code, response.json()["error"]) == (422, "InvalidParameter")
    assert len(response.text) < 600


def test_unknown_path_and_method_have_the_same_body(shop: Shop) -> None:
    missing, wrong = shop.client.get("/nowhere"), shop.client.delete("/list")

    assert (missing.status_code, missing.json()["error"]) == (404, "NotFound")
    assert (wrong.status_code, wrong.json()["error"]) == (405, "MethodNotAllowed")
    assert wrong.headers["Allow"] == "GET"


def test_each_answer_has_its_own_request_id(shop: Shop) -> None:
    ids = {shop.client.get("/list?limit=1").headers["X-Request-Id"] for _ in range(3)}

    assert len(ids) == 3


def test_health_tells_reasons(shop: Shop) -> None:
    assert shop.client.get("/healthz").json() == {"alive": True}
    ready = shop.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "checks": {"shelf": "ok", "door": "ok"}},
    )

    for content, reason in (("", "the shelf is empty"), ("raise", "the store does not answer")):
        shop.broken.write_text(content)
        unready = shop.client.get("/readyz")
        shop.broken.unlink()
        assert unready.status_code == 503
        assert unready.json() == {"ready": False, "checks": {"shelf": reason, "door": "ok"}}


def test_metrics_count_requests_by_route_and_status(shop: Shop) -> None:
    shop.client.get("/list?limit=3")
    shop.client.get("/raise/unexpected")

    text = shop.client.get("/metrics").text

    assert 'http_requests_total{method="GET",route="/list",status="200"}' in text
    assert 'http_requests_total{method="GET",route="/raise/{name}",status="500"}' in text
    assert "http_request_seconds_bucket" in text


def test_port_in_use_is_one_sentence(shop: Shop, tmp_path: Path) -> None:
    port = shop.client.base_url.port
    program = (
        "from market.serving import serve; from fastapi import FastAPI;"
        f" serve(FastAPI(), '127.0.0.1', {port})"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"Conflict: can't listen on 127.0.0.1 port {port}" in done.stderr.splitlines()[-1]


def test_asked_to_end_it_ends_with_status_0(tmp_path: Path) -> None:
    log = tmp_path / "log"
    environment = {"SHOP_PORT": "0", "SHOP_BROKEN": str(tmp_path / "broken")}
    with running([sys.executable, _SHOP], log, environment=environment) as process:
        wait_until(lambda: "listening" in log.read_text(), "shop", process=process, log=log)
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
