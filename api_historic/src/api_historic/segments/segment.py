"""One closed month, mapped: slices of ready JSON rows and of Arrow columns."""

from __future__ import annotations

import mmap
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from api_historic.segments.segment_file import Manifest
from market.gaps import Range


class Segment:
    """The klines of one closed month. Safe to share between threads.

    What it gives is mapped from its file: nothing is copied, and it stays readable when the
    file is dropped. Slices take half-open ranges of open times, ms.

    Attributes:
        month: the UTC month, by open time.
        stamp: the state of the month it holds.
        count: its klines.
        open_times: int64, ms, ascending.
        ignores_are_zero: whether Binance's unused twelfth field is "0" in every kline.
    """

    def __init__(self, file: IO[bytes], manifest: Manifest) -> None:
        self.month = Range(manifest.start_ms, manifest.end_ms)
        self.stamp = manifest.stamp
        self.count = manifest.count
        self.ignores_are_zero = manifest.ignores_are_zero
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = memoryview(self._map)
        index = np.frombuffer(self._map, np.int64, 2 * self.count + 1, manifest.index.offset)
        self.open_times: NDArray[np.int64] = index[: self.count]
        self._offsets: NDArray[np.int64] = index[self.count :]
        self._rows = whole[manifest.rows.offset : sum(manifest.rows)]
        columns = pa.py_buffer(whole[manifest.arrow.offset : sum(manifest.arrow)])
        self._table = pa.ipc.open_file(columns).read_all()

    def json_rows(self, start_ms: int, end_ms: int) -> memoryview:
        """Return the rows of the eleven default fields, `[ms,"o",…],[…]`, without brackets."""
        first, end = self._find(start_ms, end_ms)
        if first == end:
            return self._rows[:0]
        # Without the comma behind the last one.
        return self._rows[int(self._offsets[first]) : int(self._offsets[end]) - 1]

    def table(self, start_ms: int, end_ms: int) -> Any:
        """Return a `pyarrow.Table` of all twelve fields, typed as `columns.klines_schema`."""
        first, end = self._find(start_ms, end_ms)
        return self._table.slice(first, end - first)

    def release(self) -> None:
        """Give back the memory of what was read; reading it again costs a look at the cache.

        Called after a month was sent, it keeps the process small over long ranges.
        """
        self._map.madvise(mmap.MADV_DONTNEED)

    def _find(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        first, end = np.searchsorted(self.open_times, (start_ms, end_ms))
        return int(first), max(int(first), int(end))
