"""One training of one series: fit, publish, and where it is due evaluate and choose.

The random walk is fitted and published first, so that a new series is forecast within
seconds; the long walk-forward of the other models follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from forecasting.bundle import Bundle
from forecasting.dataset import Dataset, build_dataset
from forecasting.desk import Desk
from forecasting.evaluate import choose_champion
from forecasting.evaluation import Evaluation, Walked
from forecasting.forecast import LOOK_BACK, advance_to
from forecasting.interruption import Checkpoint
from forecasting.publishing import Publisher
from forecasting.recipe import MIN_KLINES, RESIDUAL_WINDOW, recipe_for
from forecasting.registry import BASELINE
from forecasting.sigma import fit_sigma
from forecasting.track import Track, build_track
from forecasting.walk import walk_sigma
from forecasting.windows import first_origin, train_rows
from market.errors import Conflict, DataError, NotFound
from market.forecast import MAX_STEPS
from market.interval import Interval
from market.log import get_logger
from market.store.score_ledger import read_score_cards, write_score_cards
from market.store.symbols import find_series

log = get_logger()

#: Says that a step ended: its name, what came of it, and the fraction of all done.
Report = Callable[[str, str, float], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What to train: the models of one series, in the registry's order."""

    symbol: str
    interval: Interval
    models: tuple[str, ...]

    @property
    def mean_models(self) -> list[str]:
        """Return the models but the random walk, which is trained always and first."""
        return [model for model in self.models if model != BASELINE]


def run_training(desk: Desk, order: Order, report: Report, checkpoint: Checkpoint) -> None:
    """Train a series' models and publish them.

    Raises:
        NotFound: the symbol is unknown.
        Conflict: there are too few klines.
        DataError: the klines can't be learnt from.
    """
    with desk.store.read() as connection:
        find_series(connection, order.symbol, order.interval)
    dataset = fetch_dataset(desk, order.symbol, order.interval)
    panel = dataset.panel
    missing = len(panel) - int(panel.present.sum())
    report("fetch", f"{len(panel) - missing} klines, {missing} missing", 0.05)
    rows = train_rows(len(panel), dataset.recipe)
    sigma = fit_sigma(dataset.inputs, dataset.labels, rows, dataset.recipe)
    report("sigma", f"{sigma.method} on {rows.stop - rows.start} rows", 0.1)
    previous = _load_previous(desk, order)
    tracks = _carry_on(previous, dataset)
    publisher = Publisher(desk, dataset, sigma, rows)
    track = tracks.get(BASELINE) or _first_track(dataset, checkpoint)
    report("publish", publisher.publish(BASELINE, np.zeros(MAX_STEPS), track), 0.2)
    if not order.mean_models:
        report("done", "the random walk alone; a training of more models evaluates it", 1.0)
    elif _needs_evaluation(desk, order, dataset, tracks):
        _evaluate(desk, order, publisher, report, checkpoint)
    else:
        _refit(order, publisher, previous, tracks, report, checkpoint)
    desk.artefacts.prune(order.symbol, order.interval, publisher.champion_version())


def fetch_dataset(desk: Desk, symbol: str, interval: Interval) -> Dataset:
    """Read as much of a series as a walk-forward covers, and build its dataset.

    Raises:
        Conflict: there are too few klines.
    """
    if desk.source.newest_open_ms(symbol, interval) is None:
        raise Conflict(f"{symbol} {interval} has no klines yet")
    recipe = recipe_for(interval)
    wanted = recipe.evaluated + recipe.train + LOOK_BACK
    panel = desk.source.read_newest(symbol, interval, wanted)
    count = int(panel.present.sum())
    if count < MIN_KLINES:
        raise Conflict(
            f"{symbol} {interval} has {count} closed klines; training needs {MIN_KLINES}",
            hint="Backfill more history, or wait for more klines to close.",
        )
    return build_dataset(panel)


def _load_previous(desk: Desk, order: Order) -> dict[str, Bundle]:
    previous: dict[str, Bundle] = {}
    for model, published in desk.artefacts.newest(order.symbol, order.interval).items():
        if model not in (*order.models, BASELINE):
            continue
        try:
            previous[model] = desk.artefacts.load(published)
        except (DataError, NotFound) as error:
            log.warning("artefact_unusable", version=published.version, reason=error.detail)
    return previous


def _carry_on(previous: Mapping[str, Bundle], dataset: Dataset) -> dict[str, Track]:
    # The tracks that the previous bundles' own forecasts lead to, where the klines reach them.
    tracks: dict[str, Track] = {}
    for model, bundle in previous.items():
        try:
            tracks[model] = advance_to(bundle, dataset)[0]
        except DataError as error:
            log.warning("track_restarts", model=model, reason=error.detail)
    return tracks


def _first_track(dataset: Dataset, checkpoint: Checkpoint) -> Track:
    last = len(dataset.panel) - 1
    recent = last - RESIDUAL_WINDOW - MAX_STEPS - dataset.recipe.refit
    start = max(first_origin(last + 1, dataset.recipe), recent)
    sigma = walk_sigma(dataset, start, checkpoint)
    return build_track(dataset.labels, sigma, np.zeros_like(sigma), last)


def _needs_evaluation(
    desk: Desk, order: Order, dataset: Dataset, tracks: Mapping[str, Track]
) -> bool:
    # Due when a model was never scored or long ago, or has no track to carry on.
    with desk.store.read() as connection:
        cards = read_score_cards(
            connection, symbol=order.symbol, interval=order.interval, kind="replay"
        )
    newest = {card.model: card.to_ms for card in cards}
    panel = dataset.panel
    due_ms = panel.interval.add(panel.cutoff_ms, -dataset.recipe.reevaluate)
    return any(newest.get(m, 0) < due_ms for m in order.models) or any(
        model not in tracks for model in order.mean_models
    )


def _refit(
    order: Order,
    publisher: Publisher,
    previous: Mapping[str, Bundle],
    tracks: Mapping[str, Track],
    report: Report,
    checkpoint: Checkpoint,
) -> None:
    # The gates stay as the last walk-forward set them; the tracks are carried on.
    for done, model in enumerate(order.mean_models, start=1):
        checkpoint()
        version = publisher.publish(model, previous[model].weights, tracks[model])
        report("publish", version, 0.2 + 0.8 * done / len(order.mean_models))


def _evaluate(
    desk: Desk, order: Order, publisher: Publisher, report: Report, checkpoint: Checkpoint
) -> None:
    evaluation = Evaluation(publisher.dataset, device=desk.device)
    if not evaluation.is_possible:
        report("evaluate", f"skipped: {len(publisher.dataset.panel)} klines are too few", 1.0)
        return
    last = len(publisher.dataset.panel) - 1
    walked: list[Walked] = []
    for one in evaluation.iter_models(order.models, checkpoint):
        walked.append(one)
        walk = one.walk
        if walk.model != BASELINE:
            track = build_track(publisher.dataset.labels, walk.sigma, walk.centre, last)
            publisher.publish(walk.model, one.weights, track)
        cutoffs = len(one.rows.cutoff_ms)
        done = len(walked) / (len(order.mean_models) + 1)
        report("evaluate", f"{publisher.versions[walk.model]}, {cutoffs} cutoffs", 0.2 + 0.7 * done)
    write_score_cards(desk.store, evaluation.score(walked, publisher.versions))
    rows = {one.walk.model: one.rows for one in walked}
    current = rows.get(publisher.champion_model() or BASELINE, rows[BASELINE])
    chosen, reason = choose_champion(current, [r for r in rows.values() if r is not current])
    publisher.crown(chosen.model, reason)
    report("champion", f"{chosen.model}: {reason}", 1.0)
