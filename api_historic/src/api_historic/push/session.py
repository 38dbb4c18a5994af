"""What one listener is told, from the first event to the last: the same in both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from api_historic.push.events import FIELDS, HEARTBEAT_S, Event, notice
from api_historic.push.hub import Hub
from api_historic.push.position import Position
from api_historic.push.subscriber import Subscriber
from market.errors import KlinecastError


async def iter_events(
    hub: Hub, subscriber: Subscriber, after: Position | None, now_ms: Callable[[], int]
) -> AsyncIterator[list[Event]]:
    """Yield events, those that wait together at once: what was missed, then what comes.

    First comes `open`, whose id is the position everything behind is told of. A listener
    who resumes gets there what was missed; where that is too much it is told so (`reset`).
    """
    place = subscriber.joined if after is None else after
    yield [notice("open", place, now_ms=now_ms(), fields=FIELDS)]
    if hub.is_away:
        yield [notice("store", state="away")]
    if after is not None:
        yield await _read_missed(hub, subscriber, after)
    while subscriber.farewell is None:
        events = await subscriber.take(HEARTBEAT_S)
        if events:
            yield events
        elif subscriber.farewell is None:
            # Nothing waits, so that all up to the hub's position has been told.
            yield [notice("heartbeat", hub.position, now_ms=now_ms())]
    yield [subscriber.farewell]


async def _read_missed(hub: Hub, subscriber: Subscriber, after: Position) -> list[Event]:
    try:
        replay = await hub.read_replay(after, subscriber)
    except KlinecastError as error:
        # Resumed at the same id again, nothing is lost.
        farewell = notice("end", reason=f"what was missed can't be read: {error.detail}")
        subscriber.cut(farewell)
        return []
    if replay.refusal is not None:
        return [notice("reset", subscriber.joined, reason=replay.refusal)]
    return replay.events
