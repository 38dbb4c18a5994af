"""Where each followed series ends, and the writing of what closes behind that."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from market.clock import ExchangeClock
from market.gaps import Range
from market.kline import Kline, check_kline
from market.store import Store
from market.store.closed_klines import Arrival, write_closed
from market.store.klines import Batch, Source, write_klines
from market.store.provenance import read_sourced_klines
from market.store.symbols import Series
from populate_base import metrics
from populate_base.causes import Knowledge
from populate_base.ledger import settle
from populate_base.stream import stream_name

#: Klines of a series that is being caught up are held: those before come by REST.
HELD = 100
#: Streams never replace what these told.
_BELIEVED_MORE = frozenset({Source.REST, Source.ARCHIVE_DAILY, Source.ARCHIVE_MONTHLY})


class Tails:
    """The ends of the series of one connection; not shared between threads.

    A series is known from `begin` on, when everything before is stored; until then, and
    again after `forget`, what closes of it is held.
    """

    def __init__(
        self, store: Store, clock: ExchangeClock, stream_url: str, index_klines: int
    ) -> None:
        self._store = store
        self._clock = clock
        self._stream_url = stream_url
        self._index_klines = index_klines
        self._next_ms: dict[Series, int] = {}
        self._end_ms: dict[Series, int] = {}
        self._last: dict[Series, Kline] = {}
        self._held: defaultdict[Series, deque[Kline]] = defaultdict(lambda: deque(maxlen=HELD))

    def next_ms(self, series: Series) -> int | None:
        """Return the open time of the kline that comes next, `None` where that is not known."""
        return self._next_ms.get(series)

    def end_ms(self, series: Series) -> int | None:
        """Return where the series ended when that was last known. Any thread may ask."""
        return self._end_ms.get(series)

    def lag_s(self, series: Series) -> float | None:
        """Return the exchange's time less the newest stored close, in seconds."""
        end_ms = self._end_ms.get(series)
        return None if end_ms is None else (self._clock.now_ms() - end_ms + 1) / 1000

    def begin(self, series: Series, next_ms: int) -> list[Series]:
        """Say that all before `next_ms` is stored; write what was held, see `write`."""
        self._next_ms[series] = self._end_ms[series] = next_ms
        metrics.LAG.labels(series.symbol, series.interval.value).set_function(
            lambda: self.lag_s(series) or 0.0
        )
        held = [one for one in self._held.pop(series, ()) if one.open_time_ms >= next_ms]
        return self._write({series: held}, self._clock.now_ms()) if held else []

    def forget(self, series: Series) -> None:
        """Say that something may be missing before the next kline."""
        self._next_ms.pop(series, None)

    def write(self, arrived: Iterable[tuple[Series, Kline]], arrived_ms: int) -> list[Series]:
        """Store klines, all or those of some series; return series with a hole before them.

        What was stored last is not written again.

        Raises:
            StoreUnavailable: some may be written; writing all of them again is harmless.
            DataError: a kline can't be true.
        """
        fresh: dict[Series, list[Kline]] = {}
        for series, kline in arrived:
            check_kline(kline)
            if series not in self._next_ms:
                self._held[series].append(kline)
            elif kline not in (self._last.get(series), *fresh.get(series, ())[-1:]):
                fresh.setdefault(series, []).append(kline)
        return self._write(fresh, arrived_ms) if fresh else []

    def _write(self, fresh: dict[Series, list[Kline]], arrived_ms: int) -> list[Series]:
        for klines in fresh.values():
            klines.sort(key=lambda kline: kline.open_time_ms)
        going_on = [
            Arrival(series, klines, self._url(series), arrived_ms)
            for series, klines in fresh.items()
            if self._slot(series, klines[0]) == self._next_ms[series]
        ]
        written = set(write_closed(self._store, going_on, announce_newest=self._index_klines))
        holes = []
        for series, klines in fresh.items():
            if series in written:
                metrics.ROWS.labels(series.symbol, series.interval.value, "ws").inc(len(klines))
                self._move(series, klines[-1])
            elif self._write_exactly(series, klines, arrived_ms):
                holes.append(series)
        return holes

    def _write_exactly(self, series: Series, klines: Sequence[Kline], arrived_ms: int) -> bool:
        interval, next_ms = series.interval, self._next_ms[series]
        first_ms, last_ms = self._slot(series, klines[0]), self._slot(series, klines[-1])
        written = write_klines(
            self._store,
            series,
            self._drop_known(series, klines) if first_ms < next_ms else klines,
            Batch(Source.WS, self._url(series), arrived_ms),
            announce_from_ms=interval.add(max(last_ms, next_ms), -self._index_klines),
        )
        metrics.ROWS.labels(series.symbol, interval.value, "ws").inc(sum(written))
        end_ms = max(interval.add(last_ms, 1), next_ms)
        span = Range(min(first_ms, next_ms), end_ms)
        missing = settle(self._store, series, [span], arrived_ms, Knowledge())
        self._move(series, klines[-1])
        return bool(missing)

    def _drop_known(self, series: Series, klines: Sequence[Kline]) -> list[Kline]:
        # REST and the archive are believed more: what they told stays.
        first_ms, end_ms = klines[0].open_time_ms, klines[-1].open_time_ms + 1
        with self._store.read() as connection:
            stored = read_sourced_klines(connection, series, first_ms, end_ms)
        known = {one.kline.open_time_ms for one in stored if one.source in _BELIEVED_MORE}
        return [kline for kline in klines if kline.open_time_ms not in known]

    def _move(self, series: Series, last: Kline) -> None:
        end_ms = series.interval.add(self._slot(series, last), 1)
        if end_ms >= self._next_ms[series]:
            self._next_ms[series] = self._end_ms[series] = end_ms
            self._last[series] = last

    def _slot(self, series: Series, kline: Kline) -> int:
        return series.interval.floor(kline.open_time_ms)

    def _url(self, series: Series) -> str:
        return f"{self._stream_url}/stream?streams={stream_name(series.symbol, series.interval)}"
