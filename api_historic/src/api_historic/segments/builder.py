"""Building segments from the store: one thread a process, one build at a time a folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TypeVar

import pyarrow as pa
from sqlalchemy.exc import SQLAlchemyError

from api_historic.segments.folder import SegmentFolder
from api_historic.segments.month_rows import month_pages
from api_historic.segments.segment_file import write_segment
from market.errors import KlinecastError
from market.gaps import Range
from market.log import get_logger
from market.store import Store
from market.store.kline_months import read_closed_months
from market.store.klines import count_klines
from market.store.symbols import Series
from market.times import format_time

#: Months wanted at once; more are forgotten, and will be asked for again.
_QUEUE = 256
#: About what a kline takes in a segment.
_BYTES_A_KLINE = 360
#: How long a month that could not be built is left alone.
_PAUSE_S = 60.0


_Page = TypeVar("_Page")


class Outcome(StrEnum):
    """What became of a build."""

    BUILT = "built"
    PRESENT = "present"
    NOT_CLOSED = "not_closed"
    NO_ROOM = "no_room"
    STOPPED = "stopped"


class _Stopped(Exception):
    """Building was to end in the middle of a month."""


def _until(pages: Iterable[_Page], stop: threading.Event | None) -> Iterator[_Page]:
    for page in pages:
        if stop is not None and stop.is_set():
            raise _Stopped
        yield page


def build_month(
    store: Store,
    folder: SegmentFolder,
    series: Series,
    month: Range,
    stop: threading.Event | None = None,
) -> Outcome:
    """Build the segment of a month from one snapshot, unless another process has just done so.

    Raises:
        StoreUnavailable: the database does not answer; nothing was made.
        OSError: the disk is full or broken; nothing was made.
    """
    with folder.locked(stop) as alone:
        if not alone:
            return Outcome.STOPPED
        with store.read() as connection:
            closed = read_closed_months(connection, series, *month)
            if [one.month for one in closed] != [month]:
                return Outcome.NOT_CLOSED
            path = folder.path_of(series, closed[0])
            if path.exists():
                return Outcome.PRESENT
            count, _ = count_klines(connection, series, *month)
            if not folder.make_room(count * _BYTES_A_KLINE):
                return Outcome.NO_ROOM
            draft = folder.draft_of(path)
            try:
                with month_pages(connection, series, month) as pages:
                    write_segment(draft, series, closed[0], _until(pages, stop))
                folder.install(draft, path)
            except _Stopped:
                return Outcome.STOPPED
            finally:
                folder.drop(draft)
    return Outcome.BUILT


class Builder:
    """Builds what is wanted in the background, in the order in which it was first asked for."""

    def __init__(self, store: Store, folder: SegmentFolder) -> None:
        self._store = store
        self._folder = folder
        self._wanted: dict[tuple[Series, Range], None] = {}
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._left_until_s: dict[tuple[Series, Range], float] = {}

    def want(self, series: Series, month: Range) -> None:
        """Queue a month; one that is queued already, or too many, changes nothing."""
        with self._changed:
            if self._stop.is_set() or len(self._wanted) >= _QUEUE or self._is_left(series, month):
                return
            self._wanted.setdefault((series, month))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="segments", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Stop; the build that runs is given up."""
        self._stop.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _is_left(self, series: Series, month: Range) -> bool:
        return self._left_until_s.get((series, month), 0.0) > time.monotonic()

    def _run(self) -> None:
        while (wanted := self._take()) is not None:
            outcome = None
            try:
                outcome = build_month(self._store, self._folder, *wanted, self._stop)
            except (KlinecastError, SQLAlchemyError, OSError, pa.ArrowException) as error:
                get_logger().warning("segment_not_built", **_named(*wanted), detail=str(error))
            finally:
                self._finish(wanted, leave=outcome not in (Outcome.BUILT, Outcome.PRESENT))
            if outcome is Outcome.BUILT:
                get_logger().info("segment_built", **_named(*wanted))

    def _take(self) -> tuple[Series, Range] | None:
        """Return the month wanted first, which stays in the queue while it is built."""
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._stop.is_set())
            return None if self._stop.is_set() else next(iter(self._wanted))

    def _finish(self, wanted: tuple[Series, Range], *, leave: bool) -> None:
        now_s = time.monotonic()
        with self._changed:
            del self._wanted[wanted]
            self._left_until_s = {k: v for k, v in self._left_until_s.items() if v > now_s}
            if leave:
                self._left_until_s[wanted] = now_s + _PAUSE_S


def _named(series: Series, month: Range) -> dict[str, str]:
    return {
        "symbol": series.symbol,
        "interval": series.interval.value,
        "month": format_time(month.start_ms)[:7],
    }
