"""A worker that is to use a GPU where there is none ends at start; serving needs no GPU."""

import pytest
import xgboost

from market.interval import Interval
from support.history_api import add_series, history_api, new_store
from support.klines import make_klines
from support.model_service import Installation, install

KLINES = make_klines(Interval.H1, 1_000)


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
