"""Which followed series are later than they should be, and when to ask REST about one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from market.clock import ExchangeClock
from market.store.symbols import Series
from populate_base.tails import Tails

_LOOK_EVERY_S = 1.0
#: REST is asked about a silent series again and again, at longer and longer intervals.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 60.0, 3600.0


class Lateness:
    """Watches the ends of some series; only `problem` may be called by other threads.

    A series is late when its next kline should have closed `allowed_s` ago or longer. Where
    REST has nothing newer either (a halted or delisted symbol) it is quiet, not late.
    """

    def __init__(
        self,
        series: Sequence[Series],
        tails: Tails,
        clock: ExchangeClock,
        allowed_s: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._series = series
        self._tails = tails
        self._clock = clock
        self._allowed_s = allowed_s
        self._monotonic = monotonic
        self._looked_s = -_LOOK_EVERY_S
        self._asked_ms: dict[Series, int] = {}
        self._wait_s: dict[Series, float] = {}
        self._ask_again_s: dict[Series, float] = {}

    def find_due(self) -> list[Series]:
        """Return late series that REST should be asked about now; at most once a second."""
        now_s = self._monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return []
        self._looked_s = now_s
        known = [one for one in self._series if self._tails.next_ms(one) is not None]
        due = [
            one for one in known if self._is_late(one) and self._ask_again_s.get(one, 0) <= now_s
        ]
        for one in due:
            self._wait_s[one] = min(2 * self._wait_s.get(one, _FIRST_WAIT_S / 2), _LONGEST_WAIT_S)
            self._ask_again_s[one] = now_s + self._wait_s[one]
        return due

    def asked(self, series: Series) -> None:
        """Take in that REST was asked: it has nothing after where the series ends now."""
        end_ms = self._tails.end_ms(series)
        if end_ms is None:
            return
        if self._asked_ms.get(series, end_ms) != end_ms:
            self._wait_s.pop(series, None)
        self._asked_ms[series] = end_ms

    def problem(self) -> str | None:
        """Return which series is late, `None` where none is."""
        late = [
            one
            for one in self._series
            if self._is_late(one) and self._asked_ms.get(one) != self._tails.end_ms(one)
        ]
        if not late:
            return None
        more = f" and {len(late) - 1} more" if late[1:] else ""
        lag_s = self._tails.lag_s(late[0]) or 0.0
        return f"{late[0].symbol} {late[0].interval}{more} are behind, by {lag_s:.0f} s"

    def _is_late(self, series: Series) -> bool:
        end_ms = self._tails.end_ms(series)
        if end_ms is None:
            return False
        # A demo's clock hurries, and the machine needs its own time for everything.
        allowed_ms = self._allowed_s * 1000 * max(self._clock.rate, 1.0)
        return self._clock.now_ms() > series.interval.close_of(end_ms) + allowed_ms
