from __future__ import annotations

import pytest

from market.errors import DataError
from market.interval import HOUR_MS
from market.kline import Kline
from populate_base.file_klines import Rules, Tally, iter_klines
from populate_base.file_rows import FileRow
from support.klines import START_MS

LATER_MS = START_MS + 1_000 * HOUR_MS
STRICT = Rules(LATER_MS)
SALVAGE = Rules(LATER_MS, salvage=True)


def row(slot: int = 0, **changes: str) -> list[str]:
    open_ms = START_MS + slot * HOUR_MS
    fields = {
        "open_time": str(open_ms),
        "open": "10.5",
        "high": "12",
        "low": "9.00000001",
        "close": "11",
        "volume": "3",
        "close_time": str(open_ms + HOUR_MS - 1),
        "quote": "33",
        "trades": "7",
        "taker_base": "1",
        "taker_quote": "11",
        "ignore": "0",
    }
    return list((fields | changes).values())


def read(rows: list[list[str]], rules: Rules = STRICT) -> tuple[list[Kline], Tally]:
    tally = Tally()
    numbered = [FileRow(number, fields) for number, fields in enumerate(rows, start=1)]
    return list(iter_klines(numbered, rules, tally, "file.csv")), tally


def test_numbers_come_out_with_eight_decimals() -> None:
    (kline,), tally = read([row()])

    assert kline[:6] == (
        START_MS, "10.50000000", "12.00000000", "9.00000001", "11.00000000", "3.00000000",
    )  # fmt: skip
    assert tally == Tally(rows=1)


@pytest.mark.parametrize(
    "text", [str(START_MS * 1000), "2024-01-01T00:00:00Z", "2024-01-01 02:00:00+02:00"]
)
def test_times_of_every_form_are_one(text: str) -> None:
    (kline,), _ = read([row(open_time=text)])

    assert kline.open_time_ms == START_MS


def test_microseconds_are_cut_whatever_form_they_have() -> None:
    closes = (START_MS + 59_999) * 1000 + 999
    texts = [str(closes), "2024-01-01T00:00:59.999999+00:00"]

    read_as = [read([row(close_time=text)])[0][0].close_time_ms for text in texts]

    assert read_as == [START_MS + 59_999] * 2


def test_a_time_without_an_offset_needs_the_word() -> None:
    naive = [row(open_time="2024-01-01 00:00:00")]

    with pytest.raises(DataError, match=r"file\.csv: row 1: the time .* has no offset") as caught:
        read(naive)
    (kline,), _ = read(naive, Rules(LATER_MS, naive_is_utc=True))

    assert "--utc" in caught.value.hint
    assert kline.open_time_ms == START_MS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"high": "10"}, "breaks low <= open"),
        ({"volume": "-1"}, "volume of kline"),
        ({"volume": "nan"}, "volume of kline"),
        ({"volume": "0.123456789"}, "at most 20 digits and 8 decimals"),
        ({"trades": "7.5"}, "number_of_trades was '7.5'"),
        ({"open_time": "soon"}, "the time was 'soon'"),
        ({"close_time": str(START_MS - 1)}, "closes before it opens"),
        ({"close_time": str(LATER_MS)}, "which is in the future"),
    ],
)
def test_a_wrong_row_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=r"row 2: ") as caught:
        read([row(), row(1, **changes)])

    assert said in caught.value.detail


def test_rows_must_ascend() -> None:
    with pytest.raises(DataError, match="row 2: it opens at .* before the row above"):
        read([row(1), row(0)], SALVAGE)


def test_the_same_row_again_counts_once() -> None:
    klines, tally = read([row(), row(), row(1)])

    assert len(klines) == 2
    assert tally == Tally(rows=3, repeated=1)


def test_two_states_of_a_kline_are_refused_unless_salvaged() -> None:
    states = [row(trades="7"), row(trades="9", close="12"), row(trades="8"), row(1)]

    with pytest.raises(DataError, match="two klines open at 2024-01-01T00:00:00.000Z and differ"):
        read(states)
    klines, tally = read(states, SALVAGE)

    assert [(k.open_time_ms, k.number_of_trades) for k in klines] == [
        (START_MS, 9),
        (START_MS + HOUR_MS, 7),
    ]
    assert tally == Tally(rows=4, superseded=2)


def test_salvage_takes_away_binary_noise_and_nothing_else() -> None:
    (kline,), tally = read([row(volume="35.16050300000001", trades="7.0")], SALVAGE)

    assert kline.volume == "35.16050300"
    assert tally.rounded == 1
    with pytest.raises(DataError, match="volume of kline"):
        read([row(volume="35.160503123")], SALVAGE)


def test_salvage_leaves_out_what_has_not_closed() -> None:
    klines, tally = read([row(), row(1, close_time=str(LATER_MS))], SALVAGE)

    assert len(klines) == 1
    assert tally == Tally(rows=2, unfinished=1)
