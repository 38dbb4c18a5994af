"""Faults of answers, over real sockets: what a client of REST and of the archive meets."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from binance import Client
from binance.exceptions import BinanceAPIException

from market.interval import DAY_MS, HOUR_MS, Interval
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

MONTH = "/data/spot/monthly/klines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip"
PAGE = "/api/v3/klines?symbol=BTCUSDT&interval=1h&limit=1000"
NOW_MS = START_MS + 60 * DAY_MS - HOUR_MS


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of hours, the clock an hour before their end."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", make_klines(Interval.H1, 60 * 24))
    with run_simulator(
        folder / "data", folder / "log", ("--now", str(NOW_MS), "--speed", "0")
    ) as s:
        yield s


@pytest.fixture
def simulator(serving: Simulator) -> Simulator:
    serving.control("faults", kind="reset")
    serving.control("clock", now=NOW_MS, speed=0)
    serving.control("requests", reset=True)
    return serving


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator for a test that earns a ban."""
    write_archive_months(tmp_path / "data", "BTCUSDT", "1h", make_klines(Interval.H1, 48))
    scenario = tmp_path / "scenario.toml"
    scenario.write_text("[limits]\npatience = 3\nban_s = 7\n")
    with run_simulator(
        tmp_path / "data", tmp_path / "log", ("--scenario", str(scenario))
    ) as running:
        yield running


@pytest.fixture
def http(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url) as client:
        yield client


def test_status_names_its_wait_and_counts_who_ignores_it(
    simulator: Simulator, http: httpx.Client
) -> None:
    simulator.control("faults", kind="status", status=429, retry_after_s=30)

    refused = http.get("/api/v3/time")
    time.sleep(0.3)
    sent = http.get("/api/v3/time")

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert sent.status_code == 200
    assert simulator.totals()["sent_while_limited"] == 1


def test_status_strikes_only_its_target(simulator: Simulator, http: httpx.Client) -> None:
    simulator.control("faults", kind="status", status=503, symbol="BTCUSDT", interval="1d")

    hours = http.get(PAGE)
    days = http.get("/api/v3/klines?symbol=BTCUSDT&interval=1d")

    assert (hours.status_code, days.status_code) == (200, 503)


def test_rate_limit_holds_and_bans_who_goes_on(own: Simulator) -> None:
    own.control("faults", kind="rate_limit", retry_after_s=60)
    with httpx.Client(base_url=own.url) as http:
        answers = [http.get("/api/v3/time") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [429, 429, 429, 418, 418]
    assert [int(answer.headers["retry-after"]) for answer in answers[3:]] == [8, 7]
    assert "IP banned until" in answers[3].json()["msg"]
    assert own.totals()["answered_418"] == 2


def test_ban_is_answered_418_with_its_end(own: Simulator) -> None:
    own.control("faults", kind="ban", retry_after_s=100)

    banned = httpx.get(f"{own.url}/api/v3/time")

    until_ms = int(banned.json()["msg"].split("until ")[1].split(".")[0])
    assert banned.status_code == 418
    assert 98_000 < until_ms - time.time() * 1000 <= 100_000
    assert 99 <= int(banned.headers["retry-after"]) <= 101


def read_until_cut(answer: httpx.Response) -> bytes:
    got = bytearray()
    try:
        for piece in answer.iter_raw():
            got += piece
    except httpx.RemoteProtocolError:
        return bytes(got)
    pytest.fail("the body came whole")


@pytest.mark.parametrize("path", [MONTH, PAGE])
def test_cut_body_ends_before_its_length(
    simulator: Simulator, http: httpx.Client, path: str
) -> None:
    whole = http.get(path).content
    simulator.control("faults", kind="cut_body", keep=0.25)

    with http.stream("GET", path) as answer:
        promised, got = int(answer.headers["content-length"]), read_until_cut(answer)

    assert promised == len(whole)
    assert got == whole[: len(whole) // 4]
    assert http.get(path).content == whole


def test_slow_body_comes_whole_but_late(simulator: Simulator, http: httpx.Client) -> None:
    whole = http.get(PAGE).content
    simulator.control("faults", kind="slow_body", bytes_per_s=len(whole) * 2)

    began_s = time.monotonic()
    slow = http.get(PAGE)

    assert slow.content == whole
    assert time.monotonic() - began_s > 0.4


def test_clock_skew_shows_in_the_time_told(simulator: Simulator, http: httpx.Client) -> None:
    simulator.control("faults", kind="clock_skew", offset_ms=-7000)

    told = http.get("/api/v3/time").json()["serverTime"]
    info = http.get("/api/v3/exchangeInfo").json()["serverTime"]
    newest = http.get(PAGE).json()[-1]

    assert told == info == NOW_MS - 7000
    assert newest[0] == NOW_MS


def test_clock_skew_can_begin_and_end_by_itself(simulator: Simulator, http: httpx.Client) -> None:
    span = {"from": NOW_MS + 10, "until": NOW_MS + 20}
    simulator.control("faults", kind="clock_skew", offset_ms=1000, **span)

    told = []
    for after_ms in (9, 10, 20):
        simulator.control("clock", now=NOW_MS + after_ms)
        told.append(http.get("/api/v3/time").json()["serverTime"] - NOW_MS)

    assert told == [9, 1010, 20]


def test_corrupt_and_truncated_zips_and_wrong_checksums(
    simulator: Simulator, http: httpx.Client
) -> None:
    whole, checksum = http.get(MONTH).content, http.get(MONTH + ".CHECKSUM").content
    for kind in ("corrupt_zip", "truncated_zip", "bad_checksum"):
        simulator.control("faults", kind=kind)

    corrupt, wrong = http.get(MONTH).content, http.get(MONTH + ".CHECKSUM").content

    # The byte is changed first, then the end is cut off.
    assert len(corrupt) == len(whole) // 2
    assert wrong[1:] == checksum[1:]
    assert wrong != checksum
    assert http.get(MONTH).content == whole
    assert http.get(MONTH + ".CHECKSUM").content == checksum


def test_missing_file_is_neither_there_nor_listed(simulator: Simulator, http: httpx.Client) -> None:
    simulator.control("faults", kind="missing_file", source="archive_monthly", end="2024-01-31")

    assert http.get(MONTH).status_code == 404
    assert http.get(MONTH + ".CHECKSUM").status_code == 404
    assert "2024-01" not in http.get("/", params={"prefix": "data/"}).text


def test_late_publication_waits_for_its_hours(simulator: Simulator, http: httpx.Client) -> None:
    simulator.control("faults", kind="late_publication", hours=1.5)

    seen = []
    for now in ("2024-02-01T01:29:59.999Z", "2024-02-01T01:30:00Z"):
        simulator.control("clock", now=now)
        seen.append((http.get(MONTH).status_code, "2024-01" in http.get("/").text))

    assert seen == [(404, False), (200, True)]


def first_cells(content: bytes) -> list[str]:
    with zipfile.ZipFile(BytesIO(content)) as zipped:
        text = zipped.read("BTCUSDT-1h-2024-01.csv").decode()
    return [line.split(",")[0] for line in text.splitlines()]


def test_header_row_and_time_units(simulator: Simulator, http: httpx.Client) -> None:
    plain = first_cells(http.get(MONTH).content)
    simulator.control("faults", kind="header_row", symbol="BTCUSDT")
    simulator.control("faults", kind="time_unit", unit="mixed")

    odd = http.get(MONTH)

    cells = first_cells(odd.content)
    assert cells[:4] == ["open_time", plain[0], plain[1] + "000", plain[2]]
    assert len(cells) == len(plain) + 1
    assert hashlib.sha256(odd.content).hexdigest() == http.get(MONTH + ".CHECKSUM").text[:64]
    assert odd.headers["etag"].strip('"') == hashlib.md5(odd.content).hexdigest()


def test_key_and_its_restrictions_are_read_by_python_binance(simulator: Simulator) -> None:
    simulator.control("clock", now=NOW_MS, speed=1)
    simulator.control(
        "faults", kind="api_key", key="trader", allow=["enableReading", "enableWithdrawals"]
    )

    def ask(key: str) -> dict[str, object]:
        client = Client(key, "secret", ping=False)
        client.MARGIN_API_URL = f"{simulator.url}/sapi"
        client.timestamp_offset = NOW_MS - int(time.time() * 1000)
        try:
            answer: dict[str, object] = client.get_account_api_permissions()
        finally:
            client.close_connection()
            client.loop.close()
        return answer

    restrictions = ask("trader")
    with pytest.raises(BinanceAPIException) as refused:
        ask("stranger")

    assert restrictions["enableWithdrawals"] is True
    assert restrictions["enableSpotAndMarginTrading"] is False
    assert restrictions["ipRestrict"] is False
    assert (refused.value.status_code, refused.value.code) == (401, -2015)


@pytest.mark.parametrize(
    ("headers", "params", "status", "code"),
    [
        ({}, {}, 401, -2014),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": "1"}, 400, -1102),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": "1", "signature": "s"}, 400, -1021),
        ({"X-MBX-APIKEY": "k"}, {"timestamp": "x", "signature": "s"}, 400, -1100),
    ],
)
def test_unsigned_and_late_requests_are_refused(
    simulator: Simulator,
    http: httpx.Client,
    headers: dict[str, str],
    params: dict[str, str],
    status: int,
    code: int,
) -> None:
    simulator.control("faults", kind="api_key", key="k")

    answer = http.get("/sapi/v1/account/apiRestrictions", headers=headers, params=params)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_requests_are_counted(simulator: Simulator, http: httpx.Client) -> None:
    http.get(PAGE)
    http.get("/api/v3/exchangeInfo")
    size = len(http.get(MONTH).content)

    totals = simulator.totals()

    assert (totals["requests"], totals["weight"]) == (2, 22)
    assert (totals["archive_requests"], totals["archive_bytes"]) == (1, size)
