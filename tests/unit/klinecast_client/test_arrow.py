"""Arrow's decimals become the nearest floats, whatever their size."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from klinecast_client.arrow import read_column, read_columns
from market.errors import ServiceUnavailable

AMOUNTS = pa.decimal128(28, 8)


def stream_of(*batches: pa.RecordBatch, schema: pa.Schema) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


#: Of the middle ones the unscaled integer fits into 64 bits, and not into a float.
SIZES = st.one_of(
    st.decimals(0, 10**6, places=8),
    st.decimals(10**8, 9 * 10**10, places=8),
    st.decimals(1 - 10**20, 10**20 - 1, places=8),
)


@example([Decimal("454267504.40774474")])
@given(st.lists(SIZES, max_size=20))
def test_floats_are_the_nearest(values: list[Decimal]) -> None:
    floats = read_column(pa.array(values, AMOUNTS), exact=False)

    assert floats.tolist() == [float(value) for value in values]


@given(st.lists(st.decimals(0, 10**6, places=8), min_size=3, max_size=20), st.integers(0, 3))
def test_part_of_a_column_is_read_alone(values: list[Decimal], start: int) -> None:
    column = pa.array(values, AMOUNTS).slice(start)

    assert read_column(column, exact=False).tolist() == [float(value) for value in values[start:]]
    assert read_column(column, exact=True).tolist() == values[start:]


def columns_schema() -> pa.Schema:
    return pa.schema([("open_time", pa.timestamp("ms", "UTC")), ("close", AMOUNTS)])


def batch_of(*rows: tuple[int, str]) -> pa.RecordBatch:
    times, closes = zip(*rows, strict=True)
    arrays: list[Any] = [
        pa.array(times, pa.timestamp("ms", "UTC")),
        pa.array([Decimal(close) for close in closes], AMOUNTS),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=columns_schema())


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_stream_is_read_in_parts_of_any_size(size: int) -> None:
    content = stream_of(
        batch_of((1, "1.50000000"), (2, "2.50000000")),
        batch_of((3, "0.00000001")),
        schema=columns_schema(),
    )
    parts = [content[start : start + size] for start in range(0, len(content), size)]

    columns = read_columns(parts, exact=False)

    assert columns["open_time"].tolist() == [1, 2, 3]
    assert columns["close"].tolist() == [1.5, 2.5, 1e-8]


@pytest.mark.parametrize(("exact", "kind"), [(False, "float64"), (True, "object")])
def test_stream_without_rows_has_its_columns(exact: bool, kind: str) -> None:
    columns = read_columns([stream_of(schema=columns_schema())], exact=exact)

    assert {name: str(column.dtype) for name, column in columns.items()} == {
        "open_time": "int64",
        "close": kind,
    }


@pytest.mark.parametrize("cut", [10, 200, 400])
def test_stream_that_breaks_off_is_an_error(cut: int) -> None:
    content = stream_of(batch_of((1, "1.50000000")), schema=columns_schema())

    with pytest.raises(ServiceUnavailable, match="broke off"):
        read_columns([content[:cut]], exact=False)
