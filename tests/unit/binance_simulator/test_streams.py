from __future__ import annotations

import orjson
import pytest

from binance_simulator.streams import MAX_STREAMS, Subscriptions, parse_stream, render_event
from market.interval import HOUR_MS, Interval
from support.klines import make_klines


def subscribed(*names: str, combined: bool = False) -> Subscriptions:
    return Subscriptions(names, combined=combined, microseconds=False)


def obey(subscriptions: Subscriptions, command: object) -> dict[str, object]:
    answer: dict[str, object] = orjson.loads(subscriptions.obey(orjson.dumps(command).decode()))
    return answer


def test_parse_stream_reads_symbol_interval_and_time_zone() -> None:
    minute = parse_stream("btcusdt@kline_1m")
    local = parse_stream("btcusdt@kline_1d@+08:00")
    month = parse_stream("btcusdt@kline_1M")

    assert minute is not None
    assert (minute.symbol, minute.grid.interval) == ("BTCUSDT", Interval.M1)
    assert local is not None
    assert local.grid.offset_ms == 8 * HOUR_MS
    assert month is not None
    assert month.grid.interval is Interval.MO1


@pytest.mark.parametrize(
    "name", ["BTCUSDT@kline_1m", "btcusdt@kline_7m", "btcusdt@trade", "btcusdt@kline_1H", ""]
)
def test_parse_stream_stays_silent_about_others(name: str) -> None:
    assert parse_stream(name) is None


def test_commands_change_and_list_what_is_listened_to() -> None:
    subscriptions = subscribed("btcusdt@kline_1m")

    added = obey(
        subscriptions, {"method": "SUBSCRIBE", "params": ["ethusdt@kline_1m", "x@y"], "id": 1}
    )
    removed = obey(
        subscriptions, {"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m", "z"], "id": "b"}
    )
    listed = obey(subscriptions, {"method": "LIST_SUBSCRIPTIONS", "id": 3})

    assert added == {"result": None, "id": 1}
    assert removed == {"result": None, "id": "b"}
    assert listed == {"result": ["ethusdt@kline_1m", "x@y"], "id": 3}


def test_combined_property_is_kept() -> None:
    subscriptions = subscribed("btcusdt@kline_1m")

    obey(subscriptions, {"method": "SET_PROPERTY", "params": ["combined", True], "id": 1})

    assert subscriptions.combined
    asked = obey(subscriptions, {"method": "GET_PROPERTY", "params": ["combined"], "id": 2})
    assert asked == {"result": True, "id": 2}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ([], 2),
        ({"params": []}, 2),
        ({"method": "JUMP", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": "btcusdt@kline_1m", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [5], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [f"{n}@kline_1m" for n in range(1025)], "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 1}, 1),
        ({"method": "SET_PROPERTY", "params": ["speed", 2], "id": 1}, 0),
    ],
)
def test_wrong_commands_are_refused_and_change_nothing(command: object, code: int) -> None:
    subscriptions = subscribed("btcusdt@kline_1m")

    error = obey(subscriptions, command)["error"]

    assert isinstance(error, dict)
    assert error["code"] == code
    assert list(subscriptions.names) == ["btcusdt@kline_1m"]
    assert len(subscriptions.names) <= MAX_STREAMS


def test_text_that_is_not_json_is_refused() -> None:
    assert orjson.loads(subscribed().obey("hello"))["error"]["code"] == 3


def test_event_in_microseconds_closes_at_the_last_microsecond() -> None:
    stream = parse_stream("btcusdt@kline_1h")
    assert stream is not None
    kline = make_klines(Interval.H1, 1)[0]

    message = render_event(
        stream, kline, 1_704_070_800_000, closed=True, microseconds=True, combined=True
    )

    told = orjson.loads(message)
    assert told["stream"] == "btcusdt@kline_1h"
    event = told["data"]
    row = event["k"]
    assert isinstance(row, dict)
    assert event["E"] == 1_704_070_800_000_000
    assert row["T"] == kline.close_time_ms * 1000 + 999
    assert row["x"] is True
