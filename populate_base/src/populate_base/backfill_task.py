"""What a backfill works with, how it works, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from market.clock import ExchangeClock
from market.gaps import Range
from market.store.symbols import Series
from populate_base.archive import Archive
from populate_base.exchange import Exchange
from populate_base.plan import COSTS, Costs


@dataclass(slots=True)
class SeriesReport:
    """What a backfill of one series did.

    Attributes:
        span: the closed slots that were wanted.
        batches: files and pages stored, by source.
        missing: what is still missing of the span and could come later.
        announce_from_ms: klines from here on are among the newest of the series.
    """

    series: Series
    span: Range
    announce_from_ms: int = 0
    inserted: int = 0
    changed: int = 0
    batches: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    missing: list[Range] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where klines come from, and the clock that says which have closed."""

    exchange: Exchange
    archive: Archive
    clock: ExchangeClock


@dataclass(frozen=True, slots=True)
class Pace:
    """How a backfill works: files at once, klines announced, whether to stop, what costs."""

    downloads: int = 4
    index_klines: int = 1000
    is_stopped: Callable[[], bool] = lambda: False
    costs: Costs = COSTS
