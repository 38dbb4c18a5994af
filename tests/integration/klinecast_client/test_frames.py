"""Frames of all that an installation holds, on MySQL and SQLite, by Arrow and by JSON."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
import pandas as pd
import pytest

from klinecast_client import Client, MissingKlines
from market.gaps import Cause, Gap
from market.interval import DAY_MS, HOUR_MS, Interval
from market.store import Store
from market.store.gap_ledger import write_gaps
from market.store.klines import write_klines
from market.store.symbols import Series, Symbol, find_series, write_symbols
from support.databases import fresh_database
from support.history_api import BATCH, history_api
from support.klines import START_MS, make_klines
from support.seed import NOW_MS, seed_market

RECORDED = os.environ.get("KLINECAST_TEST_DATA")
#: A pair against a currency that is no dollar, up to the newest hour that has closed.
EUR_HOURS = make_klines(Interval.H1, 24 * 400 - 1, start_ms=NOW_MS - 400 * DAY_MS, seed=7)
#: Every third hour is missing somewhere in the past: more gaps than a header holds.
RAGGED = [kline for number, kline in enumerate(make_klines(Interval.H1, 400)) if number % 3]


class Installation(NamedTuple):
    """An API and the store behind it."""

    url: str
    store: Store


def entry_of_btceur() -> str:
    """Return how Binance described BTCEUR; where nothing is recorded, the least there is."""
    if RECORDED is None:
        return '{"symbol":"BTCEUR","status":"TRADING"}'
    body = Path(RECORDED, "rest", "cryptofeed_spot_exchangeInfo_2021-10-12_full.json.gz")
    entries = orjson.loads(gzip.decompress(body.read_bytes()))["symbols"]
    return orjson.dumps(next(e for e in entries if e["symbol"] == "BTCEUR")).decode()


def add(store: Store, symbol: Symbol, klines: list) -> Series:  # type: ignore[type-arg]
    write_symbols(store, [symbol], 1)
    with store.read() as connection:
        series = find_series(connection, symbol.symbol, Interval.H1)
    write_klines(store, series, klines, BATCH)
    return series


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A seeded store, a pair against the euro, and a symbol full of holes."""
    if request.param == "sqlite":
        yield from serve(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield from serve(url)


def serve(store_url: str) -> Iterator[Installation]:
    store = seed_market(store_url)
    add(store, Symbol("BTCEUR", "BTC", "EUR", "TRADING", entry_of_btceur()), EUR_HOURS)
    ragged = add(store, Symbol("OLDEUR", "OLD", "EUR", "BREAK", "{}"), RAGGED)
    outage = Gap(START_MS, START_MS + HOUR_MS, Cause.OUTAGE)
    with store.begin() as connection:
        write_gaps(connection, ragged, (START_MS, START_MS + HOUR_MS), [outage], NOW_MS)
    with history_api(store, NOW_MS) as url:
        yield Installation(url, store)


@pytest.fixture(params=[True, False], ids=["arrow", "json"])
def client(installation: Installation, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of it, each way that ranges travel."""
    with Client(installation.url, arrow=request.param) as client:
        yield client


def test_every_value_of_btceur_is_the_stored_one(client: Client) -> None:
    frame = client.klines(("btc", "eur"), "1h", EUR_HOURS[0].open_time_ms)

    stored = pd.DataFrame(EUR_HOURS).iloc[:, :11]
    assert frame.attrs["symbol"] == "BTCEUR"
    assert frame.attrs["complete"]
    assert frame.index.as_unit("ms").astype("int64").tolist() == stored["open_time_ms"].tolist()
    for field in ("open", "high", "low", "close", "volume", "quote_asset_volume"):
        assert frame[field].tolist() == [float(value) for value in stored[field]]
    assert frame["number_of_trades"].tolist() == stored["number_of_trades"].tolist()


def test_exact_values_are_the_stored_digits(client: Client) -> None:
    end_ms = EUR_HOURS[30].open_time_ms
    frame = client.klines("BTCEUR", "1h", EUR_HOURS[0].open_time_ms, end_ms, exact=True)

    assert [str(value) for value in frame["volume"]] == [k.volume for k in EUR_HOURS[:30]]


def test_last_days_are_by_the_exchanges_clock(client: Client) -> None:
    now = pd.Timestamp(NOW_MS, unit="ms", tz="UTC")

    frame = client.five_days("BTCEUR")
    year = client.one_year("BTCEUR", "1h")

    assert now - frame.index[0] <= pd.Timedelta(days=5) < now - frame.index[0] + pd.Timedelta("1h")
    assert len(frame) == 5 * 24 - 1  # the running hour is not there
    assert len(year) == 365 * 24 - 1


@pytest.mark.filterwarnings("ignore::klinecast_client.MissingKlines")
def test_more_gaps_than_a_header_holds_are_all_told(client: Client) -> None:
    frame = client.klines("OLDEUR", "1h", START_MS, START_MS + 400 * HOUR_MS)

    gaps = frame.attrs["gaps"]
    assert [gap["start_ms"] for gap in gaps] == [
        START_MS + number * HOUR_MS for number in range(0, 400, 3)
    ]
    assert [gap["cause"] for gap in gaps[:2]] == ["outage", "repairable"]
    assert frame.attrs["completeness"] == pytest.approx(len(RAGGED) / 400)
    assert not frame.attrs["complete"]


def test_range_without_klines_is_an_empty_frame(client: Client) -> None:
    with pytest.warns(MissingKlines):
        frame = client.klines("BTCEUR", "1d", START_MS, START_MS + 2 * DAY_MS)

    assert frame.empty
    assert str(frame.index.dtype).endswith("UTC]")
    assert frame.attrs["completeness"] == 0.0


def test_coverage_and_gaps_are_frames(client: Client) -> None:
    coverage = client.coverage("OLDEUR").iloc[0]
    gaps = client.gaps("OLDEUR", "1h")

    assert (coverage["interval"], coverage["count"]) == ("1h", len(RAGGED))
    assert coverage["first_open"] == pd.Timestamp(RAGGED[0].open_time_ms, unit="ms", tz="UTC")
    assert pd.isna(coverage["watermark"])
    assert gaps[["symbol", "cause", "slots"]].to_numpy().tolist() == [["OLDEUR", "outage", 1]]
    assert client.gaps("BTCEUR").empty


def test_every_series_is_listed(client: Client) -> None:
    symbols = client.symbols()

    assert {"BTCEUR", "BTCUSDT", "ETHUSDT", "OLDEUR"} == set(symbols["symbol"])
    assert len(client.coverage()) == len(symbols)


def test_forecasts_and_scores_are_frames(client: Client) -> None:
    forecast = client.forecast_list("BTCUSDT", "1h")[0]

    frame = client.forecasts("BTCUSDT", "1h", horizon=10)

    assert frame.index.names == ["cutoff_time", "step"]
    assert frame["point"].tolist() == [step.point for step in forecast.steps[:10]]
    assert frame["q0.9"].iloc[0] == forecast.steps[0].quantiles["0.9"]
    assert set(frame["model"]) == {forecast.model}
    assert "skill_ewma" in client.scores("BTCUSDT", "1h").columns


def test_past_is_answered_as_it_was_known(client: Client) -> None:
    with pytest.warns(MissingKlines):
        frame = client.klines("BTCEUR", "1h", EUR_HOURS[0].open_time_ms, NOW_MS - HOUR_MS, as_of=0)

    assert frame.empty


def test_client_is_gone_when_it_is_closed(installation: Installation) -> None:
    with Client(installation.url) as client:
        client.status()

    with pytest.raises(RuntimeError, match="closed"):
        client.status()
    assert httpx.get(f"{installation.url}/healthz").status_code == 200
