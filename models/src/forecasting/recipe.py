"""The constants of a forecast by interval: spans, windows and how often to refit.

The figures come from measurements on hourly and daily bars of several coins; see
`docs/decisions/0026-one-shared-sigma.md`. All lengths are numbers of bars.
"""

from __future__ import annotations

from dataclasses import dataclass

from market.interval import DAY_MS, HOUR_MS, Interval

#: Residuals a rolling band is made of, at most: a year of hours, and all days there are.
RESIDUAL_WINDOW = 8_640
#: Those of near hourly steps, whose outcomes overlap little: fewer say as much, and sooner.
NEAR_WINDOW = 4_320
#: Fewer known residuals than this, and a band falls back to the normal distribution's.
MIN_RESIDUALS = 100
#: A series shorter than this is not forecast at all.
MIN_KLINES = 300
#: Steps the mean models are fitted at; the steps between are interpolated.
FITTED_STEPS = (1, 6, 24, 50)
#: Steps that get a score card.
SCORED_STEPS = (1, 3, 6, 12, 24, 36, 50)
#: Steps whose cards decide what a forecast as a whole may claim.
HEADLINE_STEPS = (1, 6, 24)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one interval is forecast.

    Attributes:
        variance_spans, return_spans: trailing spans of sigma's inputs.
        uses_profile: whether variance has an hour-of-week profile.
        har_steps: steps the log-HAR regression serves; beyond them the slow EWMA does.
        ewma_half_life: of the volatility that scales returns, and of the EWMA baseline.
        slow_half_life: of the volatility beyond `har_steps`.
        warmup: first rows that are not learnt from, for their spans are not full.
        min_rows: rows a log-HAR fit needs; with fewer, sigma is the EWMA alone.
        near_steps: steps whose bands are made of the newest 4,320 residuals alone.
        first_fit: rows to learn from before a short series' walk-forward begins.
        first_residuals: residuals before the first scored row, a third of a short series'.
        refit, mean_refit: rows between the refits of sigma and of the mean models.
        recalibrate: rows between the recalibrations of a walk-forward's bands.
        gate: trailing rows on which a point forecast must beat the naive one.
        embargo: rows left out, beside the purge, between training and testing.
        train: most rows a fit sees, the newest ones.
        evaluated: most rows a walk-forward covers, the newest ones.
        reevaluate: new rows after which a walk-forward is due again.
    """

    variance_spans: tuple[int, ...]
    return_spans: tuple[int, ...]
    uses_profile: bool
    har_steps: int
    ewma_half_life: float
    slow_half_life: float
    warmup: int
    min_rows: int
    near_steps: int
    first_fit: int
    first_residuals: int
    refit: int
    mean_refit: int
    recalibrate: int
    gate: int
    embargo: int
    train: int = 17_520
    evaluated: int = 26_280
    reevaluate: int = 720


_INTRADAY = Recipe(
    variance_spans=(1, 2, 3, 6, 12, 24, 48, 72, 168, 336, 720),
    return_spans=(1, 6, 24, 168),
    uses_profile=True,
    har_steps=50,
    ewma_half_life=24,
    slow_half_life=168,
    warmup=720,
    min_rows=1_500,
    near_steps=6,
    first_fit=1_500,
    first_residuals=4_320,
    refit=730,
    mean_refit=2_190,
    recalibrate=24,
    gate=8_760,
    embargo=24,
)
_DAILY = Recipe(
    variance_spans=(1, 3, 7, 14, 30, 90),
    return_spans=(1, 7),
    uses_profile=False,
    har_steps=10,
    ewma_half_life=11,
    slow_half_life=33,
    warmup=90,
    min_rows=300,
    near_steps=0,
    first_fit=0,
    first_residuals=365,
    refit=30,
    mean_refit=91,
    recalibrate=1,
    gate=365,
    embargo=1,
    reevaluate=30,
)


def recipe_for(interval: Interval) -> Recipe:
    """Return the recipe of an interval: one for bars below a day, one from a day on."""
    return _INTRADAY if interval.typical_ms < DAY_MS else _DAILY


def retrain_klines(interval: Interval) -> int:
    """Return after how many closed klines a series is retrained: each hour, or each kline."""
    return max(1, HOUR_MS // interval.typical_ms)
