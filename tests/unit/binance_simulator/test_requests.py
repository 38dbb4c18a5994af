from __future__ import annotations

import orjson
import pytest

from binance_simulator.grid import Grid
from binance_simulator.rejections import Rejection
from binance_simulator.requests import (
    check_no_parameters,
    read_info_query,
    read_klines_query,
)
from market.interval import HOUR_MS, Interval

GOOD = {"symbol": "BTCUSDT", "interval": "1h"}


def read(**changes: str) -> object:
    return read_klines_query(list((GOOD | changes).items()))


def refusal(pairs: list[tuple[str, str]]) -> dict[str, object]:
    with pytest.raises(Rejection) as caught:
        read_klines_query(pairs)
    assert caught.value.status == 400
    body: dict[str, object] = orjson.loads(caught.value.body)
    return body


def test_klines_query_has_binances_defaults() -> None:
    query = read_klines_query(list(GOOD.items()))

    assert query.grid == Grid(Interval.H1)
    assert (query.start_ms, query.end_ms, query.limit) == (None, None, 500)


def test_klines_query_caps_the_limit_and_takes_microseconds() -> None:
    query = read_klines_query(
        [*GOOD.items(), ("limit", "5000"), ("startTime", "1700000000000001"),
         ("endTime", "1700000000000999")]
    )  # fmt: skip

    assert query.limit == 1000
    assert query.start_ms == 1_700_000_000_001
    assert query.end_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    ("text", "hours"),
    [("0", 0), ("8", 8), ("+5:45", 5.75), ("-1:00", -1), ("-12", -12), ("14", 14)],
)
def test_klines_query_reads_time_zones(text: str, hours: float) -> None:
    query = read_klines_query([*GOOD.items(), ("timeZone", text)])

    assert query.grid.offset_ms == hours * HOUR_MS


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"interval": "7m"}, -1120, "Invalid interval."),
        ({"interval": "1H"}, -1120, "Invalid interval."),
        (
            {"symbol": "btcusdt"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is "
            r"'^[\w\-._&&[^a-z]]{1,50}$'.",
        ),
        (
            {"startTime": "yesterday"},
            -1100,
            "Illegal characters found in parameter 'startTime'; legal range is '^[0-9]{1,20}$'.",
        ),
        (
            {"endTime": "-5"},
            -1100,
            "Illegal characters found in parameter 'endTime'; legal range is '^[0-9]{1,20}$'.",
        ),
        (
            {"limit": "None"},
            -1100,
            "Illegal characters found in parameter 'limit'; legal range is '^[0-9]{1,20}$'.",
        ),
        ({"symbol": ""}, -1105, "Parameter 'symbol' was empty."),
        ({"interval": ""}, -1105, "Parameter 'interval' was empty."),
        ({"startTime": ""}, -1105, "Parameter 'startTime' was empty."),
        ({"limit": "0"}, -1130, "Data sent for parameter 'limit' is not valid."),
        ({"timeZone": "15"}, -1130, "Data sent for parameter 'timeZone' is not valid."),
        ({"timeZone": "Paris"}, -1130, "Data sent for parameter 'timeZone' is not valid."),
        (
            {"start_time": "1"},
            -1104,
            "Not all sent parameters were read; read '2' parameter(s) but was sent '3'.",
        ),
    ],
)
def test_klines_query_refuses_as_binance_does(
    changes: dict[str, str], code: int, message: str
) -> None:
    assert refusal(list((GOOD | changes).items())) == {"code": code, "msg": message}


def test_klines_query_needs_both_names_and_each_once() -> None:
    assert refusal([])["code"] == -1102
    assert "'interval'" in str(refusal([("symbol", "BTCUSDT")])["msg"])
    assert refusal([*GOOD.items(), ("symbol", "ETHUSDT")])["code"] == -1101


@pytest.mark.parametrize(
    ("pairs", "symbols"),
    [
        ([], None),
        ([("symbol", "BTCUSDT")], ["BTCUSDT"]),
        ([("symbols", '["BTCUSDT","ETHUSDT"]')], ["BTCUSDT", "ETHUSDT"]),
    ],
)
def test_info_query_reads_symbols(pairs: list[tuple[str, str]], symbols: object) -> None:
    assert read_info_query(pairs)[0] == symbols


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("symbols", "BTCUSDT")], -1100),
        ([("symbols", '["btcusdt"]')], -1100),
        ([("symbols", '{"a":1}')], -1100),
        ([("symbol", "A"), ("symbols", '["B"]')], -1128),
        ([("market", "spot")], -1104),
    ],
)
def test_info_query_refuses(pairs: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Rejection) as caught:
        read_info_query(pairs)

    assert orjson.loads(caught.value.body)["code"] == code


def test_ping_and_time_take_no_parameters() -> None:
    check_no_parameters([])
    with pytest.raises(Rejection, match="expected '0' and received '1'"):
        check_no_parameters([("symbol", "BTCUSDT")])
