"""Which series are late."""

from __future__ import annotations

import pytest

from market.clock import ExchangeClock, Reading
from market.interval import HOUR_MS, Interval
from market.store import open_store
from market.store.symbols import Series
from populate_base.lateness import Lateness
from populate_base.tails import Tails

SERIES = Series(1, "BTCUSDT", Interval.H1)
END_MS = 1_000 * HOUR_MS


class Bench:
    """A lateness of one series that ends at `END_MS`, and the clocks to turn."""

    def __init__(self, now_ms: int) -> None:
        self.now_s = 0.0
        clock = ExchangeClock(lambda: 0.0)
        clock.record(Reading(now_ms, 0.0))
        # Nothing is written here: the store is never opened.
        self.tails = Tails(open_store("sqlite:///never.db"), clock, "ws://here", 1)
        self.lateness = Lateness([SERIES], self.tails, clock, 120.0, monotonic=lambda: self.now_s)
        self.tails.begin(SERIES, END_MS)

    def look(self, later_s: float) -> list[Series]:
        """Let time pass and ask which series are due."""
        self.now_s += later_s
        return self.lateness.find_due()


@pytest.mark.parametrize("after_ms", [0, HOUR_MS - 1, HOUR_MS + 119_000])
def test_a_kline_may_take_its_time(after_ms: int) -> None:
    bench = Bench(END_MS + after_ms)

    assert bench.look(1) == []
    assert bench.lateness.problem() is None


def test_a_late_series_is_a_problem_and_rest_is_asked() -> None:
    bench = Bench(END_MS + HOUR_MS + 121_000)

    assert "BTCUSDT 1h are behind, by 3721 s" in str(bench.lateness.problem())
    assert bench.look(1) == [SERIES]


def test_where_rest_has_nothing_newer_it_is_quiet_and_asked_ever_less() -> None:
    bench = Bench(END_MS + 50 * HOUR_MS)
    bench.look(1)
    bench.lateness.asked(SERIES)

    assert bench.lateness.problem() is None
    assert bench.look(59) == []
    assert bench.look(1) == [SERIES]
    bench.lateness.asked(SERIES)
    assert bench.look(119) == []
    assert bench.look(1) == [SERIES]
    bench.tails.begin(SERIES, END_MS + HOUR_MS)
    assert bench.lateness.problem() is not None
