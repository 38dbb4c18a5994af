"""Finding the segments that are true for a snapshot, and wanting those that are not there."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO

from sqlalchemy import Connection

from api_historic.segments.builder import Builder
from api_historic.segments.folder import SegmentFolder, touch
from api_historic.segments.segment import Segment
from api_historic.segments.segment_file import check_body, read_manifest
from market.errors import DataError
from market.gaps import Range
from market.interval import Interval
from market.log import get_logger
from market.store import Store
from market.store.kline_months import MonthStamp, read_closed_months
from market.store.symbols import Series

#: Segments kept open: each holds one file handle.
_OPEN = 256
_TOUCH_S = 60.0
#: Ones unused for so long are closed: as long as a file is open, dropping it frees nothing.
_IDLE_S = 300.0
#: A month of coarser klines is read faster from the database than found here.
_COARSEST_MS = Interval.H1.typical_ms


class Segments:
    """The closed months on disk that this process and others answer from.

    Safe to share between threads. With `max_bytes` 0 there are none, and none are made.
    Without a `store` none are made.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        store: Store | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = SegmentFolder(folder, max_bytes)
        self._is_on = max_bytes > 0
        self._builder = Builder(store, self._folder) if store is not None and self._is_on else None
        self._clock = clock
        self._swept_s = clock()
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, Segment] = OrderedDict()
        self._touched_s: dict[Path, float] = {}
        # Files found whole: what is under a name never changes.
        self._whole: set[tuple[Path, str]] = set()

    def find(
        self, connection: Connection, series: Series, start_ms: int | None, end_ms: int | None
    ) -> list[Segment]:
        """Return the segments of [start_ms, end_ms) that equal this very snapshot, ascending.

        One query for all months. A month without a segment is absent: it is to be read from
        the database, and may be wanted.
        """
        if not self._is_on or not is_kept(series.interval):
            return []
        months = read_closed_months(connection, series, start_ms, end_ms)
        return self.find_of(series, months)

    def find_of(self, series: Series, months: list[MonthStamp]) -> list[Segment]:
        """Return the segments of closed months as a snapshot has them."""
        if not self._is_on or not is_kept(series.interval):
            return []
        self._close_idle()
        found = (self._find(series, month) for month in months)
        return [segment for segment in found if segment is not None]

    def want(self, series: Series, month: Range) -> None:
        """Ask for the segment of a month to be built in the background.

        Asking often is fine. What is not closed, too coarse or too much is not built.
        """
        if self._builder is not None and is_kept(series.interval):
            self._builder.want(series, month)

    def close(self) -> None:
        """End building; segments in use stay readable."""
        if self._builder is not None:
            self._builder.close()
        with self._lock:
            self._open.clear()

    def _find(self, series: Series, month: MonthStamp) -> Segment | None:
        path = self._folder.path_of(series, month)
        with self._lock:
            segment = self._open.get(path)
            if segment is not None:
                self._open.move_to_end(path)
        if segment is None:
            segment = self._read(path, series, month)
        if segment is None or not self._keep_in_use(path):
            return None
        with self._lock:
            self._open[path] = segment
            if len(self._open) > _OPEN:
                oldest, _ = self._open.popitem(last=False)
                self._touched_s.pop(oldest, None)
        return segment

    def _close_idle(self) -> None:
        now_s = self._clock()
        with self._lock:
            if now_s - self._swept_s < _TOUCH_S:
                return
            self._swept_s = now_s
            for path in list(self._open):
                if now_s - self._touched_s.get(path, now_s) > _IDLE_S:
                    del self._open[path]
                    del self._touched_s[path]

    def _keep_in_use(self, path: Path) -> bool:
        """Tell other processes now and then that a segment is used; False where it was dropped."""
        now_s = self._clock()
        if now_s - self._touched_s.get(path, -_TOUCH_S) < _TOUCH_S:
            return True
        if touch(path):
            self._touched_s[path] = now_s
            return True
        self._touched_s.pop(path, None)
        with self._lock:
            self._open.pop(path, None)
        return False

    def _read(self, path: Path, series: Series, month: MonthStamp) -> Segment | None:
        try:
            with path.open("rb") as file:
                return self._open_whole(file, path, series, month)
        except FileNotFoundError:
            return None
        except DataError as error:
            get_logger().warning("segment_refused", path=str(path), detail=error.detail)
            self._folder.drop(path)
        except OSError as error:  # the database has it all
            get_logger().warning("segment_not_read", path=str(path), detail=str(error))
        return None

    def _open_whole(
        self, file: IO[bytes], path: Path, series: Series, month: MonthStamp
    ) -> Segment:
        manifest = read_manifest(file)
        if not manifest.is_of(series, month):
            raise DataError("the segment is of another series, month or state")
        identity = (path, manifest.sha256)
        if identity not in self._whole:
            check_body(file, manifest)
            self._whole.add(identity)
        return Segment(file, manifest)


def is_kept(interval: Interval) -> bool:
    """Tell whether months of that interval are kept as segments."""
    return interval.typical_ms <= _COARSEST_MS
