"""How long an answer may be kept, and whether the one a client keeps is still true. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

from market.gaps import Gap

#: A range of closed months stays true until it is restated, which is rare: an hour passes
#: before it is asked for again, and for a day more the old one may be shown meanwhile.
CLOSED = "public, max-age=3600, stale-while-revalidate=86400"
#: All else is asked for again each time.
OPEN = "no-cache"
#: Bodies up to so many bytes are told apart by their digest.
DIGEST_BYTES = 256 * 1024


def closed_etag(key: str, months: Iterable[Sequence[int]], gaps: Iterable[Sequence[Gap]]) -> str:
    """Return the tag of an answer to `key` over months of those stamps, series by series.

    The gaps told are part of it: their causes change without any kline.
    """
    told = repr((key, [list(stamps) for stamps in months], [list(some) for some in gaps]))
    return _etag(told.encode())


def body_etag(body: bytes) -> str:
    """Return the tag of these very bytes."""
    return _etag(body)


def is_known(etag: str, if_none_match: str | None) -> bool:
    """Tell whether a client that sent `If-None-Match` keeps the answer of that tag."""
    if if_none_match is None:
        return False
    tags = [tag.strip() for tag in if_none_match.split(",")]
    return "*" in tags or etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in tags]


def _etag(told: bytes) -> str:
    # Weak: the same answer may come compressed in one way or another.
    return f'W/"{blake2b(told, digest_size=16).hexdigest()}"'
