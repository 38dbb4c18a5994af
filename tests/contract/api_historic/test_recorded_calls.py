"""Whole recordings of Binance, calls and answers: this API gives the same bytes."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.symbols import Symbol, write_symbols
from support.history_api import add_series, history_api, new_store

RECORDED = os.environ.get("KLINECAST_TEST_DATA")
pytestmark = pytest.mark.skipif(
    RECORDED is None, reason="KLINECAST_TEST_DATA names no folder of recorded answers"
)
REST = Path(RECORDED or "") / "rest"
#: A moment when every recorded kline had closed: 2026-01-01.
NOW_MS = 1_767_225_600_000


def calls() -> list[dict[str, Any]]:
    """Return the recorded spot calls of `klines`."""
    if RECORDED is None:
        return []
    recordings = gzip.decompress((REST / "gocryptotrader_klines_recordings.json.gz").read_bytes())
    return [call for call in orjson.loads(recordings) if call["path"].startswith("/api/v3/")]


@pytest.fixture
def empty_store(tmp_path: Path) -> Store:
    """A store of this test alone."""
    return new_store(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.mark.parametrize("call", calls(), ids=lambda call: call["query"])
def test_recorded_call_gets_the_recorded_answer(empty_store: Store, call: dict[str, Any]) -> None:
    parameters = dict(pair.split("=") for pair in call["query"].split("&"))
    klines = [Kline(*row) for row in call["body"]]
    interval = Interval.parse(parameters["interval"])
    add_series(empty_store, parameters["symbol"], interval, klines)

    with history_api(empty_store, NOW_MS) as url:
        response = httpx.get(f"{url}{call['path']}?{call['query']}")

    assert response.content == orjson.dumps(call["body"])


@pytest.fixture(
    params=[
        "cryptofeed_spot_exchangeInfo_2021-10-12_full.json.gz",
        "gocryptotrader_spot_exchangeInfo_2025-08-07.json",
    ]
)
def recorded_info(request: pytest.FixtureRequest) -> dict[str, Any]:
    """A recorded body of `exchangeInfo`."""
    content = (REST / request.param).read_bytes()
    body: dict[str, Any] = orjson.loads(
        gzip.decompress(content) if request.param.endswith(".gz") else content
    )
    return body


@pytest.fixture
def info_api(empty_store: Store, recorded_info: dict[str, Any]) -> Iterator[str]:
    """The API of an installation that follows all symbols of that body."""
    symbols = [
        Symbol(
            entry["symbol"],
            entry["baseAsset"],
            entry["quoteAsset"],
            entry["status"],
            orjson.dumps(entry).decode(),
        )
        for entry in recorded_info["symbols"]
    ]
    write_symbols(empty_store, symbols, 1)
    with history_api(empty_store, NOW_MS) as url:
        yield url


def test_exchange_info_lists_the_recorded_symbols_in_their_order(
    info_api: str, recorded_info: dict[str, Any]
) -> None:
    everything = sorted(
        {name for entry in recorded_info["symbols"] for name in permissions_of(entry)}
    )
    answer = httpx.get(
        f"{info_api}/api/v3/exchangeInfo",
        params={"permissions": orjson.dumps(everything).decode()},
    )

    assert answer.content.endswith(b'"symbols":' + orjson.dumps(recorded_info["symbols"]) + b"}")
    assert sorted(answer.json()) == sorted(recorded_info)


def permissions_of(entry: dict[str, Any]) -> set[str]:
    sets = [entry["permissions"], *entry.get("permissionSets", [])]
    return {name for names in sets for name in names}
