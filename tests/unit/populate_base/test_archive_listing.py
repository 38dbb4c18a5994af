"""Pages of the archive's listing."""

from __future__ import annotations

import pytest

from market.errors import DataError
from market.times import parse_time_ms
from populate_base.archive_listing import ArchiveObject, parse_listing

FOLDER = "data/spot/monthly/klines/BTCUSDT/1m/"
KEY = f"{FOLDER}BTCUSDT-1m-2021-01.zip"


def page(inside: str, *, is_cut: bool = False) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>data.binance.vision</Name><IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        f"{inside}</ListBucketResult>"
    ).encode()


def entry(key: str) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2022-08-11T09:23:12.000Z</LastModified>"
        "<ETag>&quot;0123abc&quot;</ETag><Size>2501234</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def test_objects_have_size_etag_and_time() -> None:
    found = parse_listing(page(entry(KEY)))

    modified_ms = parse_time_ms("time", "2022-08-11T09:23:12Z")
    assert found.objects == [ArchiveObject(KEY, 2_501_234, "0123abc", modified_ms)]
    assert found.next_marker is None


def test_folders_are_named() -> None:
    inside = "".join(
        f"<CommonPrefixes><Prefix>data/{name}/</Prefix></CommonPrefixes>" for name in ("A", "B")
    )

    assert parse_listing(page(inside)).folders == ["data/A/", "data/B/"]


def test_a_cut_page_goes_on_after_its_last_key() -> None:
    assert parse_listing(page(entry(KEY), is_cut=True)).next_marker == KEY
    named = "<NextMarker>next</NextMarker>"
    assert parse_listing(page(entry(KEY) + named, is_cut=True)).next_marker == "next"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>blocked</html>",
        b"<Error><Code>AccessDenied</Code></Error>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        page("<Contents><Key>a</Key></Contents>"),
        page(entry(KEY).replace("2501234", "much")),
        page(entry(KEY).replace("2022-08-11T09:23:12.000Z", "soon")),
        page("", is_cut=True),
    ],
    ids=["empty", "html", "error", "entities", "no size", "size", "time", "nothing follows"],
)
def test_what_is_no_listing_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="the archive's listing"):
        parse_listing(content)
