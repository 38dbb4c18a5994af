"""Answers about klines: read from any format, and what a slow, obvious reference says."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx
import orjson
import pyarrow as pa
from pyarrow import parquet

from market.gaps import Cause
from market.interval import Interval
from market.kline import KLINE_FIELDS, Kline
from market.times import format_time

FORMATS = ("json", "ndjson", "csv", "arrow", "parquet")
_INTEGERS = ("open_time", "close_time", "number_of_trades")

Row = list[int | str]


class Told(NamedTuple):
    """What an answer says: its rows as Binance would write them, and of its range."""

    rows: list[Row]
    columns: list[str]
    complete: bool
    completeness: float
    gaps: list[dict[str, Any]]
    following: str | None


def read_answer(response: httpx.Response) -> Told:
    """Read an answer in whichever format it came."""
    kind = response.headers["Content-Type"].partition(";")[0]
    if kind == "application/json":
        body = response.json()
        return Told(
            body["klines"],
            body["fields"],
            body["complete"],
            body["completeness"],
            body["gaps"],
            body["next"],
        )
    columns, rows = _READERS[kind](response.content)
    headers = response.headers
    return Told(
        rows,
        columns,
        headers["X-Klinecast-Complete"] == "true",
        float(headers["X-Klinecast-Completeness"]),
        orjson.loads(headers["X-Klinecast-Gaps"]),
        headers.get("X-Klinecast-Next"),
    )


def _read_ndjson(body: bytes) -> tuple[list[str], list[Row]]:
    objects = [orjson.loads(line) for line in body.splitlines()]
    return list(objects[0]) if objects else [], [list(one.values()) for one in objects]


def _read_csv(body: bytes) -> tuple[list[str], list[Row]]:
    columns, *lines = csv.reader(io.StringIO(body.decode(), newline=""))
    rows: list[Row] = []
    for line in lines:
        values = zip(columns, line, strict=True)
        rows.append([int(v) if n in _INTEGERS and v.isdigit() else v for n, v in values])
    return columns, rows


def _read_table(table: pa.Table) -> tuple[list[str], list[Row]]:
    columns = []
    for name in table.column_names:
        column = table.column(name)
        if name in ("open_time", "close_time"):
            assert column.type == pa.timestamp("ms", tz="UTC")
            column = column.cast(pa.int64())
        elif pa.types.is_decimal(column.type):
            assert column.type.scale == 8
            column = column.cast(pa.string())
        columns.append(column.to_pylist())
    return table.column_names, [list(row) for row in zip(*columns, strict=True)]


_READERS: dict[str, Any] = {
    "application/x-ndjson": _read_ndjson,
    "text/csv": _read_csv,
    "application/vnd.apache.arrow.stream": lambda body: _read_table(
        pa.ipc.open_stream(pa.BufferReader(body)).read_all()
    ),
    "application/vnd.apache.parquet": lambda body: _read_table(
        parquet.read_table(pa.BufferReader(body))
    ),
}


class Asking(NamedTuple):
    """A request for one series, as the reference understands it."""

    start: int | None = None
    end: int | None = None
    limit: int | None = None
    fields: Sequence[str] = KLINE_FIELDS[:-1]
    order: str = "asc"
    times: str = "ms"


def expected_answer(
    interval: Interval, klines: Sequence[Kline], asking: Asking, now_ms: int
) -> tuple[list[Row], list[int], bool]:
    """Return the rows, the missing slots and whether more follow, by the plainest means."""
    held = [
        kline
        for kline in klines
        if (asking.start is None or kline.open_time_ms >= asking.start)
        and (asking.end is None or kline.open_time_ms < asking.end)
    ]
    if asking.order == "desc":
        held.reverse()
    page = held if asking.limit is None else held[: asking.limit]
    has_more = len(page) < len(held)
    opens = sorted(kline.open_time_ms for kline in page)
    newest = interval.floor(now_ms)
    begin, end = asking.start, asking.end
    if end is None or end > newest:
        end = max([newest, *(interval.add(interval.floor(ms), 1) for ms in opens)])
    if has_more and asking.order == "asc":
        end = interval.add(interval.floor(opens[-1]), 1)
    if opens and (begin is None or (has_more and asking.order == "desc")):
        begin = interval.floor(opens[0])
    begin = end if begin is None else begin
    filled = {interval.floor(ms) for ms in opens}
    missing = [slot for slot in interval.iter_opens(begin, end) if slot not in filled]
    return [_row(kline, asking) for kline in page], missing, has_more


def _row(kline: Kline, asking: Asking) -> Row:
    row: Row = []
    for field in asking.fields:
        value = kline[KLINE_FIELDS.index(field)]
        is_time = field in ("open_time", "close_time")
        row.append(format_time(int(value)) if is_time and asking.times == "iso" else value)
    return row


def missing_slots(interval: Interval, gaps: Sequence[dict[str, Any]]) -> list[int]:
    """Return the open times that gaps name."""
    assert all(gap["cause"] in [str(cause) for cause in Cause] for gap in gaps)
    return [
        open_ms for gap in gaps for open_ms in interval.iter_opens(gap["start_ms"], gap["end_ms"])
    ]
