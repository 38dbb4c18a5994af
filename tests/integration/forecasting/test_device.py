"""A worker that is to use a GPU where there is none ends at start; serving needs no GPU."""

import subprocess
import sys

import pytest
import xgboost

from market.interval import Interval
from support.history_api import add_series, history_api, new_store
from support.klines import make_klines
from support.model_service import Installation, install

KLINES = make_klines(Interval.H1, 4_000)

#: Prints how often each of two trainings was told by xgboost that there is no GPU to use.
_TRAIN_TWICE = """
import threading, warnings
from forecasting.desk import opened_desk
from forecasting.interruption import go_on
from forecasting.settings import ModelSettings
from forecasting.training import Order, run_training
from market.interval import Interval

told = []
order = Order("BTCUSDT", Interval.H1, ("xgboost",))
with opened_desk(ModelSettings(), threading.Event()) as desk:
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run_training(desk, order, lambda *_: None, go_on)
        told.append(sum("changed from GPU to CPU" in str(one.message) for one in caught))
print(*told)
"""


@pytest.fixture
def installation(sqlite_url, tmp_path):
    store = new_store(sqlite_url)
    add_series(store, "BTCUSDT", Interval.H1, KLINES)
    with history_api(store, KLINES[-1].close_time_ms + 1) as url:
        yield install(store, sqlite_url, url, tmp_path, MODELS_DEVICE="gpu")
    store.close()


@pytest.mark.skipif(xgboost.build_info()["USE_CUDA"], reason="this is the xgboost with CUDA")
@pytest.mark.parametrize("command", ["work", "train", "evaluate", "once"])
def test_what_trains_ends_at_start_and_names_the_extra(
    installation: Installation, command: str
) -> None:
    done = installation.run(command)

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: MODELS_DEVICE was 'gpu'; expected cpu, as the xgboost installed")
    assert "klinecast-models[gpu]" in line


def test_unknown_device_is_named(installation: Installation) -> None:
    installation.environment["MODELS_DEVICE"] = "tpu"

    done = installation.run("work", "--once")

    assert done.returncode == 1
    assert "MODELS_DEVICE was 'tpu'; expected 'cpu' or 'gpu'" in done.stderr


def test_serving_and_listing_need_no_gpu(installation: Installation) -> None:
    with installation.service():
        assert installation.run("list").returncode == 0


def test_a_training_evaluates_and_publishes_with_what_the_setting_says(
    installation: Installation,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN_TWICE],
        env={"PATH": "", **installation.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, done.stderr
    evaluated, fitted_again = map(int, done.stdout.split()[-2:])
    # The second training is not evaluated: it fits once, to publish.
    assert evaluated > fitted_again > 0
