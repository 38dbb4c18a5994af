"""Files of the archive to klines: quick where rows are plain, the same where they are not."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import DataError
from market.gaps import Range, find_missing, merge_ranges, subtract_ranges
from market.interval import Interval
from market.kline import Kline, exact_kline, is_irregular
from market.store.bulk import KlineLines
from market.times import parse_time_ms
from populate_base.archive_file import ArchiveFile, Period
from populate_base.archive_rows import (
    FilePart,
    clip_part,
    iter_parts,
    present_ranges,
    read_blocks,
)
from populate_base.archive_zip import iter_blocks, max_file_bytes
from support.archive import archive_csv
from support.archive_reference import RefusedFile, read_csv
from support.klines import make_klines

START_MS = parse_time_ms("time", "2024-12-01")
FILE = ArchiveFile("BTCUSDT", Interval.H1, Period.MONTHLY, START_MS)
KLINES = make_klines(Interval.H1, 48, start_ms=START_MS)
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def zipped(text: str | bytes, *, names: tuple[str, ...] = ("BTCUSDT-1h-2024-12.csv",)) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, text)
    return buffer.getvalue()


def klines_of(parts: Sequence[FilePart]) -> list[Kline]:
    """Return the klines of parts, lines read as the store would."""
    klines: list[Kline] = []
    for part in parts:
        if isinstance(part.klines, KlineLines):
            klines += read_csv(part.klines.content, 0, 1 << 60)
        else:
            klines += part.klines
    return klines


def read(content: bytes) -> list[Kline]:
    return klines_of(list(iter_parts(io.BytesIO(content), FILE)))


def test_plain_rows_are_handed_on_as_the_bytes_they_are() -> None:
    file = ArchiveFile("BTCUSDT", Interval.M1, Period.DAILY, START_MS)
    klines = make_klines(Interval.M1, 1440, start_ms=START_MS)
    text = archive_csv(klines).encode()

    parts = list(iter_parts(io.BytesIO(zipped(HEADER.encode() + text)), file))

    assert [part.klines for part in parts] == [
        KlineLines(text, 1440, START_MS, klines[-1].open_time_ms, 1)
    ]
    assert [(part.rows, part.present) for part in parts] == [(1440, [file.span])]


def test_a_file_comes_back_digit_for_digit() -> None:
    assert read(zipped(archive_csv(KLINES))) == KLINES


def test_a_header_is_seen_and_skipped() -> None:
    assert read(zipped(HEADER + archive_csv(KLINES))) == KLINES


def test_windows_line_ends_are_read() -> None:
    assert read(zipped(archive_csv(KLINES).replace("\n", "\r\n"))) == KLINES


def test_the_unit_is_told_by_each_value() -> None:
    lines = archive_csv(KLINES).splitlines()
    mixed = [microseconds(line) if number % 2 else line for number, line in enumerate(lines)]

    assert read(zipped("\n".join(mixed))) == KLINES


def microseconds(line: str) -> str:
    fields = line.split(",")
    fields[0], fields[6] = fields[0] + "000", fields[6] + "999"
    return ",".join(fields)


def test_off_grid_klines_keep_their_times() -> None:
    shifted = [
        kline._replace(
            open_time_ms=kline.open_time_ms + 14_789, close_time_ms=kline.close_time_ms + 14_789
        )
        for kline in KLINES
    ]

    assert read(zipped(archive_csv(shifted))) == shifted


def test_an_identical_row_again_is_skipped() -> None:
    assert read(zipped(archive_csv([KLINES[0], KLINES[0], *KLINES[1:]]))) == KLINES


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
        read(zipped(archive_csv(klines)))


@pytest.mark.parametrize("change", ["eleven columns", "letters", "nine decimals", "negative"])
def test_a_row_of_another_form_refuses_the_file(change: str) -> None:
    fields = archive_csv(KLINES[:1]).strip().split(",")
    if change == "eleven columns":
        del fields[-1]
    else:
        fields[5] = {"letters": "1e5", "nine decimals": "1.123456789", "negative": "-1.0"}[change]

    with pytest.raises(DataError, match="row 1 is not a kline"):
        read(zipped(",".join(fields)))


def test_a_damaged_zip_is_refused() -> None:
    whole = zipped(archive_csv(KLINES))
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF

    for damaged in (whole[: len(whole) // 2], bytes(flipped), b"<html>not a zip</html>", b""):
        with pytest.raises(DataError, match="is damaged"):
            read(damaged)


def test_a_zip_bomb_is_not_unpacked() -> None:
    lines = zipped("0\n" * max_file_bytes(FILE))
    assert len(lines) < 10_000

    with pytest.raises(DataError, match="unpacks to more than"):
        for _ in iter_blocks(io.BytesIO(lines), FILE):
            pass


def test_a_line_without_an_end_is_not_gathered() -> None:
    with pytest.raises(DataError, match="holds a line of more than 65536 bytes"):
        read(zipped("0" * (max_file_bytes(FILE) - 1)))


def test_a_zip_of_two_files_is_refused() -> None:
    with pytest.raises(DataError, match="holds 2 files"):
        read(zipped(archive_csv(KLINES), names=("a.csv", "b.csv")))


def test_an_empty_file_holds_nothing() -> None:
    assert read(zipped("")) == read(zipped(HEADER)) == []


_TEXTS = st.sampled_from(
    ["1.5", "7", "0.00000000", "000012.50000000", "1.123456789", "-1.00000000", "1e5", "",
     "1234567890123.00000000", "999999999999.99999999", ".50000000", "5.", "NaN", '"1.0"', " 1"]
)  # fmt: skip


#: Texts that only the rule for prices can refuse.
_PLAIN_TEXTS = st.sampled_from(["0.00000000", "999999999999.99999999"])
Rows = list[list[str]]


def alter_row(draw: st.DrawFn, rows: Rows, place: int) -> None:
    """Make one row odd: a text, a time, a unit, or the number of columns."""
    row = list(rows[place])
    match draw(st.sampled_from(["text", "text", "time", "unit", "columns"])):
        case "text":
            fields = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 10, 11])
            row[draw(fields)] = draw(st.one_of(_PLAIN_TEXTS, _TEXTS))
        case "time":
            field = draw(st.sampled_from([0, 6]))
            row[field] = str(int(row[field]) + draw(st.sampled_from([-1, 1, 14_789, 10**9])))
        case "unit":
            row[0], row[6] = row[0] + "000", row[6] + draw(st.sampled_from(["999", "000"]))
        case "columns":
            row = row[:-1] if draw(st.booleans()) else [*row, "0"]
    rows[place] = row


def alter_rows(draw: st.DrawFn, rows: Rows, place: int) -> None:
    """Make several rows odd: lost, repeated, out of order, or in microseconds from one on."""
    match draw(st.sampled_from(["lose", "again", "swap", "unit", "shift"])):
        case "lose":
            del rows[place : place + draw(st.integers(1, 3))]
        case "again":
            rows.insert(place, rows[place])
        case "swap":
            rows[place], rows[-1] = rows[-1], rows[place]
        case "unit":
            rows[place:] = [[r[0] + "000", *r[1:6], r[6] + "999", *r[7:]] for r in rows[place:]]
        case "shift":
            shift_ms = draw(st.sampled_from([-3_600_000, 14_789, 730 * 3_600_000]))
            rows[:] = [shifted(row, shift_ms) for row in rows]


def shifted(row: list[str], shift_ms: int) -> list[str]:
    opened, closed = (str(int(row[place]) + shift_ms) for place in (0, 6))
    return [opened, *row[1:6], closed, *row[7:]]


@st.composite
def oddities(draw: st.DrawFn) -> bytes:
    """A CSV of a day of hours in which something may be odd, some rows or the whole."""
    rows = [line.split(",") for line in archive_csv(KLINES[:24]).splitlines()]
    for _ in range(draw(st.integers(0, 2))):
        alter = draw(st.sampled_from([alter_row, alter_rows]))
        alter(draw, rows, draw(st.integers(0, len(rows) - 1)))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    text = end.join(",".join(row) for row in rows) + draw(st.sampled_from([end, "", "\n\n"]))
    return (draw(st.sampled_from(["", "", HEADER, "\ufeff", "\n"])) + text).encode()


def check_lines(blocks: Sequence[KlineLines]) -> None:
    """Check that blocks are what they claim, so that the store need not look at their rows."""
    for block in blocks:
        klines = read_csv(block.content, 0, 1 << 60)
        opens = [kline.open_time_ms for kline in klines]
        assert block.read_opens() == opens
        assert (block.rows, block.first_open_ms, block.last_open_ms) == (
            len(klines), opens[0], opens[-1]
        )  # fmt: skip
        assert [exact_kline(kline) for kline in klines] == klines
        assert not any(is_irregular(kline, Interval.H1) for kline in klines)


@settings(max_examples=300, deadline=None)
@given(content=oddities(), block_bytes=st.integers(1, 6_000))
def test_columns_find_what_the_rows_hold(content: bytes, block_bytes: int) -> None:
    span = FILE.span
    blocks = iter_blocks(io.BytesIO(zipped(content)), FILE, block_bytes=block_bytes)

    try:
        expected = read_csv(content, *span)
    except RefusedFile as refused:
        with pytest.raises(DataError, match=re.escape(str(refused))):
            list(read_blocks(blocks, FILE, few_bytes=1))
        return

    parts = list(read_blocks(blocks, FILE, few_bytes=1))
    assert klines_of(parts) == expected
    assert sum(part.rows for part in parts) == len(expected)
    check_lines([part.klines for part in parts if isinstance(part.klines, KlineLines)])
    missing = find_missing(Interval.H1, *span, [kline.open_time_ms for kline in expected])
    present = merge_ranges(one for part in parts for one in part.present)
    assert present == subtract_ranges([span], missing)


@given(st.sets(st.integers(0, 40), min_size=1), st.sampled_from([0, 14_789]))
def test_present_ranges_are_what_is_not_missing(slots: set[int], off_ms: int) -> None:
    opens = [START_MS + slot * 3_600_000 + off_ms for slot in sorted(slots)]

    present = present_ranges(Interval.H1, opens)

    missing = find_missing(Interval.H1, *FILE.span, opens)
    assert present == subtract_ranges([FILE.span], missing)


@given(st.integers(-2, 50), st.integers(0, 50), st.sampled_from([1, 10_000_000]), st.booleans())
def test_a_part_is_clipped_to_what_was_wanted(
    first: int, count: int, few_bytes: int, micro: bool
) -> None:
    rows = archive_csv(KLINES).splitlines()
    text = "\n".join(map(microseconds, rows) if micro else rows) + "\n"
    (whole,) = read_blocks(iter([text.encode()]), FILE, few_bytes=few_bytes)
    start_ms = START_MS + first * 3_600_000
    span = Range(start_ms, start_ms + count * 3_600_000)

    part = clip_part(whole, Interval.H1, span)

    inside = [kline for kline in KLINES if span.start_ms <= kline.open_time_ms < span.end_ms]
    assert klines_of([part] if part is not None else []) == inside
    if part is not None:
        assert part.rows == len(inside)
        assert part.present == [Range(inside[0].open_time_ms, inside[-1].close_time_ms + 1)]
        if isinstance(part.klines, KlineLines):
            ends = (inside[0].open_time_ms, inside[-1].open_time_ms)
            assert part.klines[1:4] == (len(inside), *ends)
