"""The files of recorded klines below the data folders, known by their names alone."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from market.errors import InvalidParameter
from market.interval import DAY_MS, Interval

_NAME = re.compile(
    r"(?P<symbol>[A-Z0-9]{2,20})-(?P<interval>\d+[a-zA-Z]+)-(?P<month>\d{4}-\d{2})(?P<day>-\d{2})?\.zip"
)
#: The archive's file names tell months from minutes without regard to case.
_ARCHIVE_NAMES = {"1mo": Interval.MO1} | {i.value: i for i in Interval if i is not Interval.MO1}


class ArchiveFile(NamedTuple):
    """One zip: klines of a symbol and interval that open in [start_ms, end_ms)."""

    start_ms: int
    end_ms: int
    symbol: str
    interval: Interval
    path: Path
    is_daily: bool

    @property
    def key(self) -> str:
        """The object's key in the public archive."""
        period = "daily" if self.is_daily else "monthly"
        folder = archive_name(self.interval)
        return f"data/spot/{period}/klines/{self.symbol}/{folder}/{self.path.name}"


class Segment(NamedTuple):
    """A stretch of time that one file answers for."""

    start_ms: int
    end_ms: int
    file: ArchiveFile


def archive_name(interval: Interval) -> str:
    """Return the interval as the archive names it."""
    return "1mo" if interval is Interval.MO1 else interval.value


def parse_file(path: Path) -> ArchiveFile | None:
    """Return what a file's name says, or `None` where it is not an archive's name."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["interval"] not in _ARCHIVE_NAMES:
        return None
    try:
        start = datetime.fromisoformat(match["month"] + (match["day"] or "-01") + "T00:00Z")
    except ValueError:
        return None
    start_ms = int(start.timestamp()) * 1000
    end_ms = start_ms + DAY_MS if match["day"] else Interval.MO1.add(start_ms, 1)
    interval = _ARCHIVE_NAMES[match["interval"]]
    return ArchiveFile(
        start_ms, end_ms, match["symbol"], interval, path, is_daily=match["day"] is not None
    )


def plan_segments(files: Iterable[ArchiveFile]) -> list[Segment]:
    """Give each moment to one file, ascending: a daily one where there is one, else a monthly.

    Binance's daily files agree with its REST answers where the monthly ones do not.
    """
    ordered = sorted(files, key=lambda file: (not file.is_daily, file.start_ms))
    segments: list[Segment] = []
    taken: list[Segment] = []
    for file in ordered:
        if file.is_daily:
            taken.append(Segment(file.start_ms, file.end_ms, file))
            continue
        start_ms = file.start_ms
        for day in taken[bisect_right(taken, file.start_ms, key=lambda s: s.end_ms) :]:
            if day.start_ms >= file.end_ms:
                break
            if start_ms < day.start_ms:
                segments.append(Segment(start_ms, day.start_ms, file))
            start_ms = day.end_ms
        if start_ms < file.end_ms:
            segments.append(Segment(start_ms, file.end_ms, file))
    return sorted([*segments, *taken])


class Catalogue:
    """All files, by key and by series. Where two have one name, the first folder's counts."""

    def __init__(self, files: Iterable[ArchiveFile]) -> None:
        self.by_key: dict[str, ArchiveFile] = {}
        for file in files:
            self.by_key.setdefault(file.key, file)
        grouped: dict[tuple[str, Interval], list[ArchiveFile]] = {}
        for file in self.by_key.values():
            grouped.setdefault((file.symbol, file.interval), []).append(file)
        self.segments = {series: plan_segments(members) for series, members in grouped.items()}

    @cached_property
    def symbols(self) -> list[str]:
        """Every symbol there is a file of, ascending."""
        return sorted({symbol for symbol, _ in self.segments})

    @cached_property
    def keys(self) -> list[tuple[str, int]]:
        """Every object of the archive with the moment it is published, by key, ascending."""
        return sorted(
            (key + suffix, file.end_ms)
            for key, file in self.by_key.items()
            for suffix in ("", ".CHECKSUM")
        )

    def native_intervals(self, symbol: str) -> list[Interval]:
        """Return the intervals there are files of, the highest first."""
        return [i for i in reversed(Interval) if (symbol, i) in self.segments]

    def within(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> list[Segment]:
        """Return the segments that meet [start_ms, end_ms), ascending."""
        segments: Sequence[Segment] = self.segments.get((symbol, interval), ())
        first = bisect_right(segments, start_ms, key=lambda segment: segment.end_ms)
        stop = bisect_left(segments, end_ms, key=lambda segment: segment.start_ms)
        return list(segments[first:stop])

    def covers(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> bool:
        """Tell whether files answer for every moment of [start_ms, end_ms)."""
        for segment in self.within(symbol, interval, start_ms, end_ms):
            if segment.start_ms > start_ms:
                return False
            start_ms = segment.end_ms
        return start_ms >= end_ms


def scan(folders: Iterable[Path]) -> Catalogue:
    """Find the files below the folders.

    Raises:
        InvalidParameter: a folder is not there, or no folder holds a file.
    """
    found: list[ArchiveFile] = []
    listed = list(folders)
    for folder in listed:
        if not folder.is_dir():
            raise InvalidParameter("--data", str(folder), "a folder")
        for root, names, files in os.walk(folder, followlinks=True):
            names.sort()
            parsed = (parse_file(Path(root, name)) for name in sorted(files))
            found += [file for file in parsed if file is not None]
    if not found:
        raise InvalidParameter(
            "--data",
            ", ".join(map(str, listed)),
            "a folder with files named SYMBOL-INTERVAL-YYYY-MM[-DD].zip below it",
        )
    return Catalogue(found)
