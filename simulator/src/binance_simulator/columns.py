"""A stretch of klines in memory: two time columns, and the rows as the JSON Binance sends."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from market.errors import DataError
from market.kline import Kline

#: Milliseconds stay below this until the year 5138; microseconds passed it in 1973.
_FIRST_MICROSECOND = 100_000_000_000_000


#: Bytes an empty month takes: three arrays, a key, a place in the cache.
_OVERHEAD = 1000


class Columns(NamedTuple):
    """Klines, ascending by open time. Row i is `text[ends[i - 1] + 1 : ends[i]]`."""

    opens: array[int]
    closes: array[int]
    ends: array[int]
    text: bytes

    def json(self, start: int, stop: int) -> bytes:
        """Return rows [start, stop) as JSON, separated by commas."""
        if start >= stop:
            return b""
        return self.text[self.ends[start - 1] + 1 if start else 0 : self.ends[stop - 1]]

    def klines(self, start: int, stop: int) -> list[Kline]:
        """Return rows [start, stop)."""
        return [Kline(*row) for row in orjson.loads(b"[" + self.json(start, stop) + b"]")]

    def position(self, time_ms: int) -> int:
        """Return the number of klines that open before `time_ms`."""
        return bisect_left(self.opens, time_ms)

    @property
    def size(self) -> int:
        """Bytes held."""
        return len(self.text) + 24 * len(self.opens) + _OVERHEAD


def pack(klines: Iterable[Kline]) -> Columns:
    """Keep klines, which are ascending."""
    opens, closes, ends = array("q"), array("q"), array("q")
    rows: list[bytes] = []
    end = -1
    for kline in klines:
        row = orjson.dumps(list(kline))
        rows.append(row)
        end += 1 + len(row)
        opens.append(kline.open_time_ms)
        closes.append(kline.close_time_ms)
        ends.append(end)
    return Columns(opens, closes, ends, b",".join(rows))


def parse_csv(text: str, origin: str) -> Iterator[Kline]:
    """Yield the klines of an archive file, times in milliseconds whatever the file's unit.

    A header is skipped. Raises DataError, naming `origin` and the line.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        cells = line.split(",")
        if number == 1 and not cells[0].isdigit():
            continue
        try:
            open_ms, o, h, lo, c, volume, close_ms, quote, trades, base_t, quote_t, unused = cells
            yield Kline(
                _milliseconds(open_ms), o, h, lo, c, volume, _milliseconds(close_ms),
                quote, int(trades), base_t, quote_t, unused,
            )  # fmt: skip
        except ValueError:
            raise DataError(
                f"{origin} line {number} was {line[:80]!r}; expected twelve columns of a kline"
            ) from None


def in_microseconds(row: Kline) -> Kline:
    """Return a kline with its times in microseconds, the close time a last microsecond."""
    return row._replace(
        open_time_ms=row.open_time_ms * 1000, close_time_ms=row.close_time_ms * 1000 + 999
    )


def _milliseconds(text: str) -> int:
    value = int(text)
    return value // 1000 if value >= _FIRST_MICROSECOND else value
