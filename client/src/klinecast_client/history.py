"""Reading klines: whole ranges as one Arrow stream, or else as JSON pages; gaps either way."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from klinecast_client import arrow
from klinecast_client.parameters import Parameters, Symbol, Time, symbol_name, time_ms
from klinecast_client.table import KlineTable, build_table, join_gaps
from klinecast_client.transport import Transport

#: Rows asked for at once: large enough to make the round trip cheap.
PAGE_ROWS = 20_000
#: Rows of open times alone that a page may hold.
_LARGEST_PAGE = 100_000


class MissingKlines(UserWarning):
    """Klines of the range are missing: `attrs` tells which and why."""


class Range(NamedTuple):
    """Klines of a series opening in [start, end), `None` leaves a side open.

    `as_of`: as they were known then.
    """

    symbol: Symbol
    interval: str
    start: Time | None = None
    end: Time | None = None
    as_of: Time | None = None

    def parameters(self) -> Parameters:
        """Return what the API is asked."""
        return {
            "symbol": symbol_name(self.symbol),
            "interval": self.interval,
            "start": time_ms("start", self.start),
            "end": time_ms("end", self.end),
            "as_of": time_ms("as_of", self.as_of),
        }


def read_range(
    http: Transport,
    asked: Range,
    fields: Sequence[str] | None,
    *,
    exact: bool,
    by_arrow: bool,
) -> KlineTable:
    """Return the klines of a range, of any length."""
    parameters = asked.parameters()
    if fields is not None:
        parameters["fields"] = ",".join(fields)
    if by_arrow:
        return _read_stream(http, parameters, exact=exact)
    return build_table(read_pages(http, {**parameters, "limit": PAGE_ROWS}), exact=exact)


def read_pages(
    http: Transport, parameters: Parameters, path: str = "/v1/klines"
) -> list[dict[str, Any]]:
    """Return all pages of a call that goes on by a cursor."""
    pages = [http.get(path, parameters)]
    while (cursor := pages[-1]["next"]) is not None:
        pages.append(http.get(path, {**parameters, "cursor": cursor}))
    return pages


def _read_stream(http: Transport, parameters: Parameters, *, exact: bool) -> KlineTable:
    def read(headers: Mapping[str, str], parts: Iterable[bytes]) -> tuple[KlineTable, int]:
        table = KlineTable(
            str(parameters["symbol"]),
            str(parameters["interval"]),
            arrow.read_columns(parts, exact=exact),
            orjson.loads(headers["X-Klinecast-Gaps"]),
            float(headers["X-Klinecast-Completeness"]),
        )
        return table, int(headers.get("X-Klinecast-Gaps-Omitted", 0))

    table, omitted = http.stream("/v1/klines", {**parameters, "format": "arrow"}, read)
    if not omitted:
        return table
    # Headers tell of so many gaps alone; the others are asked for without the klines.
    told = table.gaps
    rest = {**parameters, "start": told[-1]["end_ms"], "fields": "open_time"}
    pages = read_pages(http, {**rest, "limit": _LARGEST_PAGE})
    gaps = join_gaps([*told, *(gap for page in pages for gap in page["gaps"])])
    return KlineTable(table.symbol, table.interval, table.columns, gaps, table.completeness)


def warn_of_gaps(table: KlineTable) -> KlineTable:
    """Return the table; warn where klines of its range are missing."""
    if table.gaps:
        causes = sorted({str(gap["cause"]) for gap in table.gaps})
        warnings.warn(
            f"{table.symbol} {table.interval} is {table.completeness:.4%} complete:"
            f" {len(table.gaps)} gap(s), {', '.join(causes)}; attrs['gaps'] lists them",
            MissingKlines,
            stacklevel=3,
        )
    return table
