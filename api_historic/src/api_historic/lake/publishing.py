"""Publishing closed months from the store into a lake, and comparing the two."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from api_historic.lake.lake import IndexEntry, Lake, LakeObject, month_of_lake
from api_historic.lake.parquet_month import equals_rows, read_description, write_month
from api_historic.segments.month_rows import month_pages
from market.errors import DataError
from market.store import Store
from market.store.kline_months import MonthStamp, read_closed_months
from market.store.symbols import Series

#: After so many files the index is put, so that little is looked into again after a kill.
_FILES_AN_INDEX = 12


class Put(StrEnum):
    """What became of a month's file."""

    WRITTEN = "written"
    REPLACED = "replaced"
    KEPT = "kept"


class Finding(StrEnum):
    """How a month in the lake compares with the store."""

    EQUAL = "equal"
    MISSING = "missing"
    RESTATED = "restated"
    DAMAGED = "damaged"
    DIFFERENT = "different"
    EXTRA = "extra"


class Checked(NamedTuple):
    """A month of a series and what was found."""

    month: str
    finding: Finding


def publish_series(store: Store, lake: Lake, series: Series) -> Counter[Put]:
    """Put the closed months of a series that the lake has not in their present state.

    Raises:
        StoreUnavailable, ServiceUnavailable: what was put stays; doing it again goes on there.
        Conflict: the lake's folder is another series'.
    """
    return _Publication(store, lake, series).run()


class _Publication:
    def __init__(self, store: Store, lake: Lake, series: Series) -> None:
        self._store = store
        self._lake = lake
        self._series = series
        self._index = lake.read_index(series)
        self._held = lake.list_months(series)

    def run(self) -> Counter[Put]:
        done: Counter[Put] = Counter()
        unsaved = 0
        for month in _read_closed(self._store, self._series):
            before = self._index.months.get(month_of_lake(month))
            done[self._publish(month)] += 1
            unsaved += before != self._index.months.get(month_of_lake(month))
            if unsaved >= _FILES_AN_INDEX:
                self._lake.write_index(self._series, self._index)
                unsaved = 0
        if unsaved:
            self._lake.write_index(self._series, self._index)
        return done

    def _publish(self, month: MonthStamp) -> Put:
        held = self._held.get(month_of_lake(month))
        if held is not None and self._is_known(held, month):
            return Put.KEPT
        with tempfile.TemporaryDirectory(prefix="klinecast-lake-") as scratch:
            file = Path(scratch) / "month.parquet"
            if held is not None and self._is_equal(held, month, file):
                return Put.KEPT
            self._put(month, file)
        return Put.WRITTEN if held is None else Put.REPLACED

    def _is_known(self, held: LakeObject, month: MonthStamp) -> bool:
        known = self._index.months.get(month_of_lake(month))
        if known is None or known.mark is None:
            return False
        return (known.stamp, known.mark, known.bytes) == (month.stamp, held.mark, held.bytes)

    def _is_equal(self, held: LakeObject, month: MonthStamp, file: Path) -> bool:
        """Compare a file that the index does not know; add it where nothing is to be put."""
        self._lake.fetch(held, file)
        try:
            said = read_description(file)
            with self._store.read() as connection:
                state = _read_state(connection, self._series, month)
                if not said.is_of(self._series, month) or state != month:
                    return False
                with month_pages(connection, self._series, month.month) as pages:
                    if not equals_rows(file, pages):
                        return False
        except DataError:
            return False
        self._note(month, said.rows, file, held.mark)
        return True

    def _put(self, month: MonthStamp, file: Path) -> None:
        """Put a month until the store has no newer state of it than the one that was put."""
        state: MonthStamp | None = month
        while state is not None:
            with self._store.read() as connection:
                state = _read_state(connection, self._series, month)
                if state is None:  # it is not closed any more, which only a hand can bring about
                    return
                with month_pages(connection, self._series, month.month) as pages:
                    rows = write_month(file, self._series, state, pages)
            mark = self._lake.put(self._series, month_of_lake(month), file)
            self._note(state, rows, file, mark)
            with self._store.read() as connection:
                newest = _read_state(connection, self._series, month)
            state = None if newest == state else newest

    def _note(self, month: MonthStamp, rows: int, file: Path, mark: str | None) -> None:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = file.stat().st_size
        entry = IndexEntry(stamp=month.stamp, rows=rows, bytes=size, sha256=digest, mark=mark)
        self._index.months[month_of_lake(month)] = entry


def verify_series(store: Store, lake: Lake, series: Series) -> Iterator[Checked]:
    """Compare every file of a series with the store, row by row, and every month with the files.

    Raises:
        StoreUnavailable, ServiceUnavailable: not everything was compared.
    """
    held = lake.list_months(series)
    closed = {month_of_lake(month): month for month in _read_closed(store, series)}
    for name in sorted({*held, *closed}):
        yield Checked(name, _compare(store, lake, series, closed.get(name), held.get(name)))


def _compare(
    store: Store,
    lake: Lake,
    series: Series,
    month: MonthStamp | None,
    held: LakeObject | None,
) -> Finding:
    if month is None:
        return Finding.EXTRA
    if held is None:
        return Finding.MISSING
    with tempfile.TemporaryDirectory(prefix="klinecast-lake-") as scratch:
        file = Path(scratch) / "month.parquet"
        lake.fetch(held, file)
        try:
            said = read_description(file)
            with store.read() as connection:
                state = _read_state(connection, series, month)
                if state is None or not said.is_of(series, state):
                    return Finding.RESTATED
                with month_pages(connection, series, month.month) as pages:
                    return Finding.EQUAL if equals_rows(file, pages) else Finding.DIFFERENT
        except DataError:
            return Finding.DAMAGED


def _read_closed(store: Store, series: Series) -> list[MonthStamp]:
    with store.read() as connection:
        return read_closed_months(connection, series, None, None)


def _read_state(connection: Connection, series: Series, month: MonthStamp) -> MonthStamp | None:
    """Return a month as it is now, `None` where it is not closed."""
    closed = read_closed_months(connection, series, *month.month)
    return next((one for one in closed if one.month == month.month), None)
