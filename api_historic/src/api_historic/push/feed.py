"""What is new in the store since a position, as events in the order in which it was stored."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from api_historic.push.batches import (
    Batch,
    Brought,
    not_told,
    read_brought,
    select_batches,
)
from api_historic.push.events import KINDS, Event, Kind, told_forecast, told_history, told_klines
from api_historic.push.position import Position, Tail, replayed, tail_of
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.symbols import VENUE, Series

#: Rows of a table that one look takes in.
LOOK = 2_000
#: Rows below the newest that a first look waits for: their transactions may still be open.
_BEHIND = 1_000
#: How long a number that was skipped is waited for: no transaction is open for so long.
MISSING_S = 900.0
#: Batches and forecasts that a resumed listener is told; who missed more has to read it.
MOST_REPLAYED = 5_000
MOST_REPLAYED_KLINES = 50_000


class Wanted(NamedTuple):
    """What a listener wants; `None` is everything."""

    symbol_ids: frozenset[int] | None = None
    interval_ids: frozenset[int] | None = None
    kinds: frozenset[Kind] = frozenset(KINDS)

    def wants(self, event: Event) -> bool:
        """Tell whether an event concerns the listener."""
        if event.kind is None:
            return True
        return (
            event.kind in self.kinds
            and (self.symbol_ids is None or event.symbol_id in self.symbol_ids)
            and (self.interval_ids is None or event.interval_id in self.interval_ids)
        )


class News(NamedTuple):
    """Events in order, the position behind them, and whether there is more already.

    `was_reset` tells that the store holds less than was told: another one, or an older copy.
    """

    events: list[Event]
    position: Position
    has_more: bool = False
    was_reset: bool = False


class Replay(NamedTuple):
    """What a resumed listener missed, or why that can't be told."""

    events: list[Event]
    refusal: str | None = None


class Feed:
    """Looks into one store. One look at a time; `read_replay` at any time, from any thread."""

    def __init__(self, store: Store, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic = monotonic
        self._names: dict[int, str] = {}
        self._seen: deque[tuple[float, Position]] = deque()

    def read_newest(self) -> Position:
        """Return the position behind everything that is stored."""
        with self._store.read() as connection:
            tails = [_newest_tail(connection, table) for table in (t.ingest_batches, t.forecasts)]
        return self._settled(Position(*tails))

    def read_news(self, before: Position) -> News:
        """Return what was stored since a position; one cheap query where that is nothing."""
        with self._store.read() as connection:
            newest = _read_newest(connection)
            if newest[0] < before.klines.newest or newest[1] < before.forecasts.newest:
                tails = [_newest_tail(connection, one) for one in (t.ingest_batches, t.forecasts)]
                return News([], self._settled(Position(*tails)), was_reset=True)
            events: list[Event] = []
            position, full = before, False
            if newest[0] > before.klines.newest or before.klines.missing:
                rows = connection.execute(select_batches(before.klines).limit(LOOK)).all()
                batches = [Batch(*row) for row in rows]
                told, tail = self._tell_batches(connection, batches, position)
                events += told
                position, full = position._replace(klines=tail), len(rows) == LOOK
            if newest[1] > before.forecasts.newest or before.forecasts.missing:
                rows = connection.execute(_select_forecasts(before.forecasts).limit(LOOK)).all()
                told, tail = self._tell_forecasts(connection, rows, position)
                events += told
                position, full = position._replace(forecasts=tail), full or len(rows) == LOOK
        return News(events, self._settled(position), full)

    def read_replay(self, after: Position, until: Position, wanted: Wanted) -> Replay:
        """Return what a listener who stopped at `after` missed of what `until` holds."""
        if after.klines.newest > until.klines.newest or (
            after.forecasts.newest > until.forecasts.newest
        ):
            return Replay([], "the id is of events that this store has not seen")
        with self._store.read() as connection:
            batches = self._missed_batches(connection, after, until, wanted)
            forecasts = self._missed_forecasts(connection, after, until, wanted)
            if len(batches) > MOST_REPLAYED or len(forecasts) > MOST_REPLAYED:
                return Replay([], "more was missed than is told again")
            events, rows = self._replay_batches(connection, batches, after, until)
            if rows > MOST_REPLAYED_KLINES:
                return Replay([], "more was missed than is told again")
            for row in forecasts:
                tail = replayed(row.id, after.forecasts, until.forecasts)
                series = self._series(connection, row.symbol_id, row.interval_id)
                if series is not None:
                    place = Position(until.klines, tail)
                    events.append(told_forecast(series, row.payload, place))
        return Replay(events)

    def _tell_batches(
        self, connection: Connection, batches: Sequence[Batch], position: Position
    ) -> tuple[list[Event], Tail]:
        events: list[Event] = []
        tail = position.klines
        brought = read_brought(connection, batches) if batches else {}
        for batch in batches:
            tail = tail.tell(batch.id)
            place = position._replace(klines=tail)
            events += self._batch_events(connection, batch, brought[batch.id], place)
        return events, tail

    def _batch_events(
        self, connection: Connection, batch: Batch, brought: Brought, place: Position
    ) -> list[Event]:
        """Return the events of one batch; the last one alone bears the id behind it."""
        series = self._series(connection, batch.symbol_id, batch.interval_id)
        if series is None:
            return []
        events: list[Event] = []
        if brought.older is not None:
            held = "" if brought.rows else place
            events.append(told_history(series, brought.older.span, brought.older.rows, held))
        if brought.rows:
            events.append(told_klines(series, brought.rows, place))
        return events

    def _tell_forecasts(
        self, connection: Connection, rows: Sequence[Any], position: Position
    ) -> tuple[list[Event], Tail]:
        events: list[Event] = []
        tail = position.forecasts
        for row in rows:
            tail = tail.tell(row.id)
            series = self._series(connection, row.symbol_id, row.interval_id)
            if series is not None:
                place = position._replace(forecasts=tail)
                events.append(told_forecast(series, row.payload, place))
        return events, tail

    def _missed_batches(
        self, connection: Connection, after: Position, until: Position, wanted: Wanted
    ) -> list[Batch]:
        if "klines" not in wanted.kinds:
            return []
        b = t.ingest_batches.c
        query = select_batches(after.klines).where(b.id <= until.klines.newest)
        query = _of_wanted(query, b, wanted).limit(MOST_REPLAYED + 1)
        found = [Batch(*row) for row in connection.execute(query)]
        return [batch for batch in found if until.klines.holds(batch.id)]

    def _missed_forecasts(
        self, connection: Connection, after: Position, until: Position, wanted: Wanted
    ) -> list[Any]:
        if "forecasts" not in wanted.kinds:
            return []
        f = t.forecasts.c
        query = _select_forecasts(after.forecasts).where(f.id <= until.forecasts.newest)
        query = _of_wanted(query, f, wanted).limit(MOST_REPLAYED + 1)
        return [row for row in connection.execute(query) if until.forecasts.holds(row.id)]

    def _replay_batches(
        self, connection: Connection, batches: Sequence[Batch], after: Position, until: Position
    ) -> tuple[list[Event], int]:
        events: list[Event] = []
        rows = 0
        brought = read_brought(connection, batches) if batches else {}
        for batch in batches:
            tail = replayed(batch.id, after.klines, until.klines)
            place = after._replace(klines=tail)
            rows += len(brought[batch.id].rows)
            events += self._batch_events(connection, batch, brought[batch.id], place)
        return events, rows

    def _series(self, connection: Connection, symbol_id: int, interval_id: int) -> Series | None:
        """Return a series of this venue by its numbers."""
        if symbol_id not in self._names:
            s = t.symbols.c
            query = select(s.id, s.symbol).where(s.venue == VENUE)
            self._names = {row.id: row.symbol for row in connection.execute(query)}
        name = self._names.get(symbol_id)
        return None if name is None else Series(symbol_id, name, Interval.from_number(interval_id))

    def _settled(self, position: Position) -> Position:
        """Return the position without what was missing for so long that it will not come."""
        if self._store.is_sqlite:  # one writer at a time: numbers commit in their order
            klines, forecasts = position
            return Position(klines.settle(klines.newest), forecasts.settle(forecasts.newest))
        now_s = self._monotonic()
        if not self._seen or now_s - self._seen[-1][0] >= MISSING_S / 100:
            self._seen.append((now_s, position))
        while self._seen and now_s - self._seen[0][0] >= MISSING_S:
            _, old = self._seen.popleft()
            position = Position(
                position.klines.settle(old.klines.newest),
                position.forecasts.settle(old.forecasts.newest),
            )
        return position


def _read_newest(connection: Connection) -> tuple[int, int]:
    batches = select(func.max(t.ingest_batches.c.id)).scalar_subquery()
    forecasts = select(func.max(t.forecasts.c.id)).scalar_subquery()
    row = connection.execute(select(batches, forecasts)).one()
    return row[0] or 0, row[1] or 0


def _newest_tail(connection: Connection, table: Any) -> Tail:
    number = table.c.id
    query = select(number).order_by(number.desc()).limit(_BEHIND)
    numbers = connection.execute(query).scalars().all()[::-1]
    return tail_of(numbers, 0)


def _select_forecasts(tail: Tail) -> Select[Any]:
    f = t.forecasts.c
    columns = (f.id, f.symbol_id, f.interval_id, f.payload)
    return select(*columns).where(not_told(f.id, tail)).order_by(f.id)


def _of_wanted(query: Select[Any], columns: Any, wanted: Wanted) -> Select[Any]:
    numbers: Collection[int] | None = wanted.symbol_ids
    if numbers is not None:
        query = query.where(columns.symbol_id.in_(sorted(numbers)))
    if wanted.interval_ids is not None:
        query = query.where(columns.interval_id.in_(sorted(wanted.interval_ids)))
    return query
