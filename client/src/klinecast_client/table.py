"""Pages of klines as columns, and columns as a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from market.interval import Interval

TIMES = ("open_time", "close_time")
_INTEGERS = (*TIMES, "number_of_trades")

Column = np.ndarray[Any, np.dtype[Any]]
Page = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KlineTable:
    """Klines as columns of equal length, ascending by open time.

    Times are int64 UTC epoch ms, `number_of_trades` is int64, the rest float64 (or objects,
    `Decimal`, where asked for exactly). `gaps` are the missing ranges the API named, each
    {"start_ms", "end_ms", "cause"}; `completeness` is the fraction of the slots of the
    range that hold a kline.
    """

    symbol: str
    interval: str
    columns: dict[str, Column]
    gaps: list[dict[str, Any]]
    completeness: float

    @property
    def complete(self) -> bool:
        """Tell whether no slot of the range misses its kline."""
        return not self.gaps

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, field: str) -> Column:
        return self.columns[field]


def build_table(pages: Sequence[Page], *, exact: bool = False) -> KlineTable:
    """Join pages of `GET /v1/klines`, in order, to one table."""
    fields: list[str] = pages[0]["fields"]
    rows = [row for page in pages for row in page["klines"]]
    values = list(zip(*rows, strict=True)) or [()] * len(fields)
    columns = {
        field: _column(field, column, exact=exact)
        for field, column in zip(fields, values, strict=True)
    }
    gaps = join_gaps([gap for page in pages for gap in page["gaps"]])
    interval = Interval.parse(pages[0]["interval"])
    absent = sum(interval.count(gap["start_ms"], gap["end_ms"]) for gap in gaps)
    fraction = len(rows) / (len(rows) + absent) if absent else 1.0
    completeness = pages[0]["completeness"] if len(pages) == 1 else fraction
    return KlineTable(pages[0]["symbol"], interval.value, columns, gaps, completeness)


def build_frame(table: KlineTable) -> pd.DataFrame:
    """Return a table as a DataFrame indexed by `open_time` (UTC), times as datetimes.

    `attrs` holds symbol, interval, complete, completeness and gaps.
    """
    columns: dict[str, Any] = {}
    for field, column in table.columns.items():
        columns[field] = pd.to_datetime(column, unit="ms", utc=True) if field in TIMES else column
    frame = pd.DataFrame(columns)
    if "open_time" in columns:
        frame = frame.set_index("open_time")
    frame.attrs.update(
        symbol=table.symbol,
        interval=table.interval,
        complete=table.complete,
        completeness=table.completeness,
        gaps=table.gaps,
    )
    return frame


def _column(field: str, values: Sequence[Any], *, exact: bool) -> Column:
    if field in _INTEGERS:
        return np.array(values, dtype=np.int64)
    if exact:
        return np.array([Decimal(value) for value in values], dtype=object)
    return np.array(values, dtype=np.float64)


def join_gaps(gaps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join a gap that the end of a page cut in two."""
    joined: list[dict[str, Any]] = []
    for gap in gaps:
        last = joined[-1] if joined else None
        if last and last["end_ms"] == gap["start_ms"] and last["cause"] == gap["cause"]:
            joined[-1] = {**last, "end_ms": gap["end_ms"]}
        else:
            joined.append(gap)
    return joined
