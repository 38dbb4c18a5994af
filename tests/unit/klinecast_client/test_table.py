"""Pages become columns of the right types, joined without a seam."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from klinecast_client.table import build_frame, build_table
from market.interval import HOUR_MS

START_MS = 1_704_067_200_000
FIELDS = ["open_time", "close", "close_time", "number_of_trades"]


def page(hours: range, gaps: list[tuple[int, int]], *, completeness: float = 1.0) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "fields": FIELDS,
        "klines": [
            [START_MS + h * HOUR_MS, f"{h}.10000000", START_MS + (h + 1) * HOUR_MS - 1, h]
            for h in hours
        ],
        "complete": not gaps,
        "completeness": completeness,
        "gaps": [
            {
                "start_ms": START_MS + a * HOUR_MS,
                "end_ms": START_MS + b * HOUR_MS,
                "cause": "outage",
            }
            for a, b in gaps
        ],
        "next": None,
    }


def test_columns_have_their_types() -> None:
    table = build_table([page(range(3), [])])

    assert {name: str(column.dtype) for name, column in table.columns.items()} == {
        "open_time": "int64",
        "close": "float64",
        "close_time": "int64",
        "number_of_trades": "int64",
    }
    assert table["close"].tolist() == [0.1, 1.1, 2.1]
    assert (len(table), table.complete, table.completeness) == (3, True, 1.0)


def test_exact_columns_keep_every_digit() -> None:
    table = build_table([page(range(2), [])], exact=True)

    assert [str(value) for value in table["close"]] == ["0.10000000", "1.10000000"]
    assert isinstance(table["close"][0], Decimal)


def test_gap_cut_by_a_page_is_one_gap() -> None:
    pages = [page(range(2), [(2, 4)]), page(range(6, 8), [(4, 6)])]

    table = build_table(pages)

    assert table.gaps == page(range(0), [(2, 6)])["gaps"]
    assert table.completeness == 0.5


def test_empty_answer_has_its_columns() -> None:
    table = build_table([page(range(0), [])])

    assert len(table) == 0
    assert list(build_frame(table).columns) == FIELDS[1:]


def test_frame_is_indexed_by_utc_times() -> None:
    frame = build_frame(build_table([page(range(2), [], completeness=0.5)]))

    assert isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "open_time"
    assert frame.index[1] == pd.Timestamp("2024-01-01T01:00:00Z")
    assert frame["close_time"].iloc[0] == pd.Timestamp("2024-01-01T00:59:59.999Z")
    assert frame.attrs["completeness"] == 0.5
    assert frame.attrs["symbol"] == "BTCUSDT"


def test_table_cannot_be_read_by_an_unknown_field() -> None:
    with pytest.raises(KeyError):
        build_table([page(range(1), [])])["volume"]


def test_columns_are_numpy_arrays() -> None:
    assert isinstance(build_table([page(range(1), [])])["close"], np.ndarray)
