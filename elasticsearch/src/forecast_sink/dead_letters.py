"""Dead letters: what Elasticsearch refused for good, kept until somebody decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from market.errors import NotFound
from market.store import Store
from market.store.outbox import (
    DeadLetter,
    drop_dead_letters,
    read_dead_letters,
    retry_dead_letters,
)
from market.times import format_time


def read(store: Store) -> list[dict[str, Any]]:
    """Return the dead letters, newest first, as JSON shows them."""
    with store.read() as connection:
        letters = read_dead_letters(connection)
    return [
        {
            "index": letter.index_name,
            "key": letter.key,
            "reason": letter.reason,
            "failed_at": format_time(letter.failed_at_ms),
        }
        for letter in letters
    ]


def retry(store: Store, keys: Sequence[str] | None, now_ms: int) -> int:
    """Announce the letters of those keys, or all, once more at that time; return how many.

    Raises:
        NotFound: there is no dead letter of one of the keys; none was announced.
    """
    letters = _find(store, keys)
    return store.transact(lambda connection: retry_dead_letters(connection, letters, now_ms))


def drop(store: Store, keys: Sequence[str] | None) -> int:
    """Forget the letters of those keys, or all; return how many.

    Raises:
        NotFound: there is no dead letter of one of the keys; none was dropped.
    """
    letters = _find(store, keys)
    return store.transact(lambda connection: drop_dead_letters(connection, letters))


def _find(store: Store, keys: Sequence[str] | None) -> list[DeadLetter]:
    with store.read() as connection:
        letters = read_dead_letters(connection)
    if keys is None:
        return letters
    known = {letter.key for letter in letters}
    for key in keys:
        if key not in known:
            raise NotFound(
                f"there is no dead letter {key!r}", hint="`forecast-sink dead list` shows them."
            )
    return [letter for letter in letters if letter.key in set(keys)]
