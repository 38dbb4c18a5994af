"""What `status` tells of the data, from real APIs over a seeded store."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from market.interval import Interval
from market.store.forecast_ledger import append_forecast
from market.store.symbols import find_series, write_watermark
from operations.layout import find_layout
from operations.local import LocalMode
from operations.settings import OperateSettings
from operations.status import Status, build_status, render_status, show_time, write_status
from support.history_api import history_api
from support.model_service import install
from support.ports import free_port
from support.seed import NOW_MS, make_forecast, open_seeded, read_sample, seed_klines, seed_market
from support.workspace import ROOT


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperateSettings]:
    """Where a history API and a model API answer: two forecasts each of four series, 12 of one."""
    folder = tmp_path_factory.mktemp("status")
    url = f"sqlite:///{folder / 'store.db'}"
    store = seed_market(url)
    klines = read_sample("BTCUSDT", Interval.H1, 200)
    for end in range(150, 160):
        append_forecast(store, make_forecast("BTCUSDT", Interval.H1, klines[:end]))
    with store.read() as connection:
        series = find_series(connection, "BTCUSDT", Interval.H1)
    with store.begin() as connection:
        write_watermark(connection, series, klines[100].open_time_ms)
    open_seeded(url, ["SOLUSDT"]).close()
    seed_klines(store, "SOLUSDT", Interval.H1, sample="BTCUSDT")
    with (
        history_api(store, NOW_MS) as history_url,
        install(store, url, history_url, folder).service() as models_url,
    ):
        yield OperateSettings(
            history_port=httpx.URL(history_url).port,
            models_port=httpx.URL(models_url).port,
            symbols="BTCUSDT,ETHUSDT,SOLUSDT",
        )
    store.close()


def ask(settings: OperateSettings) -> Status:
    platform = LocalMode(find_layout(ROOT), settings)
    return build_status(platform, settings, mode="local", demo=False)


def test_status_counts_klines_and_forecasts(
    settings: OperateSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    klines = read_sample("BTCUSDT", Interval.H1, 200)

    write_status(ask(settings))

    answer = json.loads(capsys.readouterr().out)["series"]
    series = {f"{one['symbol']} {one['interval']}": one for one in answer}
    assert {name: one["forecasts"] for name, one in series.items()} == {
        "BTCUSDT 1h": 12,
        "BTCUSDT 1d": 2,
        "ETHUSDT 1h": 2,
        "ETHUSDT 1d": 2,
        "SOLUSDT 1h": 0,
    }
    hourly = series["BTCUSDT 1h"]
    assert hourly["klines"] == 200
    assert hourly["watermark_ms"] == klines[100].open_time_ms
    assert hourly["last_open_ms"] == hourly["newest_cutoff_ms"] == klines[-1].open_time_ms
    assert hourly["model"] == "ridge"
    assert series["SOLUSDT 1h"]["newest_cutoff_ms"] is None


def test_table_fits_in_a_line_each(
    settings: OperateSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    whole_up_to = show_time(read_sample("BTCUSDT", Interval.H1, 100)[0].open_time_ms)

    render_status(ask(settings))

    lines = capsys.readouterr().out.splitlines()
    cells = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in lines]
    assert ["BTCUSDT 1h", "200", whole_up_to, "12 min 0 s", "12"] in [row[:5] for row in cells]
    assert ["SOLUSDT 1h", "200", "", "12 min 0 s", "0", "none yet", ""] in cells


def test_count_is_unknown_where_the_model_api_is_away(
    settings: OperateSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    away = settings.model_copy(update={"models_port": free_port()})

    status = ask(away)
    render_status(status)

    assert {one.forecasts for one in status.series} == {None}
    assert {one.newest_cutoff_ms is None for one in status.series} == {True, False}
    assert "?" in capsys.readouterr().out
