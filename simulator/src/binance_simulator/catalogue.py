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
#: data, spot, daily, klines, SYMBOL, INTERVAL, NAME.
_KEY_PARTS = 7
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
        return f"data/spot/{period}/klines/{self.symbol}/{folder}/{self.name}"

    @property
    def name(self) -> str:
        """The object's name: that of the file on disk, under the symbol it is served as."""
        return f"{self.symbol}-{self.path.name.partition('-')[2]}"

    @property
    def source(self) -> str:
        """Where a kline of this file comes from, as the store names it."""
        return "archive_daily" if self.is_daily else "archive_monthly"


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
    """All files, by key and by series. Where two have one name, the first folder's counts.

    An alias is a symbol that is served another one's files; both are symbols like any other.
    """

    def __init__(self, files: Iterable[ArchiveFile]) -> None:
        self._aliases: dict[str, str] = {}
        self._listed: list[tuple[str, ArchiveFile]] | None = None
        self.by_key: dict[str, ArchiveFile] = {}
        for file in files:
            self.by_key.setdefault(file.key, file)
        grouped: dict[tuple[str, Interval], list[ArchiveFile]] = {}
        for file in self.by_key.values():
            grouped.setdefault((file.symbol, file.interval), []).append(file)
        self.segments = {series: plan_segments(members) for series, members in grouped.items()}

    def add_alias(self, alias: str, symbol: str) -> None:
        """Serve a symbol's files under one more name.

        Raises:
            InvalidParameter: there are no files of the symbol, or the name is taken.
        """
        if not self.knows(symbol):
            raise InvalidParameter("alias", f"{alias}={symbol}", f"a symbol with files: {symbol}")
        if self.knows(alias) and self._aliases.get(alias) != self.origin(symbol):
            raise InvalidParameter("alias", f"{alias}={symbol}", f"a name not in use: {alias}")
        self._aliases[alias] = self.origin(symbol)
        self._listed = None

    def origin(self, symbol: str) -> str:
        """Return the symbol whose files are served for a symbol."""
        return self._aliases.get(symbol, symbol)

    def knows(self, symbol: str) -> bool:
        """Tell whether there are files of a symbol."""
        return self.origin(symbol) in self._originals

    @property
    def symbols(self) -> list[str]:
        """Every symbol there is a file of, ascending."""
        return sorted(self._originals | set(self._aliases))

    @cached_property
    def _originals(self) -> frozenset[str]:
        return frozenset(symbol for symbol, _ in self.segments)

    @property
    def listed(self) -> list[tuple[str, ArchiveFile]]:
        """Every zip of the archive under its key, ascending."""
        if self._listed is None:
            of_symbol: dict[str, list[ArchiveFile]] = {}
            for file in self.by_key.values():
                of_symbol.setdefault(file.symbol, []).append(file)
            files = list(self.by_key.values())
            for alias, symbol in self._aliases.items():
                files += [file._replace(symbol=alias) for file in of_symbol[symbol]]
            self._listed = sorted((file.key, file) for file in files)
        return self._listed

    def find(self, key: str) -> ArchiveFile | None:
        """Return the zip of a key, or `None` where there is none."""
        file = self.by_key.get(key)
        if file is None and len(parts := key.split("/")) == _KEY_PARTS:
            alias, symbol = parts[4], self.origin(parts[4])
            file = self.by_key.get(key.replace(alias, symbol)) if alias != symbol else None
            return file._replace(symbol=alias) if file is not None else None
        return file

    def of(self, symbol: str, interval: Interval) -> Sequence[Segment]:
        """Return the segments of a series, ascending."""
        return self.segments.get((self.origin(symbol), interval), ())

    def native_intervals(self, symbol: str) -> list[Interval]:
        """Return the intervals there are files of, the highest first."""
        origin = self.origin(symbol)
        return [i for i in reversed(Interval) if (origin, i) in self.segments]

    def within(self, symbol: str, interval: Interval, start_ms: int, end_ms: int) -> list[Segment]:
        """Return the segments that meet [start_ms, end_ms), ascending."""
        segments = self.of(symbol, interval)
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
