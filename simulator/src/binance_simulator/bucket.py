"""The public archive as the S3 bucket it is: objects, ranges, and listings."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from binance_simulator.catalogue import Catalogue
from market.times import format_time

#: Keys and common prefixes of one listing, at most.
MAX_KEYS = 1000
_CHECKSUM = ".CHECKSUM"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")


class StoredObject(NamedTuple):
    """An object: its bytes, their MD5 as S3's ETag, and when it was published."""

    content: bytes
    etag: str
    published_ms: int


class Listing(NamedTuple):
    """One page: keys and common prefixes in one order; `next_marker` where more follow."""

    keys: list[tuple[str, int]]
    prefixes: list[str]
    next_marker: str | None


class Bucket:
    """The objects that exist at a moment: those whose day or month has ended by then."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def read(self, key: str, now_ms: int) -> StoredObject | None:
        """Return an object, or `None` where it does not exist, or not yet."""
        file = self._catalogue.by_key.get(key.removesuffix(_CHECKSUM))
        if file is None or file.end_ms > now_ms:
            return None
        content = read_content(file.path, checksum=key.endswith(_CHECKSUM))
        return StoredObject(
            content, hashlib.md5(content, usedforsecurity=False).hexdigest(), file.end_ms
        )

    def list(
        self, now_ms: int, prefix: str = "", delimiter: str = "", marker: str = "",
        max_keys: int = MAX_KEYS,
    ) -> Listing:  # fmt: skip
        """Return the page of keys after `marker`, those that share a folder rolled up."""
        if max_keys == 0:
            return Listing([], [], None)
        published = self._catalogue.keys
        position = max(
            bisect_left(published, (prefix, 0)), bisect_right(published, (marker, 1 << 62))
        )
        keys: list[tuple[str, int]] = []
        prefixes: list[str] = []
        while position < len(published) and published[position][0].startswith(prefix):
            key, published_ms = published[position]
            folder = _folder(key, prefix, delimiter)
            skip = published_ms > now_ms or (folder and folder <= marker)
            if not skip and len(keys) + len(prefixes) == max_keys:
                last = max(keys[-1][0] if keys else "", prefixes[-1] if prefixes else "")
                return Listing(keys, prefixes, last)
            position += 1
            if skip:
                continue
            if folder:
                prefixes.append(folder)
                # The next key outside the folder: nothing in a key is greater than U+10FFFF.
                position = bisect_left(published, (folder + "\U0010ffff", 0))
            else:
                keys.append((key, published_ms))
        return Listing(keys, prefixes, None)


def _folder(key: str, prefix: str, delimiter: str) -> str:
    if not delimiter:
        return ""
    head, found, _ = key[len(prefix) :].partition(delimiter)
    return prefix + head + found if found else ""


@lru_cache(maxsize=4096)
def _checksum(path: Path, _changed_ns: int) -> bytes:
    beside = path.with_name(path.name + _CHECKSUM)
    if beside.is_file():
        return beside.read_bytes()
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n".encode()


def read_content(path: Path, *, checksum: bool) -> bytes:
    """Return a zip, or its checksum file: the one beside it, else one made for it."""
    return _checksum(path, path.stat().st_mtime_ns) if checksum else path.read_bytes()


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


def render_listing(
    listing: Listing, asked: Mapping[str, str], max_keys: int, bucket: Bucket
) -> bytes:
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
    for key, published_ms in listing.keys:
        stored = bucket.read(key, published_ms)
        if stored is not None:
            parts.append(
                f"<Contents><Key>{escape(key)}</Key>"
                f"<LastModified>{format_time(published_ms)}</LastModified>"
                f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{len(stored.content)}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
    for prefix in listing.prefixes:
        parts.append(f"<CommonPrefixes><Prefix>{escape(prefix)}</Prefix></CommonPrefixes>")
    return "".join([*parts, "</ListBucketResult>"]).encode()
