"""What decides which documents a row becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from forecast_sink.documents import Document, StepChoice
from forecast_sink.indices import IndexPlan
from market.interval import DAY_MS
from market.store import Store
from market.store import tables as t

#: The documents of each key, or the reason why a key can't have any.
Found = dict[str, list[Document] | str]


class Scope(NamedTuple):
    """What is indexed at a moment, `now_ms` of the exchange.

    Attributes:
        klines: how many klines of each series.
        keep_from_ms: forecasts, signals and events of before it are left out.
    """

    choice: StepChoice
    klines: int
    now_ms: int
    keep_from_ms: int


class Choices(NamedTuple):
    """What the installation wants to be indexed; `keep_days` 0 is without an end."""

    steps: StepChoice = StepChoice()
    klines: int = 5000
    keep_days: int = 400

    def read_scope(self, connection: Connection, now_ms: int) -> Scope:
        """Return what that means now.

        Age is counted from the newest forecast, not from a clock: one that is wrong by years
        must not empty an index.
        """
        f = t.forecasts.c
        newest = connection.execute(
            select(f.made_at_ms).order_by(f.id.desc()).limit(1)
        ).scalar_one_or_none()
        keep_from_ms = 0
        if self.keep_days and newest is not None:
            keep_from_ms = newest - self.keep_days * DAY_MS
        return Scope(self.steps, self.klines, now_ms, keep_from_ms)


Reader = Callable[[Connection, Sequence[str], Scope], Found]


class Source(NamedTuple):
    """One index and where its documents come from.

    Attributes:
        read: the index' own documents of keys, from one connection.
        iter_keys: the keys of all documents that belong in the index, in pages.
        spread: what an announcement of keys changes, where that is more than its own index.
    """

    plan: IndexPlan
    read: Reader
    iter_keys: Callable[[Store, Scope], Iterator[list[str]]]
    spread: Reader | None = None
