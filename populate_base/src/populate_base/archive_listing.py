"""The archive's listing: which files its bucket has, page by page.

Source: Amazon S3 API reference, "ListObjects" (version 1): at most 1,000 keys a page, the
next page begins after `marker`.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree import ElementTree

from market.errors import DataError, InvalidParameter
from market.times import parse_time_ms

_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class ArchiveObject(NamedTuple):
    """An object of the bucket: its key, bytes, ETag and when it was last written."""

    key: str
    size: int
    etag: str
    modified_ms: int


class ListingPage(NamedTuple):
    """One page: objects and folders below the prefix; `next_marker` where more follow."""

    objects: list[ArchiveObject]
    folders: list[str]
    next_marker: str | None


def parse_listing(content: bytes) -> ListingPage:
    """Return a page of the listing.

    Raises:
        DataError: the content is not a listing.
    """
    # A listing declares no entities; a document that does is none, and may be a bomb.
    if b"<!DOCTYPE" in content:
        raise DataError(f"the archive's listing is not one: {content[:120]!r}")
    try:
        root = ElementTree.fromstring(content)
        if root.tag != f"{_NAMESPACE}ListBucketResult":
            raise DataError(f"the archive's listing is not one: {content[:120]!r}")
        objects = [_read_object(entry) for entry in root.iter(f"{_NAMESPACE}Contents")]
        folders = [_text(entry, "Prefix") for entry in root.iter(f"{_NAMESPACE}CommonPrefixes")]
        is_cut = _text(root, "IsTruncated") == "true"
    except (ElementTree.ParseError, ValueError, InvalidParameter) as error:
        raise DataError(f"the archive's listing cannot be read: {error}") from error
    return ListingPage(objects, folders, _next_marker(root, objects, folders) if is_cut else None)


def _next_marker(
    root: ElementTree.Element, objects: list[ArchiveObject], folders: list[str]
) -> str:
    # Only a listing by folders names the next marker; else it is the last key.
    named = root.findtext(f"{_NAMESPACE}NextMarker")
    last = max([*(entry.key for entry in objects[-1:]), *folders[-1:]], default="")
    if not (named or last):
        raise DataError("the archive's listing says that more follows, and not after what")
    return named or last


def _read_object(entry: ElementTree.Element) -> ArchiveObject:
    return ArchiveObject(
        _text(entry, "Key"),
        int(_text(entry, "Size")),
        _text(entry, "ETag").strip('"'),
        parse_time_ms("LastModified", _text(entry, "LastModified")),
    )


def _text(entry: ElementTree.Element, name: str) -> str:
    found = entry.findtext(_NAMESPACE + name)
    if found is None:
        raise ValueError(f"{name} is missing")
    return found
