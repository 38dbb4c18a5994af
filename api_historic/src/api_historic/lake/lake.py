"""The objects of a lake: Parquet files of months, and an index beside those of each series.

    klines/symbol=BTCUSDT/interval=1h/2024-03.parquet
    klines/symbol=BTCUSDT/interval=1h/_index.json

The index only spares reading every file: it names the mark that the store gave an object when
it was put, so an object that was put by somebody else since is looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import obstore
from obstore.exceptions import BaseError, NotFoundError
from pydantic import BaseModel, ConfigDict, ValidationError

from market.errors import Conflict, ServiceUnavailable
from market.object_store import open_objects
from market.store.kline_months import MonthStamp
from market.store.symbols import Series
from market.times import format_time

_INDEX = "_index.json"
_PART_BYTES = 8 << 20


class IndexEntry(BaseModel):
    """A month's file as it was put."""

    model_config = ConfigDict(frozen=True)

    stamp: int
    rows: int
    bytes: int
    sha256: str
    mark: str | None


class Index(BaseModel):
    """The files of a series by month, `YYYY-MM`."""

    symbol: str
    interval: str
    months: dict[str, IndexEntry]


class LakeObject(BaseModel):
    """An object as the store lists it; `mark` changes with its content."""

    model_config = ConfigDict(frozen=True)

    path: str
    bytes: int
    mark: str | None


class Lake:
    """A lake at a URL. Every call may raise `ServiceUnavailable`: its store does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._objects = open_objects("--to", url)

    def read_index(self, series: Series) -> Index:
        """Return the index of a series; an empty one where there is none that can be read.

        Raises:
            Conflict: the folder is another series': it does not tell 1m from 1M.
        """
        nothing = Index(symbol=series.symbol, interval=series.interval.value, months={})
        with self._answering():
            try:
                content = bytes(obstore.get(self._objects, _folder(series) + _INDEX).bytes())
            except (NotFoundError, FileNotFoundError):
                return nothing
        try:
            index = Index.model_validate_json(content)
        except ValidationError:
            return nothing
        if (index.symbol, index.interval) != (series.symbol, series.interval.value):
            raise Conflict(
                f"{self._url}/{_folder(series)} holds {index.symbol} {index.interval},"
                f" not {series.symbol} {series.interval}",
                hint="Publish to a disk whose names tell upper from lower case.",
            )
        return index

    def write_index(self, series: Series, index: Index) -> None:
        """Put the index of a series."""
        with self._answering():
            content = index.model_dump_json(indent=1).encode()
            obstore.put(self._objects, _folder(series) + _INDEX, content)

    def list_months(self, series: Series) -> dict[str, LakeObject]:
        """Return the files of a series by month, `YYYY-MM`."""
        found: dict[str, LakeObject] = {}
        with self._answering():
            try:
                for page in obstore.list(self._objects, _folder(series)):
                    for item in page:
                        _, _, name = str(item["path"]).rpartition("/")
                        month, _, kind = name.partition(".")
                        if kind == "parquet":
                            path = month_path(series, month)
                            mark = item.get("e_tag")
                            found[month] = LakeObject(path=path, bytes=item["size"], mark=mark)
            except (NotFoundError, FileNotFoundError):
                return {}
        return found

    def put(self, series: Series, month: str, file: Path) -> str | None:
        """Put a month's file in place of one that is there, whole or not at all."""
        with self._answering():
            result = obstore.put(
                self._objects, month_path(series, month), file, chunk_size=_PART_BYTES
            )
        mark: str | None = result.get("e_tag")
        return mark

    def fetch(self, held: LakeObject, file: Path) -> None:
        """Copy an object into a file."""
        with self._answering(), file.open("wb") as copy:
            for part in obstore.get(self._objects, held.path).stream(min_chunk_size=_PART_BYTES):
                copy.write(part)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except BaseError as error:
            words = str(error).strip().splitlines() or [type(error).__name__]
            raise ServiceUnavailable(
                f"the lake at {self._url} does not answer: {words[0]}",
                hint="Correct --to and the AWS_ variables.",
            ) from error


def month_of_lake(month: MonthStamp) -> str:
    """Return a month's name in the lake, `YYYY-MM`."""
    return format_time(month.month.start_ms)[:7]


def month_path(series: Series, month: str) -> str:
    """Return where the file of a month is."""
    return f"{_folder(series)}{month}.parquet"


def _folder(series: Series) -> str:
    # Readers take the parts' names for columns, and what is quoted in them back.
    return f"klines/symbol={quote(series.symbol, safe='')}/interval={series.interval}/"
