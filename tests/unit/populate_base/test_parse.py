"""Bytes to klines."""

from __future__ import annotations

import io
import zipfile

import orjson
import pytest

from market.errors import DataError
from market.interval import Interval
from market.kline import Kline
from market.times import parse_time_ms
from populate_base.archive_file import ArchiveFile, Period
from populate_base.parse import (
    max_file_bytes,
    parse_archive_zip,
    parse_rest_row,
    parse_stream_message,
    parse_symbol,
    to_milliseconds,
)
from support.archive import archive_csv
from support.klines import make_klines

START_MS = parse_time_ms("time", "2024-12-01")
FILE = ArchiveFile("BTCUSDT", Interval.H1, Period.MONTHLY, START_MS)
KLINES = make_klines(Interval.H1, 48, start_ms=START_MS)
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def zipped(text: str, *, names: tuple[str, ...] = ("BTCUSDT-1h-2024-12.csv",)) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, text)
    return buffer.getvalue()


def test_a_file_comes_back_digit_for_digit() -> None:
    assert parse_archive_zip(zipped(archive_csv(KLINES)), FILE) == KLINES


def test_a_header_is_seen_and_skipped() -> None:
    assert parse_archive_zip(zipped(HEADER + archive_csv(KLINES)), FILE) == KLINES


def test_windows_line_ends_are_read() -> None:
    text = archive_csv(KLINES).replace("\n", "\r\n")

    assert parse_archive_zip(zipped(text), FILE) == KLINES


def test_the_unit_is_told_by_each_value() -> None:
    lines = archive_csv(KLINES).splitlines()
    mixed = []
    for number, line in enumerate(lines):
        fields = line.split(",")
        if number % 2:
            fields[0], fields[6] = fields[0] + "000", fields[6] + "999"
        mixed.append(",".join(fields))

    assert parse_archive_zip(zipped("\n".join(mixed)), FILE) == KLINES


def test_times_of_both_units_are_told_apart() -> None:
    assert to_milliseconds(1_735_689_659_999_999) == 1_735_689_659_999
    assert to_milliseconds(1_502_942_400_000) == 1_502_942_400_000


def test_off_grid_klines_keep_their_times() -> None:
    shifted = [
        kline._replace(
            open_time_ms=kline.open_time_ms + 14_789, close_time_ms=kline.close_time_ms + 14_789
        )
        for kline in KLINES
    ]

    assert parse_archive_zip(zipped(archive_csv(shifted)), FILE) == shifted


def test_an_identical_row_again_is_skipped() -> None:
    twice = [KLINES[0], KLINES[0], *KLINES[1:]]

    assert parse_archive_zip(zipped(archive_csv(twice)), FILE) == KLINES


@pytest.mark.parametrize(
    "klines",
    [
        [KLINES[1], KLINES[0]],
        [KLINES[0], KLINES[0]._replace(close=KLINES[0].open)],
        [KLINES[0]._replace(low="99999999.00000000")],
        [KLINES[0]._replace(close_time_ms=KLINES[0].open_time_ms - 1)],
        [KLINES[0]._replace(open_time_ms=START_MS - 1)],
    ],
    ids=["order", "differing duplicate", "low above high", "closes early", "another month"],
)
def test_a_row_that_cannot_be_true_refuses_the_file(klines: list[Kline]) -> None:
    with pytest.raises(DataError, match=r"BTCUSDT-1h-2024-12\.zip: kline \d+"):
        parse_archive_zip(zipped(archive_csv(klines)), FILE)


@pytest.mark.parametrize("change", ["eleven columns", "letters", "nine decimals", "negative"])
def test_a_row_of_another_form_refuses_the_file(change: str) -> None:
    fields = archive_csv(KLINES[:1]).strip().split(",")
    if change == "eleven columns":
        del fields[-1]
    else:
        fields[5] = {"letters": "1e5", "nine decimals": "1.123456789", "negative": "-1.0"}[change]

    with pytest.raises(DataError, match="row 1 is not a kline"):
        parse_archive_zip(zipped(",".join(fields)), FILE)


def test_a_damaged_zip_is_refused() -> None:
    whole = zipped(archive_csv(KLINES))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF

    for damaged in (whole[: len(whole) // 2], bytes(flipped), b"<html>not a zip</html>", b""):
        with pytest.raises(DataError, match="is damaged"):
            parse_archive_zip(damaged, FILE)


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = zipped("0" * (max_file_bytes(FILE) + 1))
    assert len(bomb) < 10_000

    with pytest.raises(DataError, match="unpacks to more than"):
        parse_archive_zip(bomb, FILE)


def test_a_zip_of_two_files_is_refused() -> None:
    with pytest.raises(DataError, match="holds 2 files"):
        parse_archive_zip(zipped(archive_csv(KLINES), names=("a.csv", "b.csv")), FILE)


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
