"""Rows and messages to klines."""

from __future__ import annotations

import orjson
import pytest

from market.errors import DataError
from market.interval import Interval
from market.times import parse_time_ms
from populate_base.parse import (
    parse_rest_row,
    parse_stream_message,
    parse_symbol,
    to_milliseconds,
)
from support.klines import make_klines

START_MS = parse_time_ms("time", "2024-12-01")
KLINES = make_klines(Interval.H1, 48, start_ms=START_MS)


def test_times_of_both_units_are_told_apart() -> None:
    assert to_milliseconds(1_735_689_659_999_999) == 1_735_689_659_999
    assert to_milliseconds(1_502_942_400_000) == 1_502_942_400_000


def test_a_rest_row_is_read_and_written_back() -> None:
    row = list(KLINES[0])

    assert list(parse_rest_row(row)) == row


@pytest.mark.parametrize("row", [[], [1, 2, 3], ["x"] * 12, None])
def test_a_rest_row_of_another_form_is_refused(row: list[object]) -> None:
    with pytest.raises(DataError, match="not a kline"):
        parse_rest_row(row)


def event(*, closed: bool) -> dict[str, object]:
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    body = dict(zip(names, KLINES[0], strict=True)) | {"s": "BTCUSDT", "i": "1h", "x": closed}
    return {"e": "kline", "E": START_MS, "s": "BTCUSDT", "k": body}


def test_a_closed_kline_is_read_from_raw_and_combined_messages() -> None:
    raw = orjson.dumps(event(closed=True))
    combined = orjson.dumps({"stream": "btcusdt@kline_1h", "data": event(closed=True)})

    assert parse_stream_message(raw) == ("BTCUSDT", Interval.H1, KLINES[0])
    assert parse_stream_message(combined) == ("BTCUSDT", Interval.H1, KLINES[0])


def test_open_klines_and_other_messages_are_left_out() -> None:
    assert parse_stream_message(orjson.dumps(event(closed=False))) is None
    assert parse_stream_message(b'{"result":null,"id":1}') is None


def test_a_broken_stream_message_is_refused() -> None:
    broken = event(closed=True)
    del broken["k"]["q"]  # type: ignore[attr-defined]  # a dict above

    with pytest.raises(DataError, match="without 'q'"):
        parse_stream_message(orjson.dumps(broken))
    with pytest.raises(DataError, match="not JSON"):
        parse_stream_message(b"<html>")


def test_a_symbol_keeps_its_whole_entry() -> None:
    entry = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT"}

    symbol = parse_symbol(entry)

    assert (symbol.base_asset, symbol.quote_asset) == ("BTC", "USDT")
    assert orjson.loads(symbol.info) == entry
    with pytest.raises(DataError, match="without 'status'"):
        parse_symbol({"symbol": "X", "baseAsset": "Y", "quoteAsset": "Z"})
