"""The main job on one machine: `sh setup.sh --local --demo` in a fresh copy of the project.

The tests of this file share one installation and run in their order: started once, one kline
followed through it, its processes killed one after the other, then stopped and removed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
from playwright.sync_api import Browser

from support.elasticsearch import remove_ours
from support.installation import Copy, Installation, copy_project, free_ports
from support.processes import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

SERVICES = ["simulator", "history", "populator", "models", "trainer", "sink"]


class Demo(Installation):
    """The local installation under trial, beside an Elasticsearch."""

    def __init__(self, copy: Copy, index_url: str) -> None:
        super().__init__(copy, copy.setup("--local", "--demo", timeout_s=840))
        self.index_url = index_url

    def state(self) -> dict[str, Any]:
        """Return what the supervisor says."""
        state: dict[str, Any] = json.loads(
            (self.copy.folder / ".klinecast" / "state.json").read_text()
        )
        return state

    def pids(self) -> dict[str, int]:
        """Return the process of each service."""
        return {name: service["pid"] for name, service in self.state()["services"].items()}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, elasticsearch_server: str) -> Iterator[Demo]:
    """A demo started from nothing, beside a real Elasticsearch."""
    ports = free_ports(
        "HISTORY_PORT", "MODELS_PORT", "MODELS_WORK_PORT", "SINK_PORT", "POPULATE_PORT",
        "OPERATE_SIMULATOR_PORT",
    )  # fmt: skip
    settings = {"KLINECAST_ELASTICSEARCH_URL": elasticsearch_server, **ports}
    remove_ours(elasticsearch_server)
    copy = copy_project(tmp_path_factory.mktemp("demo") / "klinecast", settings)
    try:
        yield Demo(copy, elasticsearch_server)
    finally:
        copy.setup("down")
        remove_ours(elasticsearch_server)


def test_start_ends_ready_with_a_forecast(demo: Demo) -> None:
    assert demo.started.returncode == 0, demo.started.stderr
    for variable in ("HISTORY_PORT", "MODELS_PORT", "MODELS_WORK_PORT", "SINK_PORT"):
        assert httpx.get(demo.url(variable) + "/readyz").status_code == 200
    forecast = demo.history("/v1/forecasts", **demo.series)["forecasts"][0]
    assert forecast["demo"] is True
    assert [step["step"] for step in forecast["steps"]] == list(range(1, 51))


def test_start_names_addresses_and_what_does_not_run(demo: Demo) -> None:
    said = demo.started.stdout

    assert f"http://127.0.0.1:{demo.copy.environment['HISTORY_PORT']}/" in said
    assert "DEMO" in said
    assert "MySQL: SQLite" in said
    assert "Kibana: " in said
    assert "Elasticsearch: " not in said
    assert len(said.split("Try:\n")[1].splitlines()) == 3


def test_one_kline_travels_from_the_exchange_to_page_and_index(
    demo: Demo, browser: Browser
) -> None:
    newest = demo.exchange_klines(limit=2)[-1]
    wait_until(lambda: demo.newest_stored() > newest[0], "a later kline", limit_s=120)

    (kline,) = demo.exchange_klines(startTime=newest[0] + demo.step_ms, limit=1)
    stored = demo.history("/v1/klines", **demo.series, start=kline[0], end=kline[0] + 1)
    assert stored["klines"][0][:11] == kline[:11]
    assert _page_shows(demo, browser, kline)

    wait_until(lambda: _forecast_from(demo, kline[0]) is not None, "its forecast", limit_s=120)
    forecast = _forecast_from(demo, kline[0])
    assert forecast is not None
    wait_until(lambda: len(_indexed(demo, forecast)) == 50, "the index", limit_s=60)
    indexed = {document["step"]: document for document in _indexed(demo, forecast)}
    for step in forecast["steps"]:
        assert indexed[step["step"]]["point"] == pytest.approx(step["point"])


def _page_shows(demo: Demo, browser: Browser, kline: list[Any]) -> bool:
    page = browser.new_page()
    try:
        page.goto(demo.url("HISTORY_PORT") + "/#/market/BTCUSDT/1h")
        page.locator("#market[data-phase=ready]").wait_for(timeout=30_000)
        assert "DEMO" in page.locator("#demo").inner_text()
        page.locator("#as-table").click()
        shown = page.locator("#klines-table").inner_text().replace(",", "")
        return all(str(float(price)).rstrip("0").rstrip(".") in shown for price in kline[1:5])
    finally:
        page.close()


def _forecast_from(demo: Demo, cutoff_ms: int) -> dict[str, Any] | None:
    (newest,) = demo.history("/v1/forecasts", **demo.series, limit=1)["forecasts"]
    return newest if newest["cutoff_ms"] >= cutoff_ms else None


def _indexed(demo: Demo, forecast: dict[str, Any]) -> list[dict[str, Any]]:
    httpx.post(f"{demo.index_url}/klinecast-forecasts/_refresh", timeout=30)
    ids = [f"{forecast['forecast_id']}|{step['step']}" for step in forecast["steps"]]
    query = {"query": {"ids": {"values": ids}}, "size": len(ids)}
    hits = httpx.post(f"{demo.index_url}/klinecast-forecasts/_search", json=query, timeout=30)
    return [hit["_source"] for hit in hits.json()["hits"]["hits"]]


def test_second_start_changes_nothing_and_says_so(demo: Demo) -> None:
    before = demo.state()

    again = demo.copy.setup("--local", "--demo")

    assert again.returncode == 0, again.stderr
    assert "nothing was changed" in again.stdout
    assert demo.state() == before


@pytest.mark.parametrize("service", SERVICES)
def test_killed_service_comes_back_and_nothing_is_lost_or_doubled(demo: Demo, service: str) -> None:
    forecasts = demo.forecast_ids()
    pid = demo.pids()[service]

    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: demo.pids()[service] not in (None, pid), f"{service} again", limit_s=60)
    wait_until(demo.is_well, "all is well", limit_s=120)

    after = demo.forecast_ids()
    assert set(forecasts) <= set(after)
    assert len(after) == len(set(after))
    demo.assert_store_equals_exchange()


def test_killed_supervisor_is_noticed_and_replaced(demo: Demo) -> None:
    os.kill(demo.state()["supervisor"], signal.SIGKILL)
    orphans = demo.pids()
    wait_until(lambda: not demo.is_well(), "it is noticed", limit_s=30)

    again = demo.copy.setup("--local", "--demo")

    assert again.returncode == 0, again.stderr
    assert not any(psutil.pid_exists(pid) for pid in orphans.values())
    demo.assert_store_equals_exchange()


def test_status_tells_what_runs_and_how_fresh_it_is(demo: Demo) -> None:
    answer = demo.copy.setup("status", "--json")

    status = json.loads(answer.stdout)
    assert status["mode"] == "local"
    assert status["demo"] is True
    ready = {service["name"]: service["ready"] for service in status["services"]}
    assert ready == {"supervisor": None, **dict.fromkeys(SERVICES, True)}
    series = {(one["symbol"], one["interval"]): one for one in status["series"]}
    assert series["BTCUSDT", "1h"]["newest_cutoff_ms"] is not None
    assert series["BTCUSDT", "1h"]["forecasts"] >= 1
    assert series["BTCUSDT", "1h"]["lag_ms"] < 2 * 3_600_000


def test_logs_of_an_unknown_service_are_refused(demo: Demo) -> None:
    answer = demo.copy.setup("logs", "databse")

    assert answer.returncode == 2
    assert "service was 'databse'" in answer.stderr


def test_live_data_never_join_the_demos(demo: Demo) -> None:
    answer = demo.copy.setup("--local")

    assert answer.returncode == 1
    assert "holds a demo" in answer.stderr


def test_down_stops_everything_and_keeps_the_data(demo: Demo) -> None:
    pids = demo.pids()

    answer = demo.copy.setup("down")

    assert answer.returncode == 0, answer.stderr
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert (demo.copy.folder / ".klinecast" / "klinecast.db").is_file()
    assert "Nothing was running" in demo.copy.setup("down").stdout


def test_port_in_use_is_named_with_its_setting(demo: Demo) -> None:
    with socket.create_server(("127.0.0.1", int(demo.copy.environment["HISTORY_PORT"]))):
        answer = demo.copy.setup("--local", "--demo")

    assert answer.returncode == 1
    assert f"port {demo.copy.environment['HISTORY_PORT']}" in answer.stderr
    assert "HISTORY_PORT" in answer.stderr.split("Choose another with")[1]


def test_reset_asks_first_then_removes_the_data(demo: Demo) -> None:
    refused = demo.copy.setup("reset")
    assert refused.returncode == 1
    assert "--yes" in refused.stderr

    answer = demo.copy.setup("reset", "--yes")

    assert answer.returncode == 0, answer.stderr
    assert "KLINECAST_ELASTICSEARCH_URL holds was left alone" in answer.stdout
    for name in ("klinecast.db", "artefacts", "populator"):
        assert not (demo.copy.folder / ".klinecast" / name).exists()
