from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from market.errors import DataError, InvalidParameter, KlinecastError, NotFound
from market.kline import KLINE_FIELDS
from populate_base.file_rows import iter_rows

VALUES = [str(number) for number in range(12)]
LINE = ",".join(VALUES) + "\n"


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    names = [*KLINE_FIELDS[:7], "Quote_AV", "trades", "tb_base_av", " taker_buy_quote ", "ignore"]
    file = tmp_path / "any.csv"
    file.write_text(",".join([*names[::-1], "extra"]) + "\n" + ",".join([*VALUES[::-1], "x"]))

    assert [(row.number, row.fields) for row in iter_rows(file)] == [(1, VALUES)]


def test_a_file_without_a_header_has_twelve_columns(tmp_path: Path) -> None:
    file = tmp_path / "any.csv.gz"
    file.write_bytes(gzip.compress((LINE * 2).encode()))

    assert [(row.number, row.fields) for row in iter_rows(file)] == [(1, VALUES), (2, VALUES)]


@pytest.mark.parametrize(
    ("zone", "text"), [("UTC", "1704067200123999"), (None, "2024-01-01 00:00:00.123999")]
)
def test_a_timestamp_without_a_zone_comes_as_it_is_written(
    tmp_path: Path, zone: str | None, text: str
) -> None:
    file = tmp_path / "any.parquet"
    moments = pa.array([1_704_067_200_123_999_000], pa.timestamp("ns", zone))
    columns = {name: [value] for name, value in zip(KLINE_FIELDS, VALUES, strict=True)}
    pq.write_table(pa.table(columns | {"open_time": moments}), file)

    assert next(iter_rows(file)).fields[0] == text


def _named(columns: str) -> bytes:
    return (columns + "\n").encode()


@pytest.mark.parametrize(
    ("name", "content", "kind", "said"),
    [
        ("a.csv", b"1,2,3,4,5,6,7,8,9,10,11\n", DataError, "has 11 columns; expected the twelve"),
        ("a.csv", _named("date,open,high,low,close,volume"), DataError, "lacks close_time, quote_"),
        ("a.csv", b"", DataError, "its columns are none"),
        ("a.csv", _named("open_time,date"), DataError, "two columns for open_time"),
        ("a.csv", LINE.encode() + b"1,2\n", DataError, "row 2 has 2 columns, the first 12"),
        ("a.csv", b"1" * 5_000, DataError, "a line of more than 4096 characters"),
        ("a.csv", b"\xff\xfe\x00", DataError, "cannot be read"),
        ("a.csv.gz", b"not packed", DataError, "cannot be read"),
        ("a.csv.gz", gzip.compress(LINE.encode() * 99)[:-9], DataError, "cannot be read"),
        ("a.parquet", b"PAR1", DataError, "cannot be read"),
        ("a.feather", b"ARROW1", DataError, "cannot be read"),
        ("a.txt", b"", InvalidParameter, "a name that ends in .csv"),
    ],
)
def test_a_wrong_file_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, kind: type[KlinecastError], said: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(kind) as caught:
        list(iter_rows(tmp_path / name))

    assert said in caught.value.detail
    assert "\n" not in caught.value.detail


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        list(iter_rows(tmp_path / "a.csv"))
