"""Working ahead: in order, boundedly, and to a clean end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from populate_base.lookahead import iter_ahead, iter_parallel


def test_items_come_in_order_and_no_more_than_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in count():
            made.append(number)
            yield number

    with ThreadPoolExecutor(1) as pool:
        ahead = iter_ahead(items(), pool, depth=2)
        assert list(islice(ahead, 5)) == [0, 1, 2, 3, 4]
        ahead.close()
        assert len(made) <= 5 + 2
        before = list(made)
        pool.submit(lambda: None).result()
        assert made == before


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("damaged")

    with ThreadPoolExecutor(1) as pool:
        ahead = iter_ahead(items(), pool)
        assert next(ahead) == 1
        with pytest.raises(ValueError, match="damaged"):
            next(ahead)


def test_results_come_in_order_and_few_at_a_time() -> None:
    working = threading.Semaphore(0)
    most: list[int] = []
    active = 0
    lock = threading.Lock()

    def work(number: int) -> int:
        nonlocal active
        with lock:
            active += 1
            most.append(active)
        working.acquire(timeout=0.01)
        with lock:
            active -= 1
        return number * number

    found = list(iter_parallel(work, range(20), 3, discard=lambda _: None))

    assert found == [number * number for number in range(20)]
    assert max(most) <= 3


def test_results_nobody_takes_are_discarded() -> None:
    discarded: list[int] = []
    made: list[int] = []

    def work(number: int) -> int:
        made.append(number)
        return number

    found = iter_parallel(work, range(20), 3, discard=discarded.append)
    taken = [next(found), next(found)]
    found.close()

    assert taken == [0, 1]
    assert sorted(taken + discarded) == sorted(made)
    assert len(made) <= 2 + 4
