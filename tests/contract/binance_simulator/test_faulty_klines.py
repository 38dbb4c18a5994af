"""Faults of klines, over real sockets: sources that disagree, symbols that come and go."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest

from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import Kline
from market.times import format_time
from support.archive import write_archive_file, write_archive_months
from support.klines import START_MS, make_klines
from support.simulator import Simulator, run_simulator

HOURS = make_klines(Interval.H1, 60 * 24)
NOW_MS = START_MS + 60 * DAY_MS
CUT_MS = START_MS + 40 * DAY_MS


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """Two months of hours, as monthly files and as the daily ones of January."""
    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "data", "BTCUSDT", "1h", HOURS)
    for start in range(0, 31 * 24, 24):
        day = HOURS[start : start + 24]
        name = f"BTCUSDT-1h-{format_time(day[0].open_time_ms)[:10]}"
        write_archive_file(folder / "data", name, day)
    options = ("--speed", "0", "--alias", "COPYUSDT=BTCUSDT", "--clone", "BTCUSDT:20")
    with run_simulator(folder / "data", folder / "log", options) as running:
        yield running


@pytest.fixture
def simulator(serving: Simulator) -> Simulator:
    serving.control("faults", kind="reset")
    serving.control("clock", now=NOW_MS, speed=0)
    return serving


def page(simulator: Simulator, symbol: str = "BTCUSDT", **params: Any) -> list[Kline]:
    asked = {"symbol": symbol, "interval": "1h", "limit": 1000, "startTime": START_MS, **params}
    answer = httpx.get(f"{simulator.url}/api/v3/klines", params=asked).raise_for_status()
    return [Kline(*row) for row in answer.json()]


def get_file(simulator: Simulator, date: str, symbol: str = "BTCUSDT") -> httpx.Response:
    period = "monthly" if len(date) == len("2024-01") else "daily"
    name = f"{symbol}-1h-{date}.zip"
    return httpx.get(f"{simulator.url}/data/spot/{period}/klines/{symbol}/1h/{name}")


def rows_of(answer: httpx.Response) -> list[Kline]:
    with zipfile.ZipFile(BytesIO(answer.content)) as zipped:
        text = zipped.read(zipped.namelist()[0]).decode()
    cells = [line.split(",") for line in text.splitlines()]
    return [Kline(int(c[0]), *c[1:6], int(c[6]), c[7], int(c[8]), *c[9:]) for c in cells]  # type: ignore[arg-type,call-arg]


def test_disagreement_is_in_the_sources_it_names(simulator: Simulator) -> None:
    simulator.control(
        "faults",
        kind="disagreement",
        source="archive_monthly",
        klines=[START_MS + HOUR_MS],
        change={"number_of_trades": "+5", "volume": "*2"},
    )

    monthly = rows_of(get_file(simulator, "2024-01"))
    changed = [(a, b) for a, b in zip(monthly, HOURS, strict=False) if a != b]

    assert page(simulator)[:100] == HOURS[:100]
    assert rows_of(get_file(simulator, "2024-01-01")) == HOURS[:24]
    assert [b for _, b in changed] == [HOURS[1]]
    assert changed[0][0].number_of_trades == HOURS[1].number_of_trades + 5


def test_disagreement_of_rest_shows_with_its_chance_and_the_same_each_time(
    simulator: Simulator,
) -> None:
    simulator.control(
        "faults", kind="disagreement", source="rest", probability=0.1, change={"close": "*0.5"}
    )

    first, second = page(simulator), page(simulator)

    assert first == second
    assert 60 < sum(a != b for a, b in zip(first, HOURS, strict=False)) < 140


def test_missing_day_is_missing_everywhere(simulator: Simulator) -> None:
    simulator.control("faults", kind="missing_rows", start="2024-01-05", end="2024-01-06")
    left = HOURS[: 4 * 24] + HOURS[5 * 24 :]

    assert page(simulator) == left[:1000]
    assert rows_of(get_file(simulator, "2024-01")) == left[: 30 * 24]
    assert get_file(simulator, "2024-01-05").status_code == 404
    assert rows_of(get_file(simulator, "2024-01-06")) == HOURS[5 * 24 : 6 * 24]


def test_duplicate_and_off_grid_rows(simulator: Simulator) -> None:
    late = HOURS[30]._replace(
        open_time_ms=HOURS[30].open_time_ms + 14_789,
        close_time_ms=HOURS[30].close_time_ms + 14_789,
    )
    simulator.control("faults", kind="duplicate_rows", klines=[START_MS], source="archive_monthly")
    simulator.control("faults", kind="off_grid", klines=[HOURS[30].open_time_ms])

    monthly = rows_of(get_file(simulator, "2024-01"))

    assert monthly[:32] == [HOURS[0], *HOURS[:30], late]
    assert page(simulator, limit=31) == [*HOURS[:30], late]


def test_reuploaded_file_is_another_one_from_then_on(simulator: Simulator) -> None:
    at = NOW_MS - HOUR_MS
    simulator.control(
        "faults", kind="reuploaded", klines=[START_MS], change={"close": "*1.0001"}, **{"from": at}
    )

    simulator.control("clock", now=at - 1)
    before = get_file(simulator, "2024-01")
    simulator.control("clock", now=at)
    after = get_file(simulator, "2024-01")
    checksum = httpx.get(str(after.url) + ".CHECKSUM").text
    other = get_file(simulator, "2024-02-01")

    assert rows_of(before) == HOURS[: 31 * 24]
    assert rows_of(after)[0] != HOURS[0]
    assert rows_of(after)[1:] == HOURS[1 : 31 * 24]
    assert before.headers["etag"] != after.headers["etag"]
    assert hashlib.sha256(after.content).hexdigest() == checksum.split()[0]
    assert before.headers["last-modified"] == "Thu, 01 Feb 2024 00:00:00 GMT"
    assert after.headers["last-modified"] == "Thu, 29 Feb 2024 23:00:00 GMT"
    assert other.status_code == 404
    listing = httpx.get(f"{simulator.url}/", params={"prefix": "data/spot/monthly/klines/BTCUSDT/"})
    assert after.headers["etag"].strip('"') in listing.text


def status_of(simulator: Simulator, symbol: str) -> str | None:
    answer = httpx.get(f"{simulator.url}/api/v3/exchangeInfo", params={"symbol": symbol})
    return answer.json()["symbols"][0]["status"] if answer.status_code == 200 else None


def listed_symbols(simulator: Simulator, **params: str) -> list[str]:
    answer = httpx.get(f"{simulator.url}/api/v3/exchangeInfo", params=params).json()
    return [entry["symbol"] for entry in answer["symbols"]]


def test_delisted_symbol_breaks_and_stays_in_the_archive(simulator: Simulator) -> None:
    simulator.control("faults", kind="delisted", symbol="COPYUSDT", at=CUT_MS)

    simulator.control("clock", now=CUT_MS - 1)
    before = status_of(simulator, "COPYUSDT")
    simulator.control("clock", now=NOW_MS)

    assert before == "TRADING"
    assert status_of(simulator, "COPYUSDT") == "BREAK"
    assert page(simulator, "COPYUSDT")[-1] == HOURS[40 * 24 - 1]
    assert rows_of(get_file(simulator, "2024-01", "COPYUSDT")) == HOURS[: 31 * 24]
    assert rows_of(get_file(simulator, "2024-02", "COPYUSDT")) == HOURS[31 * 24 : 40 * 24]
    assert "COPYUSDT" in listed_symbols(simulator)
    assert "COPYUSDT" not in listed_symbols(simulator, symbolStatus="TRADING")
    assert listed_symbols(simulator, symbolStatus="BREAK") == ["COPYUSDT"]
    assert page(simulator, "BTCUSDT", startTime=CUT_MS)[0] == HOURS[40 * 24]


def test_listed_symbol_is_unknown_before(simulator: Simulator) -> None:
    simulator.control("faults", kind="listed", symbol="COPYUSDT", at=CUT_MS)

    simulator.control("clock", now=CUT_MS - 1)
    before = httpx.get(
        f"{simulator.url}/api/v3/klines", params={"symbol": "COPYUSDT", "interval": "1h"}
    )
    simulator.control("clock", now=NOW_MS)

    assert before.json()["code"] == -1121
    assert page(simulator, "COPYUSDT")[0] == HOURS[40 * 24]
    assert get_file(simulator, "2024-01", "COPYUSDT").status_code == 404


def test_renamed_symbol_goes_on_under_its_new_name(simulator: Simulator) -> None:
    simulator.control("faults", kind="renamed", symbol="COPYUSDT", to="NEWUSDT", at=CUT_MS)

    assert status_of(simulator, "COPYUSDT") == "BREAK"
    assert status_of(simulator, "NEWUSDT") == "TRADING"
    assert page(simulator, "COPYUSDT")[-1] == HOURS[40 * 24 - 1]
    assert page(simulator, "NEWUSDT")[0] == HOURS[40 * 24]
    assert rows_of(get_file(simulator, "2024-02", "NEWUSDT"))[0] == HOURS[40 * 24]


def test_clones_are_symbols_like_any_other(simulator: Simulator) -> None:
    answer = get_file(simulator, "2024-01-03", "BTC0007USDT")
    checksum = httpx.get(str(answer.url) + ".CHECKSUM").text

    assert page(simulator, "BTC0020USDT")[:100] == HOURS[:100]
    assert rows_of(answer) == HOURS[48:72]
    assert checksum == (
        f"{hashlib.sha256(answer.content).hexdigest()}  BTC0007USDT-1h-2024-01-03.zip\n"
    )
    assert len([s for s in listed_symbols(simulator) if s.startswith("BTC00")]) == 20
    listing = httpx.get(
        f"{simulator.url}/", params={"prefix": "data/spot/daily/klines/", "delimiter": "/"}
    ).text
    assert listing.count("<CommonPrefixes>") >= 22
