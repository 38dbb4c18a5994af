"""What the columns let through, and each single thing that sends a block to the rows."""

from __future__ import annotations

import pytest

from market.gaps import Range
from market.interval import HOUR_MS, Interval
from market.store.bulk import KlineLines
from populate_base.archive_columns import prove_block
from support.archive import archive_csv
from support.klines import START_MS, make_klines

KLINES = make_klines(Interval.H1, 48)
LINES = archive_csv(KLINES).splitlines()
SPAN = Range(START_MS, START_MS + 48 * HOUR_MS)


def prove(lines: list[str], span: Range = SPAN) -> KlineLines | None:
    block = ("\n".join(lines) + "\n").encode()
    return prove_block(block, Interval.H1, span, few_bytes=1)


def with_fields(**texts: str) -> list[str]:
    """Return the lines, one of them in the middle with other fields, by `f1=...`."""
    fields = LINES[20].split(",")
    for name, text in texts.items():
        fields[int(name[1:])] = text
    return [*LINES[:20], ",".join(fields), *LINES[21:]]


def test_plain_lines_pass_as_they_are() -> None:
    found = prove(LINES)

    assert found is not None
    assert found.content.decode().splitlines() == LINES
    assert found[1:] == (48, START_MS, KLINES[-1].open_time_ms, 1)


@pytest.mark.parametrize(
    "texts",
    [
        {"f1": "0.00000000"},
        {"f3": "999999999999.99999999"},
        {"f4": "999999999999.99999999"},
        {"f2": "0.00000000"},
        {"f3": "1.5"},
        {"f3": "7"},
        {"f3": "1.123456789"},
        {"f3": ".50000000"},
        {"f3": "-1.00000000"},
        {"f2": "1234567890123.00000000"},
        {"f5": "1.5"},
        {"f5": "123456789012345678901.00000000"},
        {"f8": "1234567890123456"},
        {"f8": "1.0"},
        {"f11": "much"},
        {"f0": str(KLINES[20].open_time_ms + 1)},
        {"f6": str(KLINES[20].close_time_ms - 1)},
        {"f0": str(KLINES[20].open_time_ms + 1), "f6": str(KLINES[20].close_time_ms + 1)},
        {"f0": f"{KLINES[20].open_time_ms}000"},
        {"f6": f"{KLINES[20].close_time_ms}999"},
        {"f11": "0,0"},
    ],
    ids=str,
)
def test_one_odd_row_sends_the_block_to_the_rows(texts: dict[str, str]) -> None:
    assert prove(with_fields(**texts)) is None


@pytest.mark.parametrize(
    "lines",
    [
        [*LINES[:3], LINES[2], *LINES[3:]],
        [*LINES[1:], LINES[0]],
        [LINES[1], LINES[0]],
        [*LINES[:5], "", *LINES[5:]],
        [f"{line}\r" for line in LINES],
    ],
    ids=["again", "order", "first", "empty", "carriage returns"],
)
def test_rows_that_do_not_follow_each_other_send_it_too(lines: list[str]) -> None:
    assert prove(lines) is None


def test_lines_outside_the_span_send_it_too() -> None:
    assert prove(LINES, Range(START_MS + 1, SPAN.end_ms)) is None
    assert prove(LINES, Range(START_MS, SPAN.end_ms - HOUR_MS)) is None


def test_months_have_no_step_to_prove() -> None:
    block = ("\n".join(LINES) + "\n").encode()

    assert prove_block(block, Interval.MO1, SPAN, few_bytes=1) is None
