"""The dashboard "Model quality": whether the ranges hold what they promise, and for whom."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    Figure,
    HeatMap,
    Layer,
    Level,
    Place,
    Table,
    Terms,
)
from forecast_sink.dashboards.filters import Filter
from forecast_sink.dashboards.setting import (
    AMBER,
    BLUE,
    FORECAST_VIEW,
    GREEN,
    INK,
    MARKET,
    PALE,
    QUALITY,
    RED,
    SCORE_VIEW,
    Setting,
)

#: Steps whose kline has closed; only they can be judged.
JUDGED = (Filter("actual"),)
DAILY = (Filter("kind", ("daily",)),)

_LEVELS = (Level("50 %", 0.5, GREEN), Level("80 %", 0.8, BLUE), Level("95 %", 0.95, INK))

_TEXT = """\
**How to read this.** Only forecasts whose kline has closed count; *n* says how many. \
*Coverage* is the share of prices that fell into a band: a 80 % band is honest at the dashed line \
of 80 %. Above it the bands are too wide, below it too narrow. With few forecasts it jumps: \
of 100, anything from 72 to 88 % is chance.

*Skill* compares with the naive forecast, that the price stays: 0 is as good, 1 is perfect, \
below 0 is worse. Errors of neighbouring forecasts overlap, so a day or two prove nothing."""


def share(label: str, source: str, color: str = "") -> Column:
    """Return the mean of a field of 0 and 1, as a percentage."""
    return Column(label, "average", source, color, percent=True)


_BANDS = (
    share("50 % band", "in_band_50", GREEN),
    share("80 % band", "in_band_80", BLUE),
    share("95 % band", "in_band_95", INK),
)
_HORIZON = (Terms("step", "Klines ahead", 50),)
_COUNT = Column("n", "count")
_ERROR = Column("Mean error", "average", "percentage_error", RED, decimals=2, percent=True)
_SKILL = Column("Skill", "average", "skill", AMBER, decimals=3)


def build_quality(setting: Setting) -> Dashboard:
    """Return the dashboard."""
    return setting.dashboard(
        identity=QUALITY,
        description="Coverage, errors and skill of forecasts whose kline has closed.",
        live_range=("now-30d", "now+1d"),
        views=(FORECAST_VIEW, SCORE_VIEW),
        controls=(
            Control("symbol", "Symbol", FORECAST_VIEW),
            Control("interval", "Interval", FORECAST_VIEW),
            Control("model", "Model", FORECAST_VIEW),
            Control("step", "Horizon (klines ahead)", FORECAST_VIEW),
        ),
        panels=(
            *_figures(),
            *_coverage(),
            *_errors(),
            *_tables(),
            setting.reading(Place(36, 47, 12, 14), _TEXT),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    columns = (
        ("judged", "Forecasts judged", (_COUNT,)),
        ("coverage-80", "Coverage of the 80 % band", (_BANDS[1], _COUNT)),
        ("mean-error", "Mean error, percent of the price", (_ERROR, _COUNT)),
        ("skill", "Skill against naive (mean of -1 to 1)", (_SKILL, _COUNT)),
        ("bias", "Bias (actual - point, quote currency)", (Column("Bias", "average", "error"),)),
        ("direction", "Direction right", (share("Right", "direction_hit"),)),
    )
    return tuple(
        Figure(identity, title, Place(8 * i, 2, 8, 5), Layer(FORECAST_VIEW, numbers), JUDGED)
        for i, (identity, title, numbers) in enumerate(columns)
    )


def _coverage() -> tuple[Chart, ...]:
    return (
        Chart(
            "coverage-over-time",
            "Coverage over time against nominal",
            Place(0, 7, 24, 13),
            "line",
            (Layer(FORECAST_VIEW, _BANDS, x="target_time", interval="1d"),),
            JUDGED,
            _LEVELS,
        ),
        Chart(
            "calibration",
            "Calibration: coverage by horizon against nominal",
            Place(24, 7, 24, 13),
            "line",
            (Layer(FORECAST_VIEW, _BANDS, terms=_HORIZON),),
            JUDGED,
            _LEVELS,
        ),
    )


def _errors() -> tuple[Chart, ...]:
    return (
        Chart(
            "error-by-horizon",
            "Error by horizon: ours and naive (quote currency)",
            Place(0, 20, 24, 12),
            "line",
            (
                Layer(
                    FORECAST_VIEW,
                    (
                        Column("Ours", "average", "abs_error", BLUE),
                        Column("Naive", "average", "naive_error", PALE),
                    ),
                    terms=_HORIZON,
                ),
            ),
            JUDGED,
        ),
        Chart(
            "skill-by-day",
            "Skill of a day by model (mean over series and horizons)",
            Place(24, 20, 24, 12),
            "line",
            (
                Layer(
                    SCORE_VIEW,
                    (Column("Skill", "average", "skill", decimals=3),),
                    x="day",
                    interval="1d",
                    terms=(Terms("model", "Model", 10),),
                ),
            ),
            DAILY,
            (Level("as good as naive", 0.0, INK),),
        ),
    )


def _tables() -> tuple[HeatMap | Table, ...]:
    return (
        HeatMap(
            "error-by-symbol-and-day",
            "Mean error by symbol and day",
            Place(0, 32, 48, 15),
            Layer(
                FORECAST_VIEW,
                (_ERROR,),
                x="target_time",
                interval="1d",
                terms=(Terms("symbol", "Symbol", 50),),
            ),
            JUDGED,
        ),
        Table(
            "by-model",
            "By model",
            Place(0, 47, 36, 14),
            Layer(
                FORECAST_VIEW,
                (
                    _COUNT,
                    *_BANDS,
                    _ERROR,
                    Column("Pinball", "average", "pinball", decimals=6),
                    _SKILL,
                    share("Direction right", "direction_hit"),
                ),
                terms=(Terms("model", "Model"), Terms("interval", "Interval")),
            ),
            JUDGED,
            MARKET,
        ),
    )
