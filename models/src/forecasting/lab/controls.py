"""Negative controls, where nothing can be foreseen, and a plant that must be found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from forecasting.cards import build_cards
from forecasting.dataset import Dataset, build_dataset
from forecasting.evaluation import walk_journal
from forecasting.panel import COLUMNS, Panel, build_panel
from forecasting.recipe import HEADLINE_STEPS
from forecasting.rolling import Column
from market.interval import Interval

Control = Literal["shuffled", "random_walk", "planted"]

#: Bars of a made-up series.
ROWS = 20_000
#: What a planted return keeps of the one before.
PLANTED = 0.1
#: Parts of a bar its highest and lowest price come from.
_PARTS = 12
_DEVIATION = 0.005
#: 2024-01-01T00:00:00Z, a Monday.
_START_MS = 1_704_067_200_000


class Claimed(NamedTuple):
    """Whether any headline step of any model claims skill: of ranges, point, or direction."""

    ranges: bool
    point: bool
    direction: bool


def random_walk(rows: int, seed: int, *, kept: float = 0.0) -> Panel:
    """Return hourly klines of a walk whose returns keep `kept` of the one before.

    Shocks are Student's t of 4 degrees and of one size for ever: there is nothing to foresee in
    the ranges, and without `kept` nothing in the point.
    """
    dice = np.random.default_rng(seed)
    returns = dice.standard_t(4, rows) * _DEVIATION / np.sqrt(2)
    for row in range(1, rows):
        returns[row] += kept * returns[row - 1]
    # Within the bar a bridge from its open to its close.
    path = np.cumsum(dice.normal(0, _DEVIATION / np.sqrt(_PARTS), (rows, _PARTS)), axis=1)
    share = np.arange(1, _PARTS + 1) / _PARTS
    path += (returns - path[:, -1])[:, None] * share
    closed = np.log(30_000) + np.cumsum(returns)
    opened = closed - returns
    volume = np.exp(dice.normal(5, 0.5, rows))
    columns = {
        "open": np.exp(opened),
        "high": np.exp(opened + np.maximum(path.max(axis=1), 0)),
        "low": np.exp(opened + np.minimum(path.min(axis=1), 0)),
        "close": np.exp(closed),
        "volume": volume,
        "number_of_trades": np.round(20 * volume),
        "taker_buy_base_asset_volume": volume * dice.uniform(0.4, 0.6, rows),
    }
    opens = _START_MS + np.arange(rows) * Interval.H1.typical_ms
    return build_panel("CONTROL", Interval.H1, opens, columns)


def shuffled(panel: Panel, seed: int) -> Panel:
    """Return a panel of the same bars in another order, each begun where the last one closed."""
    bars = np.flatnonzero(panel.present)
    order = np.random.default_rng(seed).permutation(bars)
    close = np.log(panel.close[order])
    body = close - np.log(panel.open[order])
    closed = np.log(panel.open[bars[0]]) + np.cumsum(body)
    moved = closed - close
    columns: dict[str, Column] = {
        name: np.exp(np.log(getattr(panel, name)[order]) + moved)
        for name in ("open", "high", "low", "close")
    }
    columns |= {name: getattr(panel, name)[order] for name in COLUMNS if name not in columns}
    opens = panel.open_ms[0] + np.arange(len(bars)) * panel.interval.typical_ms
    return build_panel(panel.symbol, panel.interval, opens, columns)


def judge(panel: Panel) -> Claimed:
    """Walk the random walk and ridge over a panel and return what their cards claim."""
    dataset = _shortened(build_dataset(panel))
    cards = build_cards([walk_journal(dataset, ["random_walk", "ridge"], HEADLINE_STEPS)])
    return Claimed(
        any(card.verdict == "skill" for card in cards),
        any(card.point_verdict == "skill" for card in cards),
        any(card.direction_verdict == "edge" for card in cards),
    )


def iter_controls(control: Control, seeds: range, panel: Panel | None = None) -> Iterator[Claimed]:
    """Yield what each seed's series claims; `panel` is what is shuffled, by default a walk."""
    for seed in seeds:
        if control == "shuffled":
            yield judge(shuffled(panel or random_walk(ROWS, 10_000 + seed), seed))
        else:
            yield judge(random_walk(ROWS, seed, kept=PLANTED if control == "planted" else 0.0))


def _shortened(dataset: Dataset) -> Dataset:
    # Quarterly refits and a gate of half a year: a control takes seconds, the rules stay.
    recipe = replace(dataset.recipe, refit=2_190, gate=4_380, train=8_760)
    return replace(dataset, recipe=recipe)
