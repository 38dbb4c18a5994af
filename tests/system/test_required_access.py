"""`sh setup.sh --local --demo` where every call needs a token: the services still work together."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from dotenv import dotenv_values

from market.store import open_store
from support.access import bearer, make_token
from support.installation import Copy, copy_project, free_ports

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    """A demo that asks for tokens, started from nothing."""
    ports = free_ports(
        "HISTORY_PORT", "MODELS_PORT", "MODELS_WORK_PORT", "SINK_PORT", "POPULATE_PORT",
        "OPERATE_SIMULATOR_PORT",
    )  # fmt: skip
    settings = {"KLINECAST_AUTH": "required", **ports}
    copy = copy_project(tmp_path_factory.mktemp("demo") / "klinecast", settings)
    started = copy.setup("--local", "--demo", timeout_s=840)
    try:
        assert started.returncode == 0, started.stderr
        yield copy
    finally:
        copy.setup("down")


def test_services_reach_each_other_and_nobody_else_does(copy: Copy) -> None:
    history = f"http://127.0.0.1:{copy.environment['HISTORY_PORT']}"
    models = f"http://127.0.0.1:{copy.environment['MODELS_PORT']}"
    body = {"symbol": "BTCUSDT", "interval": "1h", "steps": 3}
    token = str(dotenv_values(copy.folder / ".env")["MODELS_HISTORY_TOKEN"])
    headers = {"Authorization": f"Bearer {token}"}
    store = open_store(f"sqlite:///{copy.folder / '.klinecast' / 'klinecast.db'}")
    analyst = bearer(make_token(store, "forecast"))
    store.close()

    series = {"symbol": "BTCUSDT", "interval": "1h"}
    newest = httpx.get(f"{history}/v1/forecasts", params=series, headers=headers)

    assert newest.status_code == 200  # so models were trained on klines read by the token
    assert httpx.get(f"{history}/v1/forecasts", params=series).status_code == 401
    assert httpx.post(f"{models}/v1/forecasts", json=body).status_code == 401
    assert httpx.post(f"{models}/v1/forecasts", json=body, headers=headers).status_code == 403
    made = httpx.post(f"{models}/v1/forecasts", json=body, headers=analyst, timeout=60)
    assert made.status_code == 200, made.text


def test_status_asks_with_the_token(copy: Copy) -> None:
    status = json.loads(copy.setup("status", "--json").stdout)

    assert status["series"]
    assert any(one["forecasts"] for one in status["series"])


def test_starting_again_changes_nothing(copy: Copy) -> None:
    again = copy.setup("--local", "--demo")

    assert again.returncode == 0, again.stderr
    assert "Everything runs already" in again.stdout
