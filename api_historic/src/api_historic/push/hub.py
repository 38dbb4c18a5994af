"""The hub: one poller of the store for all listeners of a process.

It starts with the first listener and ends with the last. Every tick takes one cheap query;
each event is written once, whoever it is for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import Counter, Gauge

from api_historic.push.events import Event, notice
from api_historic.push.feed import Feed, News, Replay, Wanted
from api_historic.push.position import Position
from api_historic.push.subscriber import Subscriber
from market.errors import KlinecastError, ServiceUnavailable
from market.log import get_logger

log = get_logger()

_LISTENERS = Gauge(
    "history_stream_listeners", "Who listens to /v1/stream.", multiprocess_mode="livesum"
)
_EVENTS = Counter("history_stream_events_total", "Events told to listeners.", ["event"])
_CUT = Counter("history_stream_cut_total", "Listeners that were cut for being slow.")

TICK_S = 0.25
#: Seconds between looks while the store is away.
AWAY_S = 2.0
#: Resumed listeners whose past is read at once; the others wait.
_REPLAYS = 2


class Hub:
    """Tells listeners what is stored. Belongs to one event loop, but for `end_soon`."""

    def __init__(self, feed: Feed, *, most_listeners: int) -> None:
        self._feed = feed
        self._most = most_listeners
        self._listeners: set[Subscriber] = set()
        self._by_symbol: defaultdict[int | None, set[Subscriber]] = defaultdict(set)
        self._position: Position | None = None
        self._is_away = False
        self._ending = False
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks = ThreadPoolExecutor(1, thread_name_prefix="stream-look")
        self._replays = ThreadPoolExecutor(_REPLAYS, thread_name_prefix="stream-replay")

    @property
    def position(self) -> Position:
        """What was told so far."""
        if self._position is None:
            raise AssertionError("nobody joined yet")
        return self._position

    @property
    def is_away(self) -> bool:
        """Tell whether the store did not answer the last look."""
        return self._is_away

    async def join(self, wanted: Wanted) -> Subscriber:
        """Add a listener, who is told everything from the present position on.

        Raises:
            ServiceUnavailable: there are too many, or the process is about to end.
            StoreUnavailable: the store is not there to begin with.
        """
        self._check_room()
        async with self._starting:
            if self._task is None:
                self._loop = asyncio.get_running_loop()
                # What happened while nobody listened concerns nobody here.
                self._position = await self._loop.run_in_executor(
                    self._looks, self._feed.read_newest
                )
                self._task = asyncio.create_task(self._run(), name="stream-hub")
        self._check_room()
        subscriber = Subscriber(wanted, self.position)
        self._listeners.add(subscriber)
        for symbol_id in _keys(wanted):
            self._by_symbol[symbol_id].add(subscriber)
        _LISTENERS.set(len(self._listeners))
        return subscriber

    def _check_room(self) -> None:
        if self._ending:
            raise ServiceUnavailable(
                "this API is about to end", hint="Connect again in a few seconds."
            )
        if len(self._listeners) >= self._most:
            raise ServiceUnavailable(
                f"{self._most} listen already",
                hint="HISTORY_STREAM_LISTENERS says how many may; each worker has as many.",
            )

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a listener; with the last one the poller ends."""
        self._forget(subscriber)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None

    def _forget(self, subscriber: Subscriber) -> None:
        self._listeners.discard(subscriber)
        for symbol_id in _keys(subscriber.wanted):
            self._by_symbol[symbol_id].discard(subscriber)
            if not self._by_symbol[symbol_id]:
                del self._by_symbol[symbol_id]
        _LISTENERS.set(len(self._listeners))

    async def read_replay(self, after: Position, subscriber: Subscriber) -> Replay:
        """Return what a listener missed between a position and the one at which it joined.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        read = self._feed.read_replay
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._replays, read, after, subscriber.joined, subscriber.wanted
        )

    def end_soon(self) -> None:
        """Let every listener go, told why. From any thread, or a signal handler."""
        self._ending = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        farewell = notice("end", reason="this API is about to end; connect again and resume")
        for subscriber in list(self._listeners):
            subscriber.cut(farewell)

    def close(self) -> None:
        """Free the threads."""
        if self._task is not None:
            self._task.cancel()
        self._looks.shutdown(wait=False, cancel_futures=True)
        self._replays.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        """Look and tell, until nobody listens. The process's outermost loop of push."""
        while True:
            wait_s = TICK_S
            try:
                news = await self._look()
                self._tell_store(is_away=False)
                self._deliver(news)
                if news.has_more:
                    wait_s = 0.0
            except KlinecastError as error:
                self._tell_store(is_away=True, detail=error.detail)
                wait_s = AWAY_S
            except Exception as error:  # the poller's outermost loop: listeners wait, none is cut
                log.error("stream_look_failed", exc_info=error)
                wait_s = AWAY_S
            await asyncio.sleep(wait_s)

    async def _look(self) -> News:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._looks, self._feed.read_news, self.position)

    def _tell_store(self, *, is_away: bool, detail: str = "") -> None:
        if is_away == self._is_away:
            return
        self._is_away = is_away
        if is_away:
            log.warning("stream_store_away", detail=detail)
        self._offer(self._listeners, notice("store", state="away" if is_away else "back"))

    def _deliver(self, news: News) -> None:
        # No other listener joins between these lines: each is told all behind its position.
        self._position = news.position
        if news.was_reset:
            reason = "the store holds less than it did: it may be an older copy"
            self._offer(self._listeners, notice("reset", news.position, reason=reason))
        for event in news.events:
            wanting = self._by_symbol.get(event.symbol_id, set()) | self._by_symbol.get(None, set())
            self._offer((one for one in wanting if one.wanted.wants(event)), event)

    def _offer(self, subscribers: Iterable[Subscriber], event: Event) -> None:
        told = 0
        for subscriber in list(subscribers):
            if subscriber.offer(event):
                told += 1
                continue
            _CUT.inc()
            reason = "too slow: more waited than is kept; connect again and resume"
            subscriber.cut(notice("cut", reason=reason))
            self._forget(subscriber)
        _EVENTS.labels(event.name).inc(told)


def _keys(wanted: Wanted) -> Iterable[Any]:
    return (None,) if wanted.symbol_ids is None else wanted.symbol_ids
