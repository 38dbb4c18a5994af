"""The panel: one series' klines as contiguous columns on the interval's grid.

A slot without a kline holds NaN. Nothing is filled in: a label that would need a missing
close is missing itself, and features step over the hole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.rolling import Column
from market.errors import DataError
from market.forecast import MAX_STEPS
from market.interval import Interval

#: The columns a panel is made of, as the history API names them.
COLUMNS = (
    "open",
    "high",
    "low",
    "close",
    "volume",
    "number_of_trades",
    "taker_buy_base_asset_volume",
)


@dataclass(frozen=True, slots=True)
class Panel:
    """Klines of one series, oldest first, one row for each slot of the grid.

    `open_ms` has no hole; the float64 columns are NaN where no kline is stored. The first and
    the last row always hold a kline. Prices are in the quote currency.
    """

    symbol: str
    interval: Interval
    open_ms: NDArray[np.int64]
    open: Column
    high: Column
    low: Column
    close: Column
    volume: Column
    number_of_trades: Column
    taker_buy_base_asset_volume: Column

    def __len__(self) -> int:
        return len(self.open_ms)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Tell for each row whether its kline is stored."""
        return ~np.isnan(self.close)

    @property
    def cutoff_ms(self) -> int:
        """Return the open time of the newest kline."""
        return int(self.open_ms[-1])

    def head(self, rows: int) -> Panel:
        """Return the first `rows` rows: what was known at an earlier cutoff."""
        columns = {name: getattr(self, name)[:rows] for name in COLUMNS}
        return Panel(self.symbol, self.interval, self.open_ms[:rows], **columns)

    def tail(self, rows: int) -> Panel:
        """Return the newest `rows` rows, or fewer: the first of them holds a kline."""
        first = max(len(self) - rows, 0)
        first += int(np.argmax(self.present[first:]))
        columns = {name: getattr(self, name)[first:] for name in COLUMNS}
        return Panel(self.symbol, self.interval, self.open_ms[first:], **columns)


def build_panel(
    symbol: str,
    interval: Interval,
    open_times_ms: Sequence[int] | NDArray[np.int64],
    columns: Mapping[str, Any],
) -> Panel:
    """Lay klines, ascending by open time, on their grid; a kline fills the slot it opens in.

    Raises:
        DataError: there is no kline, two share a slot, or a price is not positive.
    """
    if len(open_times_ms) == 0:
        raise DataError(f"{symbol} {interval} has no klines to forecast from")
    slots = np.array([interval.floor(int(ms)) for ms in open_times_ms], dtype=np.int64)
    if (np.diff(slots) <= 0).any():
        raise DataError(f"{symbol} {interval}: two klines share a slot, or are out of order")
    grid = _grid(interval, int(slots[0]), int(slots[-1]))
    rows = np.searchsorted(grid, slots)
    laid = {name: np.full(len(grid), np.nan) for name in COLUMNS}
    for name in COLUMNS:
        laid[name][rows] = np.asarray(columns[name], dtype=np.float64)
    if not all((laid[name][rows] > 0).all() for name in ("open", "high", "low", "close")):
        raise DataError(f"{symbol} {interval} holds a price that is not positive")
    return Panel(symbol, interval, grid, **laid)


def _grid(interval: Interval, first_ms: int, last_ms: int) -> NDArray[np.int64]:
    if interval.step_ms is not None:
        return np.arange(first_ms, last_ms + 1, interval.step_ms, dtype=np.int64)
    return np.array(list(interval.iter_opens(first_ms, last_ms + 1)), dtype=np.int64)


def log_returns(panel: Panel) -> Column:
    """Return the log-return of each bar over the one before; NaN where either is missing."""
    returns = np.full(len(panel), np.nan)
    returns[1:] = np.diff(np.log(panel.close))
    return returns


def label_returns(panel: Panel, steps: int = MAX_STEPS) -> NDArray[np.float64]:
    """Return the labels: log-returns from each row's close to `1..steps` bars later.

    Returns:
        (n, steps) float64; NaN where the close on either side is missing or not yet known.
    """
    log_close = np.log(panel.close)
    labels = np.full((len(panel), steps), np.nan)
    for step in range(1, min(steps, len(panel) - 1) + 1):
        labels[:-step, step - 1] = log_close[step:] - log_close[:-step]
    return labels
