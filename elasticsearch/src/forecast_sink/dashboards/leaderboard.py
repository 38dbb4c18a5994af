"""The dashboard "Leaderboard and training": who is best by test, and how trainings went."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    Figure,
    Layer,
    Listing,
    Place,
    Table,
    Terms,
)
from forecast_sink.dashboards.filters import Filter
from forecast_sink.dashboards.model_quality import DAILY
from forecast_sink.dashboards.setting import (
    BLUE,
    LEADERBOARD,
    QUALITY,
    RUN_VIEW,
    SCORE_VIEW,
    Setting,
)

_REPLAYED = (Filter("kind", ("replay",)),)
_RUNS = (Filter("kind", ("run",)),)
_FAILED = (Filter("kind", ("run",)), Filter("state", ("failed",)))

_TEXT = """\
**How to read this.** The *leaderboard* shows walk-forward evaluations on past data: every \
forecast was made without what came after it. *Skill* is 1 - loss / loss of a random walk, with \
constant or with EWMA volatility; *p* is the chance of such a skill by luck alone, to be read \
with *n*. A model without skill (p above 0.05) is not better than the random walk.

*By day* is what has become true since. A click on a model opens its quality."""


def build_leaderboard(setting: Setting) -> Dashboard:
    """Return the dashboard."""
    return setting.dashboard(
        identity=LEADERBOARD,
        description="Evaluations of the models, their daily scores, and training runs.",
        live_range=("now-90d", "now+1d"),
        views=(SCORE_VIEW, RUN_VIEW),
        controls=(
            Control("symbol", "Symbol", SCORE_VIEW),
            Control("interval", "Interval", SCORE_VIEW),
            Control("model", "Model", SCORE_VIEW),
        ),
        panels=(
            *_figures(),
            _evaluations(),
            _by_day(),
            *_runs(),
            *_run_listings(),
            setting.reading(Place(36, 33, 12, 16), _TEXT),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    return (
        Figure(
            "evaluations",
            "Evaluations (model, series, horizon)",
            Place(0, 2, 12, 5),
            Layer(SCORE_VIEW, (Column("Cards", "count"),)),
            _REPLAYED,
        ),
        Figure(
            "models",
            "Models evaluated",
            Place(12, 2, 12, 5),
            Layer(SCORE_VIEW, (Column("Models", "unique_count", "model"),)),
            _REPLAYED,
        ),
        Figure(
            "runs",
            "Runs",
            Place(24, 2, 12, 5),
            Layer(RUN_VIEW, (Column("Runs", "count"),)),
            _RUNS,
        ),
        Figure(
            "failed-runs",
            "Runs that failed",
            Place(36, 2, 12, 5),
            Layer(RUN_VIEW, (Column("Failed", "sum", "is_failed"),)),
            _RUNS,
        ),
    )


def _evaluations() -> Table:
    return Table(
        "leaderboard",
        "Leaderboard (walk-forward evaluation)",
        Place(0, 7, 48, 14),
        Layer(
            SCORE_VIEW,
            (
                Column("n (all horizons)", "sum", "n"),
                Column("Skill, EWMA", "average", "skill_ewma", decimals=4),
                Column("Largest p", "max", "p_ewma", decimals=3),
                Column("Skill, constant", "average", "skill_constant", decimals=4),
                Column("Coverage 80 %", "average", "coverage_80", percent=True),
                Column("Error / naive", "average", "mae_ratio", decimals=3),
                Column("Direction", "average", "direction_accuracy", percent=True),
            ),
            terms=(
                Terms("model", "Model"),
                Terms("symbol", "Symbol", 50),
                Terms("interval", "Interval"),
            ),
        ),
        _REPLAYED,
        QUALITY,
    )


def _by_day() -> Chart:
    return Chart(
        "mase-by-day",
        "Scaled error (MASE) of a day by model",
        Place(0, 21, 24, 12),
        "line",
        (
            Layer(
                SCORE_VIEW,
                (Column("MASE", "average", "mase", decimals=2),),
                x="day",
                interval="1d",
                terms=(Terms("model", "Model", 10),),
            ),
        ),
        DAILY,
    )


def _runs() -> tuple[Chart, ...]:
    return (
        Chart(
            "runs-over-time",
            "Runs by how they ended",
            Place(24, 21, 12, 12),
            "bar",
            (
                Layer(
                    RUN_VIEW,
                    (Column("Runs", "count"),),
                    x="created_at",
                    interval="1d",
                    terms=(Terms("state", "State", 5),),
                ),
            ),
            _RUNS,
        ),
        Chart(
            "run-duration",
            "Duration of runs (seconds)",
            Place(36, 21, 12, 12),
            "bar",
            (
                Layer(
                    RUN_VIEW,
                    (Column("Longest", "max", "duration", BLUE),),
                    x="created_at",
                    interval="1d",
                ),
            ),
            _RUNS,
        ),
    )


def _run_listings() -> tuple[Listing, ...]:
    return (
        Listing(
            "klinecast-runs",
            "Runs and their folds",
            Place(0, 33, 36, 10),
            RUN_VIEW,
            ("symbol", "interval", "job", "kind", "fold", "state", "duration", "detail"),
            (("created_at", "desc"), ("position", "asc")),
        ),
        Listing(
            "klinecast-failed-runs",
            "Failed runs",
            Place(0, 43, 36, 6),
            RUN_VIEW,
            ("symbol", "interval", "job", "model", "error"),
            (("created_at", "desc"),),
            _FAILED,
        ),
    )
