"""`/api/v3` reads its parameters as strictly, and refuses them in the same words, as Binance."""

from __future__ import annotations

import pytest

from api_historic.binance.parameters import (
    PriceCall,
    check_no_parameters,
    read_average_call,
    read_info_call,
    read_klines_call,
    read_price_call,
)
from api_historic.binance.rejections import Rejection
from market.interval import HOUR_MS, MINUTE_MS, Interval

BTC = [("symbol", "BTCUSDT"), ("interval", "1h")]
INTEGER = "legal range is '^[0-9]{1,20}$'."


def test_defaults_are_binances() -> None:
    assert read_klines_call(BTC) == ("BTCUSDT", Interval.H1, None, None, 0, 500)


def test_limit_above_the_maximum_is_the_maximum() -> None:
    assert read_klines_call([*BTC, ("limit", "5000")]).limit == 1000


def test_times_in_microseconds_are_read_inwards() -> None:
    call = read_klines_call(
        [*BTC, ("startTime", "1704067200000001"), ("endTime", "1704070799999999")]
    )

    assert (call.start_ms, call.end_ms) == (1_704_067_200_001, 1_704_070_799_999)


@pytest.mark.parametrize(
    ("text", "zone_ms"),
    [
        ("0", 0),
        ("8", 8 * HOUR_MS),
        ("+8:00", 8 * HOUR_MS),
        ("-1:30", -HOUR_MS - 30 * MINUTE_MS),
        ("05:45", 5 * HOUR_MS + 45 * MINUTE_MS),
        ("14:00", 14 * HOUR_MS),
        ("-12", -12 * HOUR_MS),
    ],
)
def test_time_zone_is_read(text: str, zone_ms: int) -> None:
    assert read_klines_call([*BTC, ("timeZone", text)]).zone_ms == zone_ms


@pytest.mark.parametrize(
    ("pairs", "code", "message"),
    [
        ([], -1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."),
        (BTC[:1], -1102, "Mandatory parameter 'interval' was not sent"),
        ([("symbol", ""), BTC[1]], -1102, "Mandatory parameter 'symbol' was not sent"),
        ([("symbol", "btcusdt"), BTC[1]], -1100, "found in parameter 'symbol'; legal range"),
        ([BTC[0], ("interval", "7m")], -1120, "Invalid interval."),
        ([BTC[0], ("interval", "1H")], -1120, "Invalid interval."),
        ([*BTC, BTC[0]], -1101, "Duplicate values for a parameter detected."),
        ([*BTC, ("fromId", "1")], -1104, "read '2' parameter(s) but was sent '3'."),
        ([*BTC, ("startTime", "x")], -1100, f"in parameter 'startTime'; {INTEGER}"),
        ([*BTC, ("endTime", "-1")], -1100, f"in parameter 'endTime'; {INTEGER}"),
        ([*BTC, ("endTime", "")], -1105, "Parameter 'endTime' was empty."),
        ([*BTC, ("startTime", "9" * 20)], -1102, "Mandatory parameter 'startTime'"),
        ([*BTC, ("limit", "1.5")], -1100, f"in parameter 'limit'; {INTEGER}"),
        ([*BTC, ("limit", "٣")], -1100, f"in parameter 'limit'; {INTEGER}"),
        ([*BTC, ("limit", "0")], -1130, "Data sent for parameter 'limit' is not valid."),
        ([*BTC, ("timeZone", "14:01")], -1130, "Data sent for parameter 'timeZone' is not valid."),
        ([*BTC, ("timeZone", "UTC")], -1130, "Data sent for parameter 'timeZone' is not valid."),
    ],
)
def test_wrong_parameters_are_refused_in_binances_words(
    pairs: list[tuple[str, str]], code: int, message: str
) -> None:
    with pytest.raises(Rejection) as caught:
        read_klines_call(pairs)

    assert caught.value.code == code
    assert message in caught.value.message


def test_calls_without_parameters_refuse_any() -> None:
    with pytest.raises(Rejection, match="expected '0' and received '1'"):
        check_no_parameters([("x", "1")])


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("symbol", "BTCUSDT"), ("symbols", '["BTCUSDT"]')], -1128),
        ([("symbol", "BTCUSDT"), ("permissions", "SPOT")], -1128),
        ([("symbols", "BTCUSDT")], -1100),
        ([("symbols", '["btc"]')], -1100),
        ([("symbols", "[1]")], -1100),
        ([("symbol", "")], -1105),
        ([("symbolStatus", "OPEN")], -1122),
        ([("symbolStatus", "")], -1105),
        ([("permissions", "[")], -1130),
        ([("pair", "BTCUSDT")], -1104),
    ],
)
def test_wrong_filters_are_refused(pairs: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Rejection) as caught:
        read_info_call(pairs)

    assert caught.value.code == code


def test_filters_are_read() -> None:
    call = read_info_call([("permissions", '["SPOT","MARGIN"]'), ("symbolStatus", "HALT")])

    assert call == (None, ["SPOT", "MARGIN"], "HALT", True)


@pytest.mark.parametrize(
    ("pairs", "call"),
    [
        ([], PriceCall(None, False, None)),
        ([("symbol", "BTCUSDT")], PriceCall(["BTCUSDT"], True, None)),
        ([("symbols", '["BTCUSDT"]')], PriceCall(["BTCUSDT"], False, None)),
        ([("symbols", "[]"), ("symbolStatus", "HALT")], PriceCall([], False, "HALT")),
    ],
)
def test_price_calls_are_read(pairs: list[tuple[str, str]], call: PriceCall) -> None:
    assert read_price_call(pairs) == call


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("symbol", "BTCUSDT"), ("symbols", '["BTCUSDT"]')], -1128),
        ([("symbols", '["BTCUSDT","BTCUSDT"]')], -1151),
        ([("symbols", "BTCUSDT")], -1100),
        ([("symbol", "btcusdt")], -1100),
        ([("symbol", "")], -1105),
        ([("symbolStatus", "OPEN")], -1122),
        ([("limit", "3")], -1104),
        ([("symbol", "BTCUSDT"), ("symbol", "ETHUSDT")], -1101),
    ],
)
def test_wrong_price_calls_are_refused(pairs: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Rejection) as caught:
        read_price_call(pairs)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("pairs", "code"),
    [([], -1102), ([("symbol", "b")], -1100), ([("symbol", "B"), ("mins", "5")], -1104)],
)
def test_wrong_average_calls_are_refused(pairs: list[tuple[str, str]], code: int) -> None:
    with pytest.raises(Rejection) as caught:
        read_average_call(pairs)

    assert caught.value.code == code
