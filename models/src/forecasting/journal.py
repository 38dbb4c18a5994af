"""The journal: a series' walk-forward rows, the one artefact every score is derived from.

A file of plain arrays (.npz, never pickled): whoever has it can check every figure without
the klines, the models or this package.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecasting.conformal import Matrix
from forecasting.dataset import Dataset
from forecasting.evaluate import Baselines, Rows
from forecasting.panel import log_returns
from forecasting.rolling import Column, trailing_sum
from market.errors import DataError
from market.interval import DAY_MS

_FORMAT = 1
_TREND_DAYS = 30
_PARTS = ("quantiles", "expected", "sigma")


class Journal(NamedTuple):
    """The rows of every model of a series over the same cutoffs and steps.

    `outcome`, `realised`: (n, steps), the log-return to the step and the sum of its bars'
    Garman-Klass variances; `volatility`, `trend`: (n,), known at the cutoff: the EWMA variance
    a bar, and the return of the last 30 days in deviations; `naive`: (steps,) the mean absolute
    return to the step before the first cutoff. The baselines' rows come first.
    """

    symbol: str
    interval: str
    steps: tuple[int, ...]
    cutoff_ms: NDArray[np.int64]
    outcome: Matrix
    realised: Matrix
    volatility: Column
    trend: Column
    naive: Column
    rows: tuple[Rows, ...]

    @property
    def baselines(self) -> Baselines:
        """Return the rows of the two random walks."""
        return Baselines(*self.rows[:2])


def build_journal(
    dataset: Dataset, span: slice, baselines: Baselines, rows: Sequence[Rows]
) -> Journal:
    """Return the journal of models walked over `span` of a dataset."""
    steps = baselines.constant.steps
    columns = [step - 1 for step in steps]
    panel = dataset.panel
    bars = max(_TREND_DAYS * DAY_MS // panel.interval.typical_ms, 1)
    trend = trailing_sum(log_returns(panel), bars) / np.sqrt(bars * dataset.inputs.slow)
    labels = np.abs(dataset.labels[: span.start, columns])
    known = np.maximum(np.isfinite(labels).sum(axis=0), 1)
    return Journal(
        panel.symbol,
        panel.interval.value,
        steps,
        panel.open_ms[span],
        dataset.labels[span][:, columns],
        np.exp(dataset.inputs.future[span][:, columns]) * np.array(steps),
        dataset.inputs.fast[span],
        trend[span],
        np.nansum(labels, axis=0) / known,
        (*baselines, *rows),
    )


def write_journal(journal: Journal, path: Path) -> None:
    """Write a journal; a file of that name is replaced only once it is whole."""
    arrays: dict[str, NDArray[np.generic]] = {
        "format": np.array(_FORMAT),
        "symbol": np.array(journal.symbol),
        "interval": np.array(journal.interval),
        "steps": np.array(journal.steps),
        "models": np.array([rows.model for rows in journal.rows]),
    }
    for name in ("cutoff_ms", "outcome", "realised", "volatility", "trend", "naive"):
        arrays[name] = getattr(journal, name)
    for rows in journal.rows:
        arrays |= {f"{rows.model}/{part}": getattr(rows, part) for part in _PARTS}
    unfinished = path.with_name(f".{path.name}.part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    unfinished.replace(path)


def read_journal(path: Path) -> Journal:
    """Return the journal in a file.

    Raises:
        DataError: it is not a journal of this version.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = dict(file)
        if int(arrays["format"]) != _FORMAT:
            raise DataError(f"{path} is a journal of format {arrays['format']}; expected {_FORMAT}")
        steps = tuple(int(step) for step in arrays["steps"])
        outcome, cutoff_ms = arrays["outcome"], arrays["cutoff_ms"]
        rows = tuple(
            Rows(
                str(model), steps, cutoff_ms, arrays[f"{model}/quantiles"], outcome,
                arrays[f"{model}/expected"], arrays[f"{model}/sigma"],
            )
            for model in arrays["models"]
        )  # fmt: skip
        return Journal(
            str(arrays["symbol"]), str(arrays["interval"]), steps, cutoff_ms, outcome,
            arrays["realised"], arrays["volatility"], arrays["trend"], arrays["naive"], rows,
        )  # fmt: skip
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a journal that can be read: {error}") from error
