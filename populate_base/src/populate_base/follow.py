"""Following: store klines as they close, without a hole across any interruption."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from market.errors import DataError, KlinecastError, RetryableError
from market.gaps import Range
from market.kline import Kline, check_kline
from market.log import get_logger
from market.store import Store
from market.store.klines import Batch, Source, read_newest_open
from market.store.symbols import Series
from populate_base import metrics
from populate_base.backfill import Backfill, Sources
from populate_base.causes import Knowledge
from populate_base.load import settle_patiently, write_patiently
from populate_base.stream import ClosedKline, KlineStream, open_stream

log = get_logger()

_POLL_S = 0.25
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class FollowPlan:
    """What one connection follows, and how.

    Attributes:
        series: in the order in which they are backfilled.
        since_ms: the oldest open time wanted.
        index_klines: newest klines of a series that are announced.
        silence_s: seconds without any message after which the stream is opened again.
    """

    series: Sequence[Series]
    since_ms: int
    stream_url: str
    index_klines: int
    silence_s: float


class Follower:
    """Follows the series of one connection: connect, catch up, then store what closes.

    The first catch-up is the backfill from `since_ms` on; every later one, after a
    reconnect or a hole in the stream, is the same call and finds less to do. While the
    store is away nothing is kept in memory: what was missed is caught up by REST.
    """

    def __init__(
        self,
        store: Store,
        sources: Sources,
        make_backfill: Callable[[], Backfill],
        plan: FollowPlan,
    ) -> None:
        self._store = store
        self._sources = sources
        self._make_backfill = make_backfill
        self._plan = plan
        self._by_name = {(one.symbol, one.interval): one for one in plan.series}
        self._next_ms: dict[Series, int] = {}
        self._problem: str | None = "the first backfill has not ended"

    def problem(self) -> str | None:
        """Return why these series are not followed now, `None` while they are."""
        return self._problem

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; what passes by waiting is waited for.

        Raises:
            FatalError: what waiting cannot mend.
        """
        failures = 0
        while not stop.is_set():
            try:
                with open_stream(
                    self._plan.stream_url, self._plan.series, silence_s=self._plan.silence_s
                ) as stream:
                    self._catch_up_all(stream, stop)
                    failures = 0
                    self._store_closing(stream, stop)
            except (RetryableError, DataError) as error:
                failures += 1
                self._report(error, failures)
                stop.wait(_wait_s(failures))

    def _report(self, error: KlinecastError, failures: int) -> None:
        # One interruption is mended within a second; the second in a row is a problem.
        if failures > 1:
            self._problem = error.detail
        metrics.RECONNECTS.inc()
        log.warning("follow_interrupted", detail=error.detail, failures=failures)

    def _catch_up_all(self, stream: KlineStream, stop: threading.Event) -> None:
        self._next_ms.clear()
        backfill = self._make_backfill()
        for series in self._plan.series:
            if stop.is_set():
                return
            self._catch_up(backfill, series)
            # What closed meanwhile of the series that are done already is not kept waiting.
            self._write(stream.receive(0))
        self._problem = None
        log.info("following", series=len(self._plan.series))

    def _catch_up(self, backfill: Backfill, series: Series) -> None:
        backfill.run(series, self._plan.since_ms, None)
        with self._store.read() as connection:
            newest_ms = read_newest_open(connection, series)
        if newest_ms is None:
            self._next_ms[series] = series.interval.ceil(self._plan.since_ms)
        else:
            self._next_ms[series] = series.interval.close_of(newest_ms) + 1
            self._show_lag(series)

    def _store_closing(self, stream: KlineStream, stop: threading.Event) -> None:
        while not stop.is_set():
            for series in self._write(stream.receive(_POLL_S)):
                log.info("stream_hole", symbol=series.symbol, interval=series.interval.value)
                self._catch_up(self._make_backfill(), series)

    def _write(self, closed: Iterable[ClosedKline]) -> list[Series]:
        """Store klines of series that are caught up; return those with a hole before them."""
        arrived: defaultdict[Series, list[Kline]] = defaultdict(list)
        for symbol, interval, kline in closed:
            series = self._by_name.get((symbol, interval))
            if series is not None and series in self._next_ms:
                check_kline(kline)
                arrived[series].append(kline)
        return [series for series, klines in arrived.items() if self._write_series(series, klines)]

    def _write_series(self, series: Series, klines: Sequence[Kline]) -> bool:
        interval, next_ms = series.interval, self._next_ms[series]
        opens = sorted(interval.floor(kline.open_time_ms) for kline in klines)
        now_ms = self._sources.clock.now_ms()
        url = f"{self._plan.stream_url}/stream"
        announce_from_ms = interval.add(max(opens[-1], next_ms), -self._plan.index_klines)
        write_patiently(
            self._store,
            series,
            klines,
            Batch(Source.WS, url, now_ms),
            announce_from_ms=announce_from_ms,
            known_empty=opens[0] >= next_ms,
        )
        end_ms = max(interval.add(opens[-1], 1), next_ms)
        span = Range(min(opens[0], next_ms), end_ms)
        missing = settle_patiently(self._store, series, [span], now_ms, Knowledge())
        self._next_ms[series] = end_ms
        self._show_lag(series)
        return bool(missing)

    def _show_lag(self, series: Series) -> None:
        closed_ms = self._next_ms[series] - 1
        gauge = metrics.LAG.labels(series.symbol, series.interval.value)
        gauge.set_function(lambda: (self._sources.clock.now_ms() - closed_ms) / 1000)


def _wait_s(failures: int) -> float:
    ceiling = min(_FIRST_WAIT_S * 2 ** min(failures, 10), _LONGEST_WAIT_S)
    return random.uniform(ceiling / 2, ceiling)
