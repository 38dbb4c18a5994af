"""Made-up panels and datasets for the forecasting core, small and seeded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecasting.bundle import Bundle, Reference, Spec
from forecasting.dataset import Dataset, training_targets
from forecasting.features import build_features
from forecasting.panel import Panel, build_panel, label_returns
from forecasting.recipe import recipe_for
from forecasting.registry import new_estimator
from forecasting.sigma import fit_sigma, sigma_inputs
from forecasting.track import build_track
from forecasting.walk import walk_sigma
from forecasting.windows import train_rows
from market.forecast import MAX_STEPS
from market.interval import Interval

#: 2024-01-01T00:00:00Z, a Monday.
START_MS = 1_704_067_200_000


def make_panel(
    rows: int,
    *,
    interval: Interval = Interval.H1,
    seed: int = 0,
    momentum: float = 0.0,
    missing: tuple[int, ...] = (),
) -> Panel:
    """Return a panel whose volatility comes in waves and breathes with the day.

    Returns follow an AR(1) of coefficient `momentum`; the klines of `missing` rows are not there.
    """
    dice = np.random.default_rng(seed)
    level = np.zeros(rows)
    shocks = dice.normal(0, 0.15, rows)
    for row in range(1, rows):
        level[row] = 0.98 * level[row - 1] + shocks[row]
    volatility = 0.005 * np.exp(level + 0.4 * np.sin(2 * np.pi * np.arange(rows) / 24))
    noise = dice.standard_t(5, rows) / np.sqrt(5 / 3)
    for row in range(1, rows):
        noise[row] += momentum * noise[row - 1]
    close = 30_000 * np.exp(np.cumsum(volatility * noise))
    opened = np.concatenate([[30_000.0], close[:-1]])
    reach = volatility * np.abs(dice.normal(0, 0.6, (2, rows)))
    volume = np.exp(dice.normal(5, 0.5, rows))
    columns = {
        "open": opened,
        "high": np.maximum(opened, close) * np.exp(reach[0]),
        "low": np.minimum(opened, close) * np.exp(-reach[1]),
        "close": close,
        "volume": volume,
        "number_of_trades": np.round(volume * dice.uniform(10, 30, rows)),
        "taker_buy_base_asset_volume": volume * dice.uniform(0.3, 0.7, rows),
    }
    kept = np.setdiff1d(np.arange(rows), missing)
    opens = np.array([interval.add(interval.ceil(START_MS), int(row)) for row in kept])
    return build_panel("BTCUSDT", interval, opens, {n: v[kept] for n, v in columns.items()})


def change_after(panel: Panel, row: int) -> Panel:
    """Return the panel with everything after `row` made different."""
    columns = {
        name: np.where(
            np.arange(len(panel)) > row, getattr(panel, name) * 1.7, getattr(panel, name)
        )
        for name in ("open", "high", "low", "close", "volume", "number_of_trades")
    }
    return replace(panel, **columns)


def small_dataset(panel: Panel) -> Dataset:
    """Return a dataset under the hourly recipe with short windows: a walk takes a second."""
    recipe = replace(
        recipe_for(Interval.H1),
        variance_spans=(1, 6, 24, 168),
        warmup=168,
        min_rows=300,
        first_fit=300,
        refit=300,
        mean_refit=600,
        gate=600,
        train=1_500,
        evaluated=1_800,
    )
    return Dataset(
        panel, recipe, sigma_inputs(panel, recipe), build_features(panel), label_returns(panel)
    )


def make_bundle(dataset: Dataset, model: str = "random_walk", *, rows: int | None = None) -> Bundle:
    """Return a bundle fitted on the first `rows` rows of a dataset, as a training makes it."""
    end = len(dataset.panel) if rows is None else rows
    chosen = train_rows(end, dataset.recipe)
    sigma = fit_sigma(dataset.inputs, dataset.labels, chosen, dataset.recipe)
    usable, targets = training_targets(dataset, sigma, chosen)
    estimator = new_estimator(model).fit(dataset.features[usable], targets)
    walked = walk_sigma(dataset, end // 2)
    spec = Spec(
        model=model,
        symbol=dataset.panel.symbol,
        interval=dataset.panel.interval.value,
        predictor=estimator.export().kind,
        sigma=sigma.method,
        trained_from_ms=int(dataset.panel.open_ms[chosen.start]),
        trained_to_ms=int(dataset.panel.open_ms[end - 1]),
        training_rows=len(usable),
    )
    track = build_track(dataset.labels, walked, np.zeros_like(walked), end - 1)
    return Bundle(spec, estimator.export(), sigma, np.full(MAX_STEPS, 0.5), track)


def make_reference(dataset: Dataset, bundle: Bundle) -> Reference:
    """Return reference vectors that a bundle reproduces."""
    features = dataset.features[200:220]
    return Reference(features, bundle.predictor.predict(features))
