"""`/api/v3` answers byte by byte what Binance was recorded to answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from support.history_api import add_series, history_api

RECORDED = os.environ.get("KLINECAST_TEST_DATA")
pytestmark = pytest.mark.skipif(
    RECORDED is None, reason="KLINECAST_TEST_DATA names no folder of recorded answers"
)
REST = Path(RECORDED or "") / "rest"
PAGE = REST / "klines_BTCUSDT_1h_1000rows_2020-05-01.json"
FIRST_MS, LAST_MS = 1_588_280_400_000, 1_591_876_800_000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def api(store: Store) -> Iterator[str]:
    """The API over a store that holds the recorded page."""
    klines = [Kline(*row) for row in orjson.loads(PAGE.read_bytes())]
    recorded = orjson.loads((REST / "nautilus_http_spot_market_exchange_info.json").read_bytes())
    info = orjson.dumps(recorded["symbols"][0]).decode()
    add_series(store, "BTCUSDT", Interval.H1, klines, info=info)
    with history_api(store, LAST_MS + 2 * HOUR_MS) as url:
        yield url


def get(api: str, path: str) -> httpx.Response:
    return httpx.get(f"{api}/api/v3/{path}")


@pytest.mark.parametrize("call", ["klines", "uiKlines"])
def test_page_is_the_recorded_bytes(api: str, call: str) -> None:
    response = get(api, f"{call}?symbol=BTCUSDT&interval=1h&startTime={FIRST_MS}&limit=1000")

    assert response.content == PAGE.read_bytes()
    assert response.headers["Content-Type"] == "application/json;charset=UTF-8"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("", slice(500, None)),
        ("limit=3", slice(-3, None)),
        ("limit=1000000", slice(0, None)),
        (f"startTime={FIRST_MS + 1}&limit=2", slice(1, 3)),
        (f"endTime={FIRST_MS + 5 * HOUR_MS}&limit=2", slice(4, 6)),
        (f"endTime={FIRST_MS + 5 * HOUR_MS - 1}&limit=2", slice(3, 5)),
        (f"startTime={FIRST_MS}&endTime={FIRST_MS + 2 * HOUR_MS}", slice(0, 3)),
        (f"startTime={FIRST_MS}&endTime={FIRST_MS}", slice(0, 1)),
        (f"startTime={LAST_MS + 1}", slice(0, 0)),
        (f"startTime={FIRST_MS + 9}&endTime={FIRST_MS}", slice(0, 0)),
        (f"startTime={FIRST_MS}000&endTime={FIRST_MS}999", slice(0, 1)),
    ],
)
def test_paging_rules_are_binances(api: str, query: str, rows: slice) -> None:
    expected = orjson.loads(PAGE.read_bytes())[rows]

    body = get(api, f"klines?symbol=BTCUSDT&interval=1h&{query}").content

    assert body == orjson.dumps(expected)


def test_microseconds_are_answered_where_asked(api: str) -> None:
    response = httpx.get(
        f"{api}/api/v3/klines?symbol=BTCUSDT&interval=1h&startTime={FIRST_MS}&limit=1",
        headers={"X-MBX-TIME-UNIT": "MICROSECOND"},
    )

    row = response.json()[0]
    assert (row[0], row[6]) == (FIRST_MS * 1000, (FIRST_MS + HOUR_MS) * 1000 - 1)


@pytest.mark.parametrize(
    "path",
    [
        "klines?symbol=NONE&interval=1h",
        "klines?symbol=BTCUSDT&interval=7m",
        "klines?symbol=BTCUSDT&interval=1h&startTime=now",
        "klines",
        "klines?symbol=BTCUSDT&interval=1h&x=1",
    ],
)
def test_errors_are_recorded_bodies(api: str, path: str) -> None:
    recorded = {
        entry["body"]
        for entry in orjson.loads((REST / "error_responses.json").read_bytes())
        if entry["http_status"] == 400
    }

    response = get(api, path)

    assert response.status_code == 400
    assert response.text in recorded


def test_interval_without_klines_is_empty(api: str) -> None:
    assert get(api, "klines?symbol=BTCUSDT&interval=1m").content == b"[]"


def test_exchange_info_holds_the_recorded_entry(api: str) -> None:
    recorded = orjson.loads((REST / "nautilus_http_spot_market_exchange_info.json").read_bytes())

    body = get(api, "exchangeInfo?symbol=BTCUSDT").content

    assert orjson.dumps(recorded["symbols"][0]) in body
    assert list(orjson.loads(body)) == list(recorded)


def test_days_of_another_zone_are_put_together_from_hours(api: str) -> None:
    rows = get(api, "klines?symbol=BTCUSDT&interval=1d&timeZone=8&limit=2").json()
    hours = get(api, f"klines?symbol=BTCUSDT&interval=1h&startTime={rows[0][0]}&limit=24").json()

    assert [row[0] % (24 * HOUR_MS) for row in rows] == [16 * HOUR_MS] * 2
    assert rows[0][1] == hours[0][1]
    assert rows[0][4] == hours[-1][4]
    assert rows[0][8] == sum(hour[8] for hour in hours)
    # The zone's last day is not over: its hours up to 16:00 UTC are not stored yet.
    assert rows[-1][6] <= LAST_MS + HOUR_MS
