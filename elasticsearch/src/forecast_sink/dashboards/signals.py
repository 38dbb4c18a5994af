"""The dashboard "Signals and paper results": what following the signals would have earned."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    Figure,
    Layer,
    Level,
    Listing,
    Place,
    Table,
    Terms,
)
from forecast_sink.dashboards.filters import Filter
from forecast_sink.dashboards.setting import BLUE, INK, PALE, PAPER, QUALITY, SIGNAL_VIEW, Setting

_TAKEN = (Filter("action", ("BUY", "SELL")),)
_CHAMPION = (Filter("champion", (True,)),)
_KNOWN = (Filter("actual"), *_CHAMPION)

_TEXT = """\
**How to read this.** A signal speaks of the next kline: *BUY* or *SELL* where the model passed \
its tests and its range leaves a reason, else *HOLD*. Its *result* is that kline's return, \
turned round for *SELL*, and 0 for *HOLD*. The line adds results up, kline by kline, without \
reinvesting; *just held* adds up the returns themselves. Choose one symbol and one interval: \
sums over several count each of them once.

**No fees, no spread and no slippage are taken off**, and every signal is taken to be filled at \
the close it was made after. At 0.1 % a side most small edges are gone. Only signals of the \
champion of their time are added up."""


def build_signals(setting: Setting) -> Dashboard:
    """Return the dashboard; the setting's series is selected when it is opened."""
    return setting.dashboard(
        identity=PAPER,
        description="Signals, and what the next kline made of them, before fees.",
        live_range=("now-30d", "now+1d"),
        views=(SIGNAL_VIEW,),
        controls=(
            Control("symbol", "Symbol", SIGNAL_VIEW, (setting.symbol,)),
            Control("interval", "Interval", SIGNAL_VIEW, (setting.interval,), single=True),
            Control("model", "Model", SIGNAL_VIEW),
        ),
        panels=(
            *_figures(),
            *_charts(),
            _by_model(),
            _latest(),
            setting.reading(Place(36, 20, 12, 24), _TEXT),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    hits = Column("Hits", "average", "is_hit", percent=True)
    result = Column("Sum of results", "sum", "result", percent=True, decimals=2)
    taken = Column("Signals", "count")
    return (
        Figure("signals", "Signals", Place(0, 2, 12, 5), Layer(SIGNAL_VIEW, (taken,))),
        Figure("taken", "BUY or SELL", Place(12, 2, 12, 5), Layer(SIGNAL_VIEW, (taken,)), _TAKEN),
        Figure(
            "hits",
            "BUY or SELL that the next kline bore out",
            Place(24, 2, 12, 5),
            Layer(SIGNAL_VIEW, (hits, taken)),
            (*_TAKEN, Filter("is_hit")),
        ),
        Figure(
            "result",
            "Sum of the champion's results, before fees",
            Place(36, 2, 12, 5),
            Layer(SIGNAL_VIEW, (result,)),
            _KNOWN,
        ),
    )


def _charts() -> tuple[Chart, ...]:
    return (
        Chart(
            "paper-result",
            "Results added up, and just held (before fees)",
            Place(0, 7, 36, 13),
            "line",
            (
                Layer(
                    SIGNAL_VIEW,
                    (
                        Column("Signals followed", "cumulative_sum", "result", BLUE, percent=True),
                        Column("Just held", "cumulative_sum", "actual_return", PALE, percent=True),
                    ),
                    x="target_time",
                ),
            ),
            _KNOWN,
            (Level("nothing gained", 0.0, INK),),
        ),
        Chart(
            "actions",
            "Signals by day",
            Place(36, 7, 12, 13),
            "bar",
            (
                Layer(
                    SIGNAL_VIEW,
                    (Column("Signals", "count"),),
                    x="target_time",
                    interval="1d",
                    terms=(Terms("action", "Action", 3),),
                ),
            ),
        ),
    )


def _by_model() -> Table:
    return Table(
        "results-by-model",
        "By model and action",
        Place(0, 20, 36, 10),
        Layer(
            SIGNAL_VIEW,
            (
                Column("n", "count"),
                Column("Hits", "average", "is_hit", percent=True),
                Column("Mean result", "average", "result", percent=True, decimals=3),
                Column("Sum of results", "sum", "result", percent=True, decimals=2),
                Column("Mean expected", "average", "expected_return", percent=True, decimals=3),
            ),
            terms=(
                Terms("model", "Model"),
                Terms("symbol", "Symbol", 50),
                Terms("action", "Action", 3),
            ),
        ),
        (Filter("actual"),),
        QUALITY,
    )


def _latest() -> Listing:
    return Listing(
        "klinecast-latest-signals",
        "Latest signals",
        Place(0, 30, 36, 14),
        SIGNAL_VIEW,
        ("symbol", "interval", "model", "champion", "action", "reason", "last_close", "result"),
        (("cutoff", "desc"),),
    )
