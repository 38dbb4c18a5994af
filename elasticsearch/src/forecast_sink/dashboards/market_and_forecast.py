"""The dashboard "Market and forecast": where the price is, and where it may go."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    DataView,
    Drawing,
    Figure,
    Layer,
    Listing,
    Place,
    Text,
)
from forecast_sink.dashboards.price_band import build_price_band
from forecast_sink.indices import FORECASTS, KLINES

FORECAST_VIEW = DataView(
    FORECASTS.alias, "Klinecast forecasts", "target_time", FORECASTS.properties
)
KLINE_VIEW = DataView(KLINES.alias, "Klinecast klines", "open_time", KLINES.properties)

#: The simulator's sample is served from 2024-06-18 and ends on 2024-06-25.
_DEMO_RANGE = ("2024-06-13T00:00:00.000Z", "2024-06-28T00:00:00.000Z")
#: Fifty hourly steps reach a little beyond two days.
_LIVE_RANGE = ("now-7d", "now+3d")

_INK, _BLUE, _PALE = "#343741", "#6092C0", "#A8BFDA"

_TEXT = """\
**How to read this.** Candles are what traded. The blue bands are where the model expects the \
close to be: the darker one in half of all cases, the paler ones in 80 % and in 95 %. Up to now \
they show the newest forecast made *before* each kline, from now on the latest forecast: up to \
50 klines ahead. The served champion comes first, another model when *Model* names it; *Horizon* \
leaves only forecasts made that many klines ahead.

A verdict of `skill` means that a test on past data was passed; `none` and `coin_flip` mean it was \
not, and then the bands are honest about risk but the middle line says nothing.

**Research only. This is not financial advice.**"""

_DEMO_TEXT = """\
**DEMO** - recorded klines of June 2024, replayed by the simulator at 60 times their pace. \
Nothing here is the market of today.

"""


def build_dashboard(*, demo: bool, symbol: str = "BTCUSDT", interval: str = "1h") -> Dashboard:
    """Return the dashboard; `symbol` and `interval` are selected when it is opened."""
    start, end = _DEMO_RANGE if demo else _LIVE_RANGE
    return Dashboard(
        identity="klinecast-market-and-forecast",
        title="Klinecast - market and forecast" + (" (DEMO)" if demo else ""),
        description="Klines, the forecast bands and the latest forecasts. Not financial advice.",
        start=start,
        end=end,
        views=(FORECAST_VIEW, KLINE_VIEW),
        controls=(
            Control("symbol", "Symbol", KLINE_VIEW, (symbol,), single=True),
            Control("interval", "Interval", KLINE_VIEW, (interval,), single=True),
            Control("model", "Model", FORECAST_VIEW),
            Control("step", "Horizon (klines ahead)", FORECAST_VIEW, single=True),
        ),
        panels=(
            *_figures(),
            Drawing(
                "price-band",
                "Price and forecast bands (50, 80, 95 %)",
                Place(0, 5, 48, 20),
                build_price_band(),
            ),
            _actual_and_forecast(),
            _volume(),
            _latest(),
            Text(
                "reading",
                "How to read this",
                Place(36, 37, 12, 16),
                (_DEMO_TEXT if demo else "") + _TEXT,
            ),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    def close(operation_label: str) -> Column:
        return Column(operation_label, "last_value", "close", decimals=2, sort_field="close_time")

    return (
        Figure(
            "last-close", "Last close", Place(0, 0, 12, 5), Layer(KLINE_VIEW, (close("Close"),))
        ),
        Figure(
            "newest-kline",
            "Newest kline closed at",
            Place(12, 0, 12, 5),
            Layer(KLINE_VIEW, (Column("Closed at", "max", "close_time"),)),
        ),
        Figure(
            "newest-forecast",
            "Newest forecast made at",
            Place(24, 0, 12, 5),
            Layer(FORECAST_VIEW, (Column("Made at", "max", "made_at"),)),
        ),
        Figure(
            "forecasts",
            "Forecast steps in this range",
            Place(36, 0, 12, 5),
            Layer(FORECAST_VIEW, (Column("Steps", "count"),)),
        ),
    )


def _actual_and_forecast() -> Chart:
    def quantile(label: str, source: str, color: str) -> Column:
        return Column(label, "average", source, color)

    return Chart(
        "actual-and-forecast",
        "Close, median and 80 % band (mean of the forecasts selected above)",
        Place(0, 25, 28, 12),
        "line",
        (
            Layer(KLINE_VIEW, (Column("Close", "average", "close", _INK),), x="close_time"),
            Layer(
                FORECAST_VIEW,
                (
                    quantile("10 %", "q10", _PALE),
                    quantile("Median", "q50", _BLUE),
                    quantile("90 %", "q90", _PALE),
                ),
                x="target_time",
            ),
        ),
    )


def _volume() -> Chart:
    return Chart(
        "volume",
        "Volume (base currency)",
        Place(28, 25, 20, 12),
        "bar",
        (Layer(KLINE_VIEW, (Column("Volume", "sum", "volume", _PALE),), x="open_time"),),
    )


def _latest() -> Listing:
    return Listing(
        "klinecast-latest-forecasts",
        "Latest forecasts",
        Place(0, 37, 36, 16),
        FORECAST_VIEW,
        (
            "symbol",
            "interval",
            "model",
            "champion",
            "made_at",
            "step",
            "last_close",
            "q10",
            "q50",
            "q90",
            "verdict",
            "action",
        ),
        (("cutoff", "desc"), ("step", "asc")),
    )
