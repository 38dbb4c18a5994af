"""Which part of a series an audit compares with the exchange: pure, and told by a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from market.gaps import Range
from market.interval import DAY_MS, Interval
from market.store.symbols import Series


@dataclass(frozen=True, slots=True)
class Scope:
    """What of each series is looked at.

    Attributes:
        fraction: of the days (of 1d and longer: months) compared with the exchange; 1 is
            all of them. The store is recounted as a whole.
        seed: which days those are.
    """

    start_ms: int | None = None
    end_ms: int | None = None
    fraction: float = 0.02
    seed: int = 0


def pick_sample(series: Series, span: Range, scope: Scope) -> list[Range]:
    """Return the days (of 1d and longer: months) to compare, ascending; at least one.

    The same seed picks the same ones of the same span.
    """
    unit = Interval.D1 if series.interval.typical_ms < DAY_MS else Interval.MO1
    starts = list(unit.iter_opens(unit.floor(span.start_ms), span.end_ms))
    if scope.fraction < 1:
        dice = random.Random(f"{scope.seed} {series.venue} {series.symbol} {series.interval}")
        count = max(1, round(scope.fraction * len(starts)))
        starts = sorted(dice.sample(starts, count))
    whole = [Range(max(ms, span.start_ms), min(unit.add(ms, 1), span.end_ms)) for ms in starts]
    return [part for part in whole if part.start_ms < part.end_ms]
