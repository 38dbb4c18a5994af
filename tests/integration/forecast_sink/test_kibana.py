"""The import into Kibana: what is sent, what its answers mean, and the whole of it on the stub.

No real Kibana has been seen: the request is checked against its documented form.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path

import httpx
import pytest
from elasticsearch import Elasticsearch

from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson
from forecast_sink.dashboards.setting import MARKET
from forecast_sink.kibana import Kibana, check_available, import_objects
from market.errors import Conflict, KlinecastError, ServiceUnavailable, SettingsError
from support.ports import free_port
from support.processes import running, wait_until
from support.recording_server import RecordingServer, Request, recording
from support.sink import run_sink

NDJSON = build_ndjson(*build_dashboards(Setting()))
OBJECTS = len(NDJSON.splitlines())
IMPORT = "POST /api/saved_objects/_import"


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    """A server in Kibana's place."""
    with recording() as opened:
        yield opened


def file_of(request: Request) -> tuple[str, bytes]:
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    (part,) = BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts()
    assert part.get_param("name", header="content-disposition") == "file"
    return part.get_filename(), part.get_payload(decode=True)


def test_import_sends_the_file_as_kibana_wants_it(server: RecordingServer) -> None:
    server.answer(IMPORT, (200, {"success": True, "successCount": OBJECTS}))
    kibana = Kibana.at(server.url.replace("http://", "http://elastic:secret@"))

    assert import_objects(kibana, NDJSON) == OBJECTS

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/api/saved_objects/_import?overwrite=true")
    assert request.headers["kbn-xsrf"] == "true"
    assert request.headers["Authorization"] == "Basic ZWxhc3RpYzpzZWNyZXQ="
    assert file_of(request) == ("klinecast.ndjson", NDJSON)


MISSING = {
    "type": "dashboard",
    "id": "klinecast",
    "error": {"type": "missing_references", "references": [{"id": "x"}]},
}


@pytest.mark.parametrize(
    ("status", "body", "error", "told"),
    [
        (200, {"success": False, "successCount": 0, "errors": [MISSING]}, Conflict, "missing_ref"),
        (200, {"success": True, "successCount": 1}, Conflict, f"took 1 of {OBJECTS}"),
        (400, {"message": "Invalid file extension .txt"}, Conflict, "Invalid file extension"),
        (401, {"message": "unable to authenticate"}, SettingsError, "unable to authenticate"),
        (403, {"message": "not allowed"}, SettingsError, "a user who may import"),
        (503, {"message": "starting"}, ServiceUnavailable, "HTTP 503: starting"),
        (200, "not an object", Conflict, f"took 0 of {OBJECTS}"),
    ],
)
def test_failed_import_is_never_taken_for_a_success(
    server: RecordingServer, status: int, body: object, error: type[KlinecastError], told: str
) -> None:
    server.answer(IMPORT, (status, body))

    with pytest.raises(error, match=told):
        import_objects(Kibana.at(server.url), NDJSON)


def test_kibana_that_starts_is_waited_for(server: RecordingServer) -> None:
    starting = {"status": {"overall": {"level": "unavailable"}}}
    server.answer("GET /api/status", (503, starting))
    with pytest.raises(ServiceUnavailable, match="not available yet: HTTP 503, unavailable"):
        check_available(Kibana.at(server.url))

    server.answer("GET /api/status", (200, {"status": {"overall": {"level": "available"}}}))
    check_available(Kibana.at(server.url))


def test_something_else_in_kibanas_place_is_told(server: RecordingServer) -> None:
    with pytest.raises(SettingsError, match="something else answers there"):
        check_available(Kibana.at(server.url))


@pytest.fixture
def kibana_stub(tmp_path: Path) -> Iterator[str]:
    """The stand-in for Kibana among the server scripts, which judges an import as Kibana does."""
    tools = os.environ.get("KLINECAST_TEST_TOOLS")
    script = Path(tools or "") / "standin/kibana_stub.py"
    if tools is None or not script.exists():
        pytest.skip("no Kibana stub: KLINECAST_TEST_TOOLS is not set or has none")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"SERVER_HOST": "127.0.0.1"}
    log = tmp_path / "stub.log"

    def answers() -> bool:
        try:
            return httpx.get(f"{url}/api/status").status_code == 200
        except httpx.TransportError:
            return False

    with running([sys.executable, script, str(port)], log, environment=environment) as process:
        wait_until(answers, "the stub", process=process, log=log)
        yield url


def test_install_imports_into_kibana_again_and_again(
    client: Elasticsearch, elasticsearch_url: str, kibana_stub: str
) -> None:
    environment = {
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
        "KLINECAST_KIBANA_URL": kibana_stub,
        "KLINECAST_DEMO": "true",
        "KLINECAST_SYMBOLS": "ETHUSDT,BTCUSDT",
    }

    first = run_sink(environment, "install", "--json")
    second = run_sink(environment, "install", "--json")

    assert (first.returncode, second.returncode) == (0, 0)
    assert json.loads(second.stdout)["dashboards"] == f"{OBJECTS} saved objects imported"
    found = httpx.get(f"{kibana_stub}/api/saved_objects/_find", params={"type": "dashboard"}).json()
    assert len(found["saved_objects"]) == 5
    dashboard = next(one for one in found["saved_objects"] if one["id"] == MARKET)
    assert dashboard["attributes"]["timeFrom"].startswith("2024-06")
    assert "ETHUSDT" in dashboard["attributes"]["controlGroupInput"]["panelsJSON"]


def test_install_says_that_kibana_does_not_answer(
    client: Elasticsearch, elasticsearch_url: str
) -> None:
    kibana_url = f"http://elastic:secret@127.0.0.1:{free_port()}"
    environment = {"KLINECAST_ELASTICSEARCH_URL": elasticsearch_url}

    done = run_sink(environment, "install", "--wait", "0", "--kibana", kibana_url)

    assert done.returncode == 1
    assert "error: Kibana at http://127.0.0.1" in done.stderr
    assert "secret" not in done.stderr


def test_check_command_judges_a_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    good.write_bytes(NDJSON)
    bad.write_bytes(NDJSON.replace(b'"10.2.0"', b'"99.0.0"'))

    assert run_sink({}, "check", str(good)).returncode == 0
    done = run_sink({}, "check", str(bad))
    assert done.returncode == 1
    assert "expected 10.2.0" in done.stderr
    assert run_sink({}, "check", str(tmp_path / "none")).returncode == 2
