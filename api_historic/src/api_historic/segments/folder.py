"""The folder of segments that all worker processes share: names, the one lock, the bound.

A segment's name tells its series, month and stamp, so one that is out of date is never found.
Changes to the folder are made under its lock, by one process at a time; reading needs none:
a file that is dropped stays readable to whoever opened it.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from market.errors import SettingsError
from market.interval import Interval
from market.store.kline_months import MonthStamp
from market.store.symbols import Series

_SUFFIX, _DRAFT_SUFFIX = ".segment", ".draft"
_LOCK = ".lock"
_LOOK_S = 0.05
#: A month that was used within this time is not given up for another.
KEEP_S = 600.0


class StoredSegment(NamedTuple):
    """A segment's file: what its name tells, its size, and when it was last used."""

    path: Path
    symbol_id: int
    interval: Interval
    start_ms: int
    stamp: int
    size: int
    used_s: float


class SegmentFolder:
    """The segments on disk, at most `max_bytes` of them; 0 keeps none.

    Raises:
        SettingsError: the folder cannot be made or written.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self.max_bytes = max_bytes
        if max_bytes:
            try:
                path.mkdir(parents=True, exist_ok=True)
                (path / _LOCK).touch()
            except OSError as error:
                raise SettingsError(
                    "HISTORY_SEGMENTS_DIR",
                    str(path),
                    f"a folder that can be written ({error.strerror})",
                    hint="HISTORY_SEGMENTS_MB=0 does without.",
                ) from error

    def path_of(self, series: Series, month: MonthStamp) -> Path:
        """Return where the segment of that month in that state is, or would be."""
        # Numbers, as a name's case may not count on this disk: 1m and 1M.
        head = f"{series.symbol_id}-{series.interval.number:02d}-{month.month.start_ms}"
        return self._path / f"{head}-{month.stamp:016x}{_SUFFIX}"

    def draft_of(self, path: Path) -> Path:
        """Return the name under which a segment is written."""
        return path.with_suffix(_DRAFT_SUFFIX)

    @contextmanager
    def locked(self, stop: threading.Event | None = None) -> Iterator[bool]:
        """Hold the folder's lock for the block; yields False where `stop` was set first.

        The lock of a process that died is free.
        """
        with (self._path / _LOCK).open("rb") as file:
            yield _wait_for(file.fileno(), stop)

    def list_segments(self) -> list[StoredSegment]:
        """Return every segment, ordered by name."""
        found = [_stored(Path(entry.path)) for entry in os.scandir(self._path)]
        return sorted(one for one in found if one is not None)

    def install(self, draft: Path, path: Path) -> None:
        """Give a whole, synced draft its name, and drop older states of its month."""
        draft.rename(path)
        self._sync()
        prefix = path.name.rpartition("-")[0] + "-"
        for entry in os.scandir(self._path):
            if entry.name.startswith(prefix) and entry.name != path.name:
                self.drop(Path(entry.path))

    def make_room(self, size: int) -> bool:
        """Drop the least recently used segments until `size` more bytes fit; tell whether they do.

        None is dropped that was used in the last ten minutes. Drafts left by a process that
        died are removed. Call it under the lock.
        """
        for draft in self._path.glob(f"*{_DRAFT_SUFFIX}"):
            self.drop(draft)
        kept = self.list_segments()
        excess = sum(one.size for one in kept) + size - self.max_bytes
        idle_since_s = time.time() - KEEP_S
        for one in sorted(kept, key=lambda one: one.used_s):
            if excess <= 0 or one.used_s > idle_since_s:
                break
            self.drop(one.path)
            excess -= one.size
        return excess <= 0

    def drop(self, path: Path) -> None:
        """Remove a file; one that is gone already is fine."""
        with suppress(FileNotFoundError):
            path.unlink()

    def drop_where(self, chosen: Callable[[StoredSegment], bool]) -> int:
        """Drop the segments that are chosen; return how many."""
        dropped = [one for one in self.list_segments() if chosen(one)]
        for one in dropped:
            self.drop(one.path)
        return len(dropped)

    def _sync(self) -> None:
        handle = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def touch(path: Path) -> bool:
    """Say that a segment is in use; tell whether it is still there."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _stored(path: Path) -> StoredSegment | None:
    parts = path.name.removesuffix(_SUFFIX).split("-")
    if not path.name.endswith(_SUFFIX) or len(parts) != 4:
        return None
    try:
        status = path.stat()
        interval = Interval.from_number(int(parts[1]))
        symbol_id, start_ms, stamp = int(parts[0]), int(parts[2]), int(parts[3], 16)
    except (OSError, ValueError, KeyError):
        return None
    sizes = (status.st_size, status.st_mtime)
    return StoredSegment(path, symbol_id, interval, start_ms, stamp, *sizes)


def _wait_for(handle: int, stop: threading.Event | None) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pause = threading.Event() if stop is None else stop
            if pause.wait(_LOOK_S):
                return False
        else:
            return True
