"""A page of klines as one JSON body: rows, and how complete their range is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from api_historic.klines.coverage import Coverage, describe_coverage
from api_historic.klines.rows import KlineRows
from market.gaps import Range
from market.store.gap_ledger import read_gaps
from market.store.symbols import Series


def explain(
    connection: Connection, series: Series, span: Range, missing: Sequence[Range]
) -> Coverage:
    """Return the coverage of a span, its holes with the ledger's causes."""
    # Most ranges miss nothing: the ledger is asked only where there is something to explain.
    ledger = read_gaps(connection, series, *span) if missing else []
    return describe_coverage(series.interval, span, missing, ledger)


def write_page(
    series: Series,
    fields: Sequence[str],
    rows: KlineRows,
    coverage: Coverage,
    following: str | None,
) -> bytes:
    """Return a `KlinePage` as JSON, its rows as they came from the store."""
    head: dict[str, Any] = {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "fields": fields,
    }
    tail: dict[str, Any] = {
        "complete": not coverage.gaps,
        "completeness": coverage.completeness,
        "gaps": [gap._asdict() for gap in coverage.gaps],
        "next": following,
    }
    opening, ending = orjson.dumps(head)[:-1], orjson.dumps(tail)[1:]
    return b"".join([opening, b',"klines":', rows.json(), b",", ending])
