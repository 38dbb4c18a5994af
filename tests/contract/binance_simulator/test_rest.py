"""`/api/v3` over a real socket, byte by byte where Binance's answer was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from market.interval import HOUR_MS
from market.times import parse_time_ms
from support.klines import START_MS
from support.simulator import Simulator, run_simulator

SAMPLE = Path(__file__).parents[3] / "simulator" / "sample"
NOON_MS = parse_time_ms("noon", "2024-06-18T12:00:00Z")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """The bundled sample, its clock frozen at noon."""
    log = tmp_path_factory.mktemp("simulator") / "log"
    options = ("--now", "2024-06-18T12:00:00Z", "--speed", "0", "--weight-limit", "100000")
    with run_simulator(SAMPLE, log, options) as serving:
        yield serving


@pytest.fixture(scope="module")
def http(sample: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sample.url) as client:
        yield client


def test_klines_are_byte_for_byte_what_binance_sent(http: httpx.Client, recordings: Path) -> None:
    recorded = (recordings / "rest" / "klines_BTCUSDT_1h_1000rows_2020-05-01.json").read_bytes()
    rows = json.loads(recorded)

    response = http.get(
        "/api/v3/klines",
        params={
            "symbol": "BTCUSDT", "interval": "1h", "startTime": rows[0][0], "limit": 1000,
        },
    )  # fmt: skip

    assert len(rows) == 1000
    assert response.content == recorded.strip()


def test_errors_are_byte_for_byte_what_binance_sent(http: httpx.Client, recordings: Path) -> None:
    recorded = json.loads((recordings / "rest" / "error_responses.json").read_bytes())
    bodies = {answer["body"] for answer in recorded if answer["http_status"] == 400}
    good = {"symbol": "BTCUSDT", "interval": "1h"}

    answers = [
        http.get("/api/v3/klines", params=params)
        for params in (
            good | {"symbol": "NOSUCHUSDT"},
            good | {"interval": "7m"},
            good | {"startTime": "x"},
            {"interval": "1h"},
            good | {"start_time": "1"},
        )
    ]

    assert [answer.status_code for answer in answers] == [400] * 5
    assert [answer.text for answer in answers if answer.text not in bodies] == []


def test_answers_carry_binances_headers(http: httpx.Client) -> None:
    first = http.get("/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1d"})
    second = http.get("/api/v3/exchangeInfo", params={"symbol": "BTCUSDT"})

    assert first.headers["content-type"] == "application/json;charset=UTF-8"
    assert first.headers["x-mbx-used-weight"] == first.headers["x-mbx-used-weight-1m"]
    assert {"x-mbx-uuid", "cache-control"} <= set(first.headers)
    used = [int(answer.headers["x-mbx-used-weight-1m"]) for answer in (first, second)]
    # A new minute may begin between the two.
    assert used[1] in (used[0] + 20, 20)


def test_ping_and_time(http: httpx.Client) -> None:
    assert http.get("/api/v3/ping").content == b"{}"
    assert http.get("/api/v3/time").json() == {"serverTime": NOON_MS}
    micro = http.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"})
    assert micro.json() == {"serverTime": NOON_MS * 1000}
    assert http.get("/api/v3/time", params={"a": "b"}).json()["code"] == -1101
    assert http.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "DAY"}).json()["code"] == -1130


def test_klines_end_with_the_open_one(http: httpx.Client) -> None:
    rows = http.get("/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1h"}).json()
    day = http.get(
        "/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1d", "limit": 1}
    ).json()[0]

    assert len(rows) == 500
    assert [row[0] for row in rows] == [NOON_MS + n * HOUR_MS for n in range(-499, 1)]
    assert rows[-1][1:6] == [rows[-1][1]] * 4 + ["0.00000000"]
    assert day[4] == rows[-1][4]
    assert day[8] == sum(row[8] for row in rows[-13:])


def test_klines_in_microseconds(http: httpx.Client) -> None:
    params = {"symbol": "BTCUSDT", "interval": "1h", "limit": 2, "startTime": NOON_MS - HOUR_MS}
    in_ms = http.get("/api/v3/klines", params=params).json()

    in_us = http.get(
        "/api/v3/klines",
        params=params | {"startTime": (NOON_MS - HOUR_MS) * 1000},
        headers={"X-MBX-TIME-UNIT": "MICROSECOND"},
    ).json()

    assert [row[0] for row in in_us] == [row[0] * 1000 for row in in_ms]
    assert [row[6] for row in in_us] == [row[6] * 1000 + 999 for row in in_ms]
    assert [row[1:6] for row in in_us] == [row[1:6] for row in in_ms]


def test_ui_klines_are_the_same(http: httpx.Client) -> None:
    params = {"symbol": "ETHUSDT", "interval": "4h", "timeZone": "8"}

    plain, drawn = (http.get(f"/api/v3/{name}", params=params) for name in ("klines", "uiKlines"))

    assert plain.json()
    assert plain.content == drawn.content


def test_exchange_info_has_binances_shape(http: httpx.Client, recordings: Path) -> None:
    file = recordings / "rest" / "gocryptotrader_spot_exchangeInfo_2025-08-07.json"
    recorded = json.loads(file.read_bytes())

    info = http.get("/api/v3/exchangeInfo").json()

    assert set(info) == set(recorded)
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    known = {key for symbol in recorded["symbols"] for key in symbol}
    types = {f["filterType"]: set(f) for s in recorded["symbols"] for f in s["filters"]}
    for symbol in info["symbols"]:
        assert set(symbol) - known <= {"pegInstructionsAllowed"}
        assert known - set(symbol) == set()
        for kind in symbol["filters"]:
            assert set(kind) == types[kind["filterType"]]


def test_exchange_info_takes_steps_from_the_data(http: httpx.Client) -> None:
    symbols = http.get("/api/v3/exchangeInfo", params={"symbols": '["ETHUSDT","BTCUSDT"]'}).json()

    steps = {
        symbol["symbol"]: [
            next(f[key] for f in symbol["filters"] if key in f) for key in ("tickSize", "stepSize")
        ]
        for symbol in symbols["symbols"]
    }
    assert steps == {
        "ETHUSDT": ["0.01000000", "0.00010000"],
        "BTCUSDT": ["0.01000000", "0.00001000"],
    }


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"symbol": "NOSUCHUSDT"}, 400, -1121),
        ({"symbols": '["BTCUSDT","NOSUCHUSDT"]'}, 400, -1121),
        ({"symbols": "BTCUSDT"}, 400, -1100),
        ({"permissions": "LEVERAGED"}, 200, None),
        ({"symbolStatus": "BREAK"}, 200, None),
    ],
)
def test_exchange_info_filters(
    http: httpx.Client, params: dict[str, str], status: int, code: int | None
) -> None:
    response = http.get("/api/v3/exchangeInfo", params=params)

    assert response.status_code == status
    assert response.json().get("code") == code
    assert response.json().get("symbols", []) == []


def test_weight_above_the_budget_is_429_then_418(simulator_data: Path, tmp_path: Path) -> None:
    options = ("--weight-limit", "10")
    with (
        run_simulator(simulator_data, tmp_path / "log", options) as serving,
        httpx.Client(base_url=serving.url) as http,
    ):
        params = {"symbol": "BTCUSDT", "interval": "1h", "limit": "1"}

        answers = [http.get("/api/v3/klines", params=params) for _ in range(80)]

    statuses = [answer.status_code for answer in answers]
    # A minute of the machine may begin once in between.
    assert statuses[:5] == [200] * 5
    assert {429, 418} <= set(statuses)
    waiting = next(answer for answer in answers if answer.status_code == 429)
    assert waiting.json() == {
        "code": -1003,
        "msg": "Too much request weight used; current limit is 10 request weight per 1 MINUTE. "
        "Please use the websocket for live updates to avoid polling the API.",
    }
    assert 1 <= int(waiting.headers["retry-after"]) <= 60
    banned = next(answer for answer in answers if answer.status_code == 418)
    assert banned.json()["msg"].startswith("Way too much request weight used; IP banned until 1")
    assert 60 < int(banned.headers["retry-after"]) <= 121


def test_faults_answer_as_recorded(simulator: Simulator, recordings: Path) -> None:
    recorded = json.loads((recordings / "rest" / "error_responses.json").read_bytes())
    restricted = next(a["body"] for a in recorded if a["http_status"] == 451)
    unknown = next(a["body"] for a in recorded if a["http_status"] == 500)
    with httpx.Client(base_url=simulator.url) as http:
        for status in (451, 500, 403, 429):
            told = http.post("/simulator/faults", json={"kind": "status", "status": status})
            assert told.status_code == 200

        answers = [http.get("/api/v3/time") for _ in range(5)]

    assert [a.status_code for a in answers] == [451, 500, 403, 429, 200]
    assert answers[0].text == restricted
    assert answers[1].text == unknown
    assert answers[2].headers["content-type"].startswith("text/html")
    assert answers[3].headers["retry-after"] == "1"


def test_klines_of_a_damaged_file_are_binances_own_500(
    simulator_data: Path, tmp_path: Path
) -> None:
    broken = next(simulator_data.rglob("*2024-01.zip"))
    broken.write_bytes(broken.read_bytes()[:100])
    with run_simulator(simulator_data, tmp_path / "log") as serving:
        params = {"symbol": "BTCUSDT", "interval": "1h", "startTime": str(START_MS)}
        response = httpx.get(f"{serving.url}/api/v3/klines", params=params)
        still = httpx.get(f"{serving.url}/api/v3/time")

    assert response.status_code == 500
    assert response.json()["code"] == -1000
    assert still.status_code == 200


@pytest.mark.parametrize("path", ["/api/v3/depth", "/api/v1/klines", "/nothing"])
def test_other_paths_are_404(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def fetch_all(http: httpx.Client, symbol: str, interval: str) -> Sequence[list[object]]:
    rows: list[list[object]] = []
    while True:
        start = int(str(rows[-1][0])) + 1 if rows else 0
        page = http.get(
            "/api/v3/klines",
            params={"symbol": symbol, "interval": interval, "startTime": start, "limit": 1000},
        ).json()
        if not page:
            return rows
        rows += page


def test_sample_is_complete(http: httpx.Client) -> None:
    metadata = json.loads((SAMPLE / "metadata.json").read_bytes())

    for series in metadata["series"]:
        until = NOON_MS // HOUR_MS * HOUR_MS
        rows = fetch_all(http, series["symbol"], series["interval"])
        first_ms = parse_time_ms("first", series["first_open"])
        step_ms = HOUR_MS if series["interval"] == "1h" else 24 * HOUR_MS
        missing = sum(
            (parse_time_ms("to", gap["to"]) - parse_time_ms("from", gap["from"])) // step_ms
            for gap in series["gaps"]
        )
        assert rows[0][0] == first_ms
        assert len(rows) == (until - first_ms) // step_ms + 1 - missing
