"""The public archive as the S3 bucket it is: objects, ranges, and listings."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from binance_simulator.catalogue import ArchiveFile, Catalogue
from binance_simulator.faults.board import Faults
from binance_simulator.faults.files import HeaderRow, LatePublication, MissingFile, Odd, TimeUnit
from binance_simulator.faults.when import Asked
from binance_simulator.objects import Objects
from market.interval import HOUR_MS
from market.times import format_time

#: Keys and common prefixes of one listing, at most.
MAX_KEYS = 1000
_CHECKSUM = ".CHECKSUM"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")


class StoredObject(NamedTuple):
    """An object: its MD5 as S3's ETag, its size, when it was published; `read` gives its bytes."""

    etag: str
    size: int
    published_ms: int
    read: Callable[[], bytes]


class Listing(NamedTuple):
    """One page: objects and common prefixes in one order; `next_marker` where more follow."""

    objects: list[tuple[str, StoredObject]]
    prefixes: list[str]
    next_marker: str | None


class Bucket:
    """The objects that exist at a moment: those whose day or month has ended by then."""

    def __init__(self, catalogue: Catalogue, faults: Faults) -> None:
        self._catalogue = catalogue
        self._faults = faults
        self._objects = Objects()

    def read(self, key: str, now_ms: int) -> StoredObject | None:
        """Return an object, or `None` where it does not exist, or not yet.

        Raises:
            DataError: a fault strikes a file that is damaged on the disk.
        """
        file = self._catalogue.find(key.removesuffix(_CHECKSUM))
        return None if file is None else self._stored(file, key, now_ms)

    def list(
        self, now_ms: int, prefix: str = "", delimiter: str = "", marker: str = "",
        max_keys: int = MAX_KEYS,
    ) -> Listing:  # fmt: skip
        """Return the page of keys after `marker`, those that share a folder rolled up."""
        if max_keys == 0:
            return Listing([], [], None)
        published = self._catalogue.listed
        position = _position(published, max(prefix, marker.removesuffix(_CHECKSUM)))
        found: dict[str, StoredObject] = {}
        prefixes: list[str] = []
        while position < len(published) and published[position][0].startswith(prefix):
            file_key, file = published[position]
            position += 1
            for key in (file_key, file_key + _CHECKSUM):
                folder = _folder(key, prefix, delimiter)
                if key <= marker or (folder and folder <= max([marker, *prefixes[-1:]])):
                    continue
                stored = self._stored(file, key, now_ms)
                if stored is None:
                    continue
                if len(found) + len(prefixes) == max_keys:
                    return Listing([*found.items()], prefixes, max([*found, *prefixes]))
                if folder:
                    prefixes.append(folder)
                    # The next key outside: nothing in a key is greater than U+10FFFF.
                    position = _position(published, folder + "\U0010ffff")
                else:
                    found[key] = stored
        return Listing([*found.items()], prefixes, None)

    def asked(self, key: str) -> Asked:
        """Return what a request for an object asks for."""
        file = self._catalogue.find(key.removesuffix(_CHECKSUM))
        if file is None:
            return Asked(f"/{key}")
        return Asked(f"/{key}", file.symbol, file.interval, file.source)

    def _stored(self, file: ArchiveFile, key: str, now_ms: int) -> StoredObject | None:
        asked = Asked(f"/{file.key}", file.symbol, file.interval, file.source)
        late = self._faults.holding(LatePublication, asked, file.key)
        published_ms = file.end_ms + int(sum(fault.hours for fault in late) * HOUR_MS)
        if published_ms > now_ms or any(
            fault.start <= file.start_ms < fault.end
            for fault in self._faults.holding(MissingFile, asked, file.key)
        ):
            return None
        odd: list[Odd] = [
            *self._faults.holding(HeaderRow, asked, file.key),
            *self._faults.holding(TimeUnit, asked, file.key),
        ]
        view = self._faults.view(file.source, file.symbol)
        content = self._objects.content(file, view, odd)
        if content is None:
            return None
        changed_ms = self._faults.changed_ms(file.source, file.symbol)
        told_ms = max(published_ms, changed_ms)
        if key.endswith(_CHECKSUM):
            facts, checksum = content.checksum_facts, content.checksum
            return StoredObject(facts.etag, facts.size, told_ms, lambda: checksum)
        return StoredObject(content.zip.etag, content.zip.size, told_ms, content.read)


def _position(published: Sequence[tuple[str, ArchiveFile]], key: str) -> int:
    return bisect_left(published, key, key=lambda listed: listed[0])


def _folder(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + found if found else ""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the half-open byte range a Range header asks for, or `None` where it has none.

    A header that is not one range of bytes is ignored, as S3 does.

    Raises:
        ValueError: the range lies outside the object (416).
    """
    match = _RANGE.fullmatch(header)
    if match is None or match["first"] == match["last"] == "":
        return None
    if match["first"] == "":
        start, stop = max(0, size - int(match["last"])), size
    else:
        start = int(match["first"])
        stop = min(int(match["last"]) + 1, size) if match["last"] else size
    if match["first"] and match["last"] and int(match["last"]) < start:
        return None
    if start >= size or start >= stop:
        raise ValueError(header)
    return start, stop


def no_such_key(key: str, request_id: str) -> bytes:
    """Return the body for a key that does not exist."""
    return _error_body("NoSuchKey", "The specified key does not exist.", request_id, Key=key)


def invalid_argument(name: str, value: str, request_id: str) -> bytes:
    """Return the body for a listing's parameter that is not valid."""
    message = f"Provided {name} not an integer or within integer range"
    return _error_body(
        "InvalidArgument", message, request_id, ArgumentName=name, ArgumentValue=value
    )


def invalid_range(header: str, size: int, request_id: str) -> bytes:
    """Return the body for a range outside the object."""
    return _error_body(
        "InvalidRange",
        "The requested range is not satisfiable",
        request_id,
        RangeRequested=header,
        ActualObjectSize=str(size),
    )


def _error_body(code: str, message: str, request_id: str, **details: str) -> bytes:
    told = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in details.items())
    return (
        f"{_DECLARATION}<Error><Code>{code}</Code><Message>{message}</Message>{told}"
        f"<RequestId>{request_id}</RequestId><HostId>simulator</HostId></Error>"
    ).encode()


def render_listing(listing: Listing, asked: Mapping[str, str], max_keys: int) -> bytes:
    """Return the XML of a page; `asked` holds prefix, delimiter and marker as sent."""
    delimiter = asked.get("delimiter", "")
    parts = [
        _DECLARATION,
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
        "<Name>data.binance.vision</Name>",
        f"<Prefix>{escape(asked.get('prefix', ''))}</Prefix>",
        f"<Marker>{escape(asked.get('marker', ''))}</Marker>",
    ]
    # S3 names the next marker only where there is a delimiter; else it is the last key.
    if listing.next_marker is not None and delimiter:
        parts.append(f"<NextMarker>{escape(listing.next_marker)}</NextMarker>")
    parts.append(f"<MaxKeys>{max_keys}</MaxKeys>")
    if delimiter:
        parts.append(f"<Delimiter>{escape(delimiter)}</Delimiter>")
    parts.append(f"<IsTruncated>{str(listing.next_marker is not None).lower()}</IsTruncated>")
    for key, stored in listing.objects:
        parts.append(
            f"<Contents><Key>{escape(key)}</Key>"
            f"<LastModified>{format_time(stored.published_ms)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )
    for prefix in listing.prefixes:
        parts.append(f"<CommonPrefixes><Prefix>{escape(prefix)}</Prefix></CommonPrefixes>")
    return "".join([*parts, "</ListBucketResult>"]).encode()
