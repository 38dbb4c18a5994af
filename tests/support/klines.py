"""Made-up klines: a seeded random walk that keeps every rule of a real one."""

from __future__ import annotations

import random
from collections.abc import Iterator

from market.interval import Interval
from market.kline import Kline

#: 2024-01-01T00:00:00Z
START_MS = 1_704_067_200_000


def make_klines(
    interval: Interval, count: int, *, start_ms: int = START_MS, seed: int = 1
) -> list[Kline]:
    """Return `count` klines on the grid from `start_ms`, each opening at the last's close."""
    return list(_walk(interval, count, interval.ceil(start_ms), random.Random(seed)))


def _walk(interval: Interval, count: int, open_ms: int, dice: random.Random) -> Iterator[Kline]:
    price = 42_000.0
    for _ in range(count):
        close = price * (1 + dice.gauss(0, 0.004))
        high, low = max(price, close) * 1.001, min(price, close) * 0.999
        volume = dice.uniform(10, 5000)
        yield Kline(
            open_ms,
            *(f"{value:.8f}" for value in (price, high, low, close, volume)),
            interval.close_of(open_ms),
            f"{volume * close:.8f}",
            dice.randrange(1, 100_000),
            f"{volume / 2:.8f}",
            f"{volume * close / 2:.8f}",
        )
        price, open_ms = close, interval.add(open_ms, 1)
