"""Reading what announcements speak of: the store's rows, as documents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from forecast_sink.documents import Document
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Scope
from market.store.outbox import Announcement


class Letter(NamedTuple):
    """An announcement with its documents, or with the reason why it can't have any."""

    announcement: Announcement
    documents: list[Document]
    refusal: str = ""


def read_letters(
    connection: Connection, announcements: Sequence[Announcement], scope: Scope
) -> list[Letter]:
    """Return a letter for each announcement, in their order.

    A row that the store no longer holds becomes a removal; a key that names nothing
    becomes a refusal.
    """
    by_index: dict[str, list[Announcement]] = defaultdict(list)
    for announcement in announcements:
        by_index[announcement.index_name].append(announcement)
    letters: dict[Announcement, Letter] = {}
    for index, own in by_index.items():
        source = SOURCES.get(index)
        if source is None:
            letters |= {one: Letter(one, [], "there is no such index") for one in own}
            continue
        read = source.spread or source.read
        found = read(connection, [one.key for one in own], scope)
        for one in own:
            documents = found[one.key]
            if isinstance(documents, str):
                letters[one] = Letter(one, [], documents)
            else:
                letters[one] = Letter(one, documents)
    return [letters[announcement] for announcement in announcements]
