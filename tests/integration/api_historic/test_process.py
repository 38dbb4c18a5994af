"""`klinecast-history serve` as a process: its start, its end, its metrics, its clock."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx

from market.interval import Interval
from support.history_api import add_series, history_api, new_store
from support.history_process import PROGRAM, serving
from support.klines import START_MS, make_klines
from support.ports import free_port
from support.processes import end, wait_until


def run(arguments: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, "serve", *arguments],
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_asked_to_end_it_ends_with_status_0(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    add_series(new_store(url), "BTCUSDT", Interval.H1, make_klines(Interval.H1, 3))

    with serving(tmp_path / "log", KLINECAST_STORE_URL=url) as (api, process):
        assert httpx.get(f"{api}/readyz").json() == {"ready": True, "checks": {"store": "ok"}}
        assert len(httpx.get(f"{api}/v1/klines?symbol=BTCUSDT&interval=1h").json()["klines"]) == 3
        assert 'route="/v1/klines",status="200"} 1.0' in httpx.get(f"{api}/metrics").text
        assert end(process) == 0


def test_store_that_comes_later_is_used_then(tmp_path: Path) -> None:
    missing = f"mysql://market:market@127.0.0.1:{free_port()}/market"

    with serving(tmp_path / "log", KLINECAST_STORE_URL=missing) as (api, _):
        assert httpx.get(f"{api}/readyz").status_code == 503
        assert httpx.get(f"{api}/v1/status").status_code == 200


def test_clock_is_the_exchanges(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    exchange_store = new_store(f"sqlite:///{tmp_path / 'exchange.db'}")
    new_store(url)

    with (
        history_api(exchange_store, START_MS) as exchange,
        serving(
            tmp_path / "log",
            KLINECAST_STORE_URL=url,
            KLINECAST_BINANCE_REST_URL=exchange,
            KLINECAST_DEMO="true",
        ) as (api, _),
    ):
        wait_until(lambda: httpx.get(f"{api}/readyz").status_code == 200, "the clock")
        wait_until(lambda: httpx.get(f"{api}/v1/status").json()["rate"] == 0, "the rate")
        status = httpx.get(f"{api}/v1/status").json()

    assert (status["now_ms"] - START_MS) < 2_000
    assert (status["demo"], status["demo_ended"]) == (True, True)


def test_demo_without_its_clock_is_not_ready(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    new_store(url)

    with serving(tmp_path / "log", KLINECAST_STORE_URL=url, KLINECAST_DEMO="true") as (api, _):
        ready = httpx.get(f"{api}/readyz")
        told = httpx.get(f"{api}/api/v3/time")

    assert (ready.status_code, told.status_code) == (503, 503)
    assert ready.json()["checks"]["exchange_clock"] == "the demo's clock was not read yet"


def test_store_without_schema_ends_the_process(tmp_path: Path) -> None:
    done = run([], KLINECAST_STORE_URL=f"sqlite:///{tmp_path / 'empty.db'}")

    assert done.returncode == 1
    assert "the store's schema is missing" in done.stderr
    assert "klinecast-market migrate" in done.stderr


def test_wrong_setting_ends_the_process() -> None:
    done = run([], HISTORY_PORT="80000")

    assert done.returncode == 1
    assert "HISTORY_PORT was '80000'" in done.stderr


def test_taken_port_ends_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    new_store(url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(["--port", str(port)], KLINECAST_STORE_URL=url)

    assert done.returncode == 1
    assert f"can't listen on 127.0.0.1 port {port}" in done.stderr


def test_process_carries_no_pandas_and_keeps_the_drivers_extension() -> None:
    # Arrow and numpy it needs for segments; loaded first, they would cost the C extension.
    script = (
        "import sys, api_historic.cli, mysql.connector;"
        "heavy = {'pandas', 'polars', 'duckdb'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0 if mysql.connector.HAVE_CEXT else 'no extension')"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
