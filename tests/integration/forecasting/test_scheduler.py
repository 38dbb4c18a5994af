"""The scheduler, where a task fails in a way that nobody foresaw."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from forecasting.artefacts import Artefacts
from forecasting.desk import Desk
from forecasting.jobs import submit_training
from forecasting.serve.forecaster import Forecaster
from forecasting.serve.scheduler import Scheduler
from forecasting.source import KlineSource
from klinecast_client import Client
from market.interval import Interval
from market.store import open_store
from market.store import tables as t
from market.store.forecast_ledger import read_forecasts
from market.store.klines import write_klines
from market.store.symbols import find_series
from support.history_api import BATCH, add_series, frozen_clock, history_api, new_store
from support.klines import make_klines
from support.ledger_rows import unreadable_forecast
from support.model_service import install
from support.processes import wait_until

KLINES = make_klines(Interval.H1, 1_801)
STORED, NEXT = KLINES[:-1], KLINES[-1:]
NOW_MS = NEXT[0].close_time_ms + 2_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")
SERIES = [(symbol, Interval.H1) for symbol in SYMBOLS]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the store and the artefacts of two series, nothing forecast yet."""
    folder = tmp_path_factory.mktemp("trained")
    url = f"sqlite:///{folder / 'store.db'}"
    store = new_store(url)
    for symbol in SYMBOLS:
        add_series(store, symbol, Interval.H1, STORED)
    with history_api(store, NOW_MS) as history_url:
        installation = install(store, url, history_url, folder, KLINECAST_SYMBOLS=",".join(SYMBOLS))
        done = installation.run("train", "--model", "random_walk", "--model", "ridge")
    store.close()
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def desk(trained: Path, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "copy"
    shutil.copytree(trained, folder)
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    artefacts = Artefacts((folder / "artefacts").as_uri())
    with history_api(store, NOW_MS) as url, Client(url) as client:
        source = KlineSource(client)
        yield Desk(store, artefacts, source, frozen_clock(NOW_MS), demo=False, device="cpu")
    store.close()


def make_scheduler(desk: Desk, *, aside_s: float = 3_600.0) -> Scheduler:
    return Scheduler(desk, Forecaster(desk), SERIES, None, aside_s=aside_s)


def close_kline(desk: Desk, symbol: str) -> None:
    with desk.store.read() as connection:
        series = find_series(connection, symbol, Interval.H1)
    write_klines(desk.store, series, NEXT, BATCH)


def forecasts(desk: Desk, cutoff_ms: int) -> list[str]:
    with desk.store.read() as connection:
        series = [find_series(connection, *one) for one in SERIES]
        found = [read_forecasts(connection, one, cutoff_ms=cutoff_ms, limit=9) for one in series]
    return sorted(f"{forecast.symbol} {forecast.model}" for made in found for forecast in made)


def count_broken(symbol: str, task: str) -> float:
    labels = {"symbol": symbol, "interval": "1h", "task": task}
    return REGISTRY.get_sample_value("models_broken_tasks_total", labels) or 0.0


def test_a_forecast_that_breaks_holds_up_no_other_one(desk: Desk) -> None:
    before = count_broken("BTCUSDT", "ridge")
    patient, hasty = make_scheduler(desk), make_scheduler(desk, aside_s=0.0)

    with unreadable_forecast(desk.store, "BTCUSDT", "ridge", STORED[-1].open_time_ms):
        for _ in range(3):
            patient.run(threading.Event())
        set_aside = count_broken("BTCUSDT", "ridge") - before
        for _ in range(2):
            hasty.run(threading.Event())
    others = forecasts(desk, STORED[-1].open_time_ms)
    close_kline(desk, "BTCUSDT")
    patient.run(threading.Event())

    assert others == ["BTCUSDT random_walk", "ETHUSDT random_walk", "ETHUSDT ridge"]
    assert set_aside == 1
    assert count_broken("BTCUSDT", "ridge") - before == 3
    assert forecasts(desk, NEXT[0].open_time_ms) == ["BTCUSDT random_walk", "BTCUSDT ridge"]


def test_the_thread_goes_on_after_a_task_broke(desk: Desk) -> None:
    before = count_broken("ETHUSDT", "training")
    submit_training(desk.store, "ETHUSDT", Interval.H1, None, 1)
    with desk.store.begin() as connection:
        connection.execute(t.jobs.update().values(steps="no JSON"))
    stop = threading.Event()
    thread = make_scheduler(desk).start(stop, 0.05)

    first_ms, next_ms = STORED[-1].open_time_ms, NEXT[0].open_time_ms
    wait_until(lambda: len(forecasts(desk, first_ms)) == 4, "forecasts", limit_s=60)
    close_kline(desk, "ETHUSDT")
    wait_until(lambda: len(forecasts(desk, next_ms)) == 2, "the next forecasts", limit_s=60)
    stop.set()
    thread.join()

    assert forecasts(desk, next_ms) == ["ETHUSDT random_walk", "ETHUSDT ridge"]
    assert count_broken("ETHUSDT", "training") - before == 1


def test_what_was_foreseen_holds_up_nothing_either(desk: Desk, tmp_path: Path) -> None:
    with desk.store.begin() as connection:
        connection.execute(text("DROP TABLE jobs"))
    for bundle in tmp_path.glob("copy/artefacts/BTCUSDT/1h/ridge/*.zip"):
        bundle.write_bytes(b"no zip")
    before = count_broken("BTCUSDT", "ridge")

    make_scheduler(desk).run(threading.Event())

    made = forecasts(desk, STORED[-1].open_time_ms)
    assert made == ["BTCUSDT random_walk", "ETHUSDT random_walk", "ETHUSDT ridge"]
    assert count_broken("BTCUSDT", "ridge") == before
