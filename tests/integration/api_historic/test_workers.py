"""`klinecast-history serve` with several workers: one socket, one sum of metrics, one end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from market.interval import Interval
from support.history_api import add_series, new_store
from support.history_process import serving
from support.klines import make_klines
from support.processes import end, wait_until

QUERY = "/v1/klines?symbol=BTCUSDT&interval=1m"


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """A store of some klines."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    add_series(new_store(url), "BTCUSDT", Interval.M1, make_klines(Interval.M1, 20_000))
    return url


def workers_of(pid: int) -> list[psutil.Process]:
    # Beside the workers a process of Python's own keeps their resources.
    children = psutil.Process(pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def requests_counted(api: str) -> float:
    text = httpx.get(f"{api}/metrics").text
    wanted = 'route="/v1/klines",status="200"}'
    return sum(float(line.split()[-1]) for line in text.splitlines() if wanted in line)


def test_metrics_are_the_sum_of_all_workers(store_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", KLINECAST_STORE_URL=store_url, HISTORY_WORKERS="2") as (api, p):
        assert len(workers_of(p.pid)) == 2
        for _ in range(20):
            assert httpx.get(api + QUERY).status_code == 200

        assert {requests_counted(api) for _ in range(8)} == {20}


def test_worker_that_dies_is_replaced(store_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", KLINECAST_STORE_URL=store_url, HISTORY_WORKERS="2") as (api, p):
        before = workers_of(p.pid)
        before[0].kill()
        wait_until(
            lambda: len({w.pid for w in workers_of(p.pid)} - {before[0].pid}) == 2, "a new worker"
        )

        assert httpx.get(api + QUERY).status_code == 200
        assert end(p) == 0


def test_workers_end_with_the_process_that_watches_them(store_url: str, tmp_path: Path) -> None:
    with serving(tmp_path / "log", KLINECAST_STORE_URL=store_url, HISTORY_WORKERS="2") as (_, p):
        workers = workers_of(p.pid)
        p.kill()
        p.wait()

        wait_until(lambda: not any(is_alive(worker) for worker in workers), "their end")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_asked_to_end_under_load_no_request_is_cut(
    store_url: str, tmp_path: Path, workers: str
) -> None:
    with serving(tmp_path / "log", KLINECAST_STORE_URL=store_url, HISTORY_WORKERS=workers) as (
        api,
        process,
    ):
        cut: list[object] = []
        answered: list[int] = []

        def load() -> None:
            with httpx.Client(base_url=api, timeout=30) as client:
                while True:
                    try:
                        response = client.get(f"{QUERY}&format=csv")
                    except (httpx.ConnectError, httpx.RemoteProtocolError) as error:
                        # Refused once it listens no more; a kept connection may be closed
                        # between two requests, never within an answer.
                        if "incomplete" in str(error):
                            cut.append(error)
                        return
                    except httpx.TransportError:
                        return
                    answered.append(response.content.count(b"\n"))

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(answered) >= 8, "some answers")
        os.kill(process.pid, signal.SIGTERM)
        for thread in threads:
            thread.join()

        assert process.wait(timeout=15) == 0
        assert cut == []
        assert set(answered) == {20_001}


def test_stream_that_runs_is_finished_before_the_end(store_url: str, tmp_path: Path) -> None:
    with (
        serving(tmp_path / "log", KLINECAST_STORE_URL=store_url) as (api, process),
        httpx.stream("GET", f"{api}{QUERY}&format=ndjson") as response,
    ):
        chunks: Iterator[bytes] = response.iter_bytes(65_536)
        body = next(chunks)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.5)
        body += b"".join(chunks)

        assert body.count(b"\n") == 20_000
        assert process.wait(timeout=15) == 0
