"""Faults of klines: what one source tells of them and another does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from binance_simulator.faults.parameters import (
    changed,
    changes,
    moment,
    one_or_more,
    parameter,
    symbol,
    whole,
)
from binance_simulator.faults.when import Chance
from market.interval import Interval
from market.kline import Kline

Picks = Callable[[Kline], bool]


@dataclass(frozen=True, kw_only=True)
class RowFault:
    """Strikes klines that open in [start, end), or at the times `klines` names."""

    start: int = parameter(moment, 0)
    end: int = parameter(moment, 1 << 62)
    klines: tuple[int, ...] = parameter(one_or_more(moment), ())

    def meets(self, open_ms: int) -> bool:
        """Tell whether a kline is among those named."""
        named = not self.klines or open_ms in self.klines
        return named and self.start <= open_ms < self.end

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Return the rows as the source tells them; `picks` names those that are struck."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Change(RowFault):
    """Other values in some fields: `change = { volume = "*1.01", number_of_trades = "+1" }`."""

    change: tuple[tuple[str, str], ...] = parameter(changes)

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Change the fields of the rows that are struck."""
        return [self._changed(row) if picks(row) else row for row in rows]

    def _changed(self, row: Kline) -> Kline:
        told = {name: changed(getattr(row, name), value) for name, value in self.change}
        return Kline(**{**row._asdict(), **told})


@dataclass(frozen=True, kw_only=True)
class MissingRows(RowFault):
    """Klines that are not there; a whole day of them is a missing day."""

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Leave out the rows that are struck."""
        return [row for row in rows if not picks(row)]


@dataclass(frozen=True, kw_only=True)
class DuplicateRows(RowFault):
    """Klines that are there twice."""

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Repeat the rows that are struck."""
        return [row for row in rows for _ in range(1 + picks(row))]


@dataclass(frozen=True, kw_only=True)
class OffGrid(RowFault):
    """Klines that open and close `shift_ms` late, as Binance's did in February 2018."""

    shift_ms: int = parameter(whole(1, 86_400_000), 14_789)

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Shift the rows that are struck."""
        return [self._shifted(row) if picks(row) else row for row in rows]

    def _shifted(self, row: Kline) -> Kline:
        return row._replace(
            open_time_ms=row.open_time_ms + self.shift_ms,
            close_time_ms=row.close_time_ms + self.shift_ms,
        )


@dataclass(frozen=True, kw_only=True)
class Delisted(RowFault):
    """A symbol's last kline opens before `at`; from then on its status is BREAK."""

    at: int = parameter(moment)

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Leave out what opens after the end."""
        return [row for row in rows if row.open_time_ms < self.at]


@dataclass(frozen=True, kw_only=True)
class Listed(RowFault):
    """A symbol's first kline opens at `at` or later; before that nobody knows it."""

    at: int = parameter(moment)

    def apply(self, rows: list[Kline], picks: Picks) -> list[Kline]:
        """Leave out what opens before the beginning."""
        return [row for row in rows if row.open_time_ms >= self.at]


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A symbol is delisted at `at`, and goes on under another name, listed at that moment."""

    at: int = parameter(moment)
    to: str = parameter(symbol)


class RowRule(NamedTuple):
    """A fault of klines as it strikes one symbol in one source."""

    fault: RowFault
    intervals: tuple[Interval, ...]
    chance: Chance


View = tuple[RowRule, ...]
"""How one source tells the klines of one symbol; empty where it tells the truth."""


def narrow(view: View, interval: Interval) -> View:
    """Return the rules that concern an interval."""
    return tuple(rule for rule in view if not rule.intervals or interval in rule.intervals)


def apply_view(view: View, rows: Sequence[Kline]) -> list[Kline]:
    """Return the rows, ascending, as a source tells them."""
    told = list(rows)
    for rule in view:
        told = rule.fault.apply(told, _picker(rule))
    return told


def _picker(rule: RowRule) -> Picks:
    def picks(row: Kline) -> bool:
        return rule.fault.meets(row.open_time_ms) and rule.chance.picks(row.open_time_ms)

    return picks
