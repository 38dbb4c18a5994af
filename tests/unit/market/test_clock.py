from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.clock import ExchangeClock, Reading, keep_measuring


class Machine:
    """A monotonic clock and an exchange behind a line of a given delay."""

    def __init__(self, *, rate: float = 1.0, offset_ms: int = 1_700_000_000_000) -> None:
        self.now_s, self.rate, self.offset_ms = 100.0, rate, offset_ms
        self.delays: list[tuple[float, float]] = []

    def monotonic(self) -> float:
        return self.now_s

    def exchange_ms(self) -> int:
        return self.offset_ms + int(self.now_s * 1000 * self.rate)

    def fetch(self) -> int:
        there_s, back_s = self.delays.pop(0) if self.delays else (0.0, 0.0)
        self.now_s += there_s
        answer = self.exchange_ms()
        self.now_s += back_s
        return answer

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_unmeasured_clock_says_so() -> None:
    clock = ExchangeClock()

    assert not clock.is_measured
    assert clock.rate == 1.0
    assert clock.now_ms() > 1_700_000_000_000


@given(st.sampled_from([0.0, 1.0, 5.0, 60.0, 3600.0]), st.floats(0, 500))
def test_calibrated_clock_follows_the_exchange(rate: float, later_s: float) -> None:
    machine = Machine(rate=rate)
    clock = ExchangeClock(machine.monotonic)

    clock.calibrate(machine.fetch, machine.sleep)
    machine.sleep(later_s)

    assert clock.is_measured
    assert clock.rate == pytest.approx(rate, rel=0.01)
    allowed_ms = 5 + 0.004 * later_s * 1000 * max(rate, 1)
    assert abs(clock.now_ms() - machine.exchange_ms()) <= allowed_ms


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=2, max_size=2))
def test_slow_answers_do_not_make_a_real_exchange_a_demo(delays: list[tuple[float, float]]) -> None:
    machine = Machine()
    machine.delays = list(delays)
    clock = ExchangeClock(machine.monotonic)

    clock.calibrate(machine.fetch, machine.sleep)

    assert clock.rate == 1.0
    assert abs(clock.now_ms() - machine.exchange_ms()) <= 1_000 * sum(delays[-1]) / 2 + 2


def test_end_of_the_demo_is_seen() -> None:
    machine = Machine(rate=60)
    clock = ExchangeClock(machine.monotonic)
    clock.calibrate(machine.fetch, machine.sleep)
    end_ms = machine.exchange_ms()
    machine.rate, machine.offset_ms = 0, end_ms

    machine.sleep(60)
    clock.measure(machine.fetch)
    machine.sleep(60)
    clock.measure(machine.fetch)

    assert clock.rate == 0.0
    assert clock.now_ms() == end_ms


def test_exchange_that_goes_back_has_rate_zero() -> None:
    machine = Machine()
    clock = ExchangeClock(machine.monotonic)

    clock.record(Reading(5_000, 100.0))
    clock.record(Reading(4_000, 101.0))

    assert clock.rate == 0.0


def test_readings_too_close_together_are_left_out() -> None:
    machine = Machine()
    clock = ExchangeClock(machine.monotonic)

    clock.record(Reading(1_000, 100.0))
    clock.record(Reading(9_000, 100.1))

    assert clock.now_ms() == 1_000
    assert clock.rate == 1.0


def test_thread_measures_until_told_to_stop() -> None:
    clock, stop, measured = ExchangeClock(), threading.Event(), threading.Event()
    errors: list[Exception] = []

    def fetch() -> int:
        if not errors:
            raise OSError("no answer")
        measured.set()
        return 1_000

    thread = keep_measuring(clock, fetch, stop, on_error=errors.append, period_s=0.02)
    assert measured.wait(10)
    stop.set()
    thread.join(10)

    assert not thread.is_alive()
    assert [str(error) for error in errors] == ["no answer"]
    assert clock.is_measured
