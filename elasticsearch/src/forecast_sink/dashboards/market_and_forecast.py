"""The dashboard "Market and forecast": where the price is, and where it may go."""

from __future__ import annotations

from forecast_sink.dashboards.description import (
    Chart,
    Column,
    Control,
    Dashboard,
    Drawing,
    Figure,
    Layer,
    Listing,
    Place,
)
from forecast_sink.dashboards.price_band import build_price_band
from forecast_sink.dashboards.setting import (
    BLUE,
    FORECAST_VIEW,
    INK,
    KLINE_VIEW,
    MARKET,
    PALE,
    Setting,
)

#: Fifty hourly steps reach a little beyond two days.
_LIVE_RANGE = ("now-7d", "now+3d")

_TEXT = """\
**How to read this.** Candles are what traded. The blue bands are where the model expects the \
close to be: the darker one in half of all cases, the paler ones in 80 % and in 95 %. Up to now \
they show the newest forecast made *before* each kline, from now on the latest forecast: up to \
50 klines ahead. The served champion comes first, another model when *Model* names it; *Horizon* \
leaves only forecasts made that many klines ahead.

A verdict of `skill` means that a test on past data was passed; `none` and `coin_flip` mean it was \
not, and then the bands are honest about risk but the middle line says nothing."""


def build_market(setting: Setting) -> Dashboard:
    """Return the dashboard; the setting's series is selected when it is opened."""
    return setting.dashboard(
        identity=MARKET,
        description="Klines, the forecast bands and the latest forecasts.",
        live_range=_LIVE_RANGE,
        views=(FORECAST_VIEW, KLINE_VIEW),
        controls=(
            Control("symbol", "Symbol", KLINE_VIEW, (setting.symbol,), single=True),
            Control("interval", "Interval", KLINE_VIEW, (setting.interval,), single=True),
            Control("model", "Model", FORECAST_VIEW),
            Control("step", "Horizon (klines ahead)", FORECAST_VIEW, single=True),
        ),
        panels=(
            *_figures(),
            Drawing(
                "price-band",
                "Price and forecast bands (50, 80, 95 %)",
                Place(0, 7, 48, 20),
                build_price_band(),
            ),
            _actual_and_forecast(),
            _volume(),
            _latest(),
            setting.reading(Place(36, 39, 12, 16), _TEXT),
        ),
    )


def _figures() -> tuple[Figure, ...]:
    def close(operation_label: str) -> Column:
        return Column(operation_label, "last_value", "close", decimals=2, sort_field="close_time")

    return (
        Figure(
            "last-close", "Last close", Place(0, 2, 12, 5), Layer(KLINE_VIEW, (close("Close"),))
        ),
        Figure(
            "newest-kline",
            "Newest kline closed at",
            Place(12, 2, 12, 5),
            Layer(KLINE_VIEW, (Column("Closed at", "max", "close_time"),)),
        ),
        Figure(
            "newest-forecast",
            "Newest forecast made at",
            Place(24, 2, 12, 5),
            Layer(FORECAST_VIEW, (Column("Made at", "max", "made_at"),)),
        ),
        Figure(
            "forecasts",
            "Forecast steps in this range",
            Place(36, 2, 12, 5),
            Layer(FORECAST_VIEW, (Column("Steps", "count"),)),
        ),
    )


def _actual_and_forecast() -> Chart:
    def quantile(label: str, source: str, color: str) -> Column:
        return Column(label, "average", source, color)

    return Chart(
        "actual-and-forecast",
        "Close, median and 80 % band (mean of the forecasts selected above)",
        Place(0, 27, 28, 12),
        "line",
        (
            Layer(KLINE_VIEW, (Column("Close", "average", "close", INK),), x="close_time"),
            Layer(
                FORECAST_VIEW,
                (
                    quantile("10 %", "q10", PALE),
                    quantile("Median", "q50", BLUE),
                    quantile("90 %", "q90", PALE),
                ),
                x="target_time",
            ),
        ),
    )


def _volume() -> Chart:
    return Chart(
        "volume",
        "Volume (base currency)",
        Place(28, 27, 20, 12),
        "bar",
        (Layer(KLINE_VIEW, (Column("Volume", "sum", "volume", PALE),), x="open_time"),),
    )


def _latest() -> Listing:
    return Listing(
        "klinecast-latest-forecasts",
        "Latest forecasts",
        Place(0, 39, 36, 16),
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
