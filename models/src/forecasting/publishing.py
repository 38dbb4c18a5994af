"""Fitting a model on all that is known, publishing it, and crowning the champion."""

from __future__ import annotations

from forecasting.artefacts import model_of
from forecasting.bundle import Bundle, Reference, Spec, pack_bundle
from forecasting.dataset import Dataset, training_targets
from forecasting.desk import Desk
from forecasting.predictors import Matrix
from forecasting.registry import BASELINE, new_estimator
from forecasting.sigma import Sigma
from forecasting.track import Track
from market.log import get_logger
from market.store.champions import read_champion, write_champion
from market.store.symbols import find_series

log = get_logger()

#: Rows a bundle keeps to prove that it still gives what the training library gave.
_REFERENCE_ROWS = 64


class Publisher:
    """Publishes the models of one series, fitted on the same rows with the same sigma.

    Attributes:
        versions: the version published of each model so far.
    """

    def __init__(self, desk: Desk, dataset: Dataset, sigma: Sigma, rows: slice) -> None:
        self.dataset = dataset
        self.versions: dict[str, str] = {}
        self._desk = desk
        self._sigma = sigma
        self._rows = rows
        usable, self._targets = training_targets(dataset, sigma, rows)
        self._features = dataset.features[usable]

    def publish(self, model: str, weights: Matrix, track: Track) -> str:
        """Fit a model, publish its bundle, and return the version.

        The first artefact of a series is its champion; a champion's successor takes its place.

        Raises:
            DataError: there are too few rows, or the bundle does not pass its parity gate.
        """
        panel = self.dataset.panel
        estimator = new_estimator(model, self._desk.device)
        if model != BASELINE:  # there is nothing to learn, so few rows are enough
            estimator.fit(self._features, self._targets)
        predictor = estimator.export()
        sample = self._features[-_REFERENCE_ROWS:]
        spec = Spec(
            model=model,
            symbol=panel.symbol,
            interval=panel.interval.value,
            predictor=predictor.kind,
            sigma=self._sigma.method,
            trained_from_ms=int(panel.open_ms[self._rows.start]),
            trained_to_ms=panel.cutoff_ms,
            training_rows=len(self._features),
        )
        version, content = pack_bundle(
            Bundle(spec, predictor, self._sigma, weights, track),
            Reference(sample, estimator.predict(sample)),
            estimator.native_files(),
        )
        self._desk.artefacts.publish(
            panel.symbol, panel.interval, panel.cutoff_ms, version, content
        )
        self.versions[model] = version
        log.info("artefact_published", symbol=panel.symbol, version=version)
        champion = self.champion_model()
        if champion is None:
            self.crown(model, "the first artefact of the series")
        elif champion == model:
            self.crown(model, "retrained")
        return version

    def champion_version(self) -> str | None:
        """Return the version that is served now, `None` before the first one."""
        panel = self.dataset.panel
        with self._desk.store.read() as connection:
            series = find_series(connection, panel.symbol, panel.interval)
            champion = read_champion(connection, series)
        return champion.version if champion else None

    def champion_model(self) -> str | None:
        """Return the model that is served now, `None` before the first one."""
        version = self.champion_version()
        return model_of(version) if version else None

    def crown(self, model: str, reason: str) -> None:
        """Make the version of a model that was published here the champion."""
        panel, version = self.dataset.panel, self.versions[model]
        with self._desk.store.begin() as connection:
            series = find_series(connection, panel.symbol, panel.interval)
            present = read_champion(connection, series)
            if present is not None and (present.version, present.reason) == (version, reason):
                return
            write_champion(connection, series, model, version, self._desk.clock.now_ms(), reason)
