"""What `status` shows: the services, how fresh the data are, the newest forecasts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from rich.console import Console
from rich.table import Table

from operations.mode import Platform, ServiceReport
from operations.probe import fetch_forecast_counts, fetch_json, fetch_newest_forecast
from operations.settings import OperateSettings
from operations.state import Mode

#: Columns the widest table takes.
_WIDTH = 120


class SeriesStatus(BaseModel):
    """How fresh one series is. Times in ms, `lag_ms` behind the exchange's clock.

    `watermark_ms` is the newest open time below which no unexplained gap remains, `forecasts`
    how many are kept, of all models; it is not known while the model API does not answer.
    """

    model_config = ConfigDict(frozen=True)

    symbol: str
    interval: str
    klines: int
    last_open_ms: int
    watermark_ms: int | None
    lag_ms: int
    forecasts: int | None
    newest_forecast_id: str | None
    newest_cutoff_ms: int | None
    model: str | None


class Status(BaseModel):
    """The answer of `status --json`."""

    model_config = ConfigDict(frozen=True)

    mode: Mode
    demo: bool
    demo_ended: bool | None
    exchange_ms: int | None
    well: bool
    services: list[ServiceReport]
    series: list[SeriesStatus]


def build_status(
    platform: Platform, settings: OperateSettings, *, mode: Mode, demo: bool
) -> Status:
    """Ask the services, and the history API for the data."""
    services = platform.report(demo=demo)
    history_url = platform.history_url()
    glance = fetch_json(f"{history_url}/v1/status")
    if not isinstance(glance, dict):
        glance = {}
    return Status(
        mode=mode,
        demo=demo,
        demo_ended=glance.get("demo_ended"),
        exchange_ms=glance.get("now_ms"),
        well=all(service.running and service.ready is not False for service in services),
        services=services,
        series=_series(history_url, settings),
    )


def _series(history_url: str, settings: OperateSettings) -> list[SeriesStatus]:
    page = fetch_json(f"{history_url}/v1/symbols")
    if not isinstance(page, dict):
        return []
    counts = fetch_forecast_counts(f"http://127.0.0.1:{settings.models_port}")
    found: list[SeriesStatus] = []
    for symbol in page.get("symbols", []):
        if not settings.symbols.admits(symbol["symbol"], symbol["quote_asset"]):
            continue
        for series in symbol["series"]:
            name = symbol["symbol"], series["interval"]
            forecast = fetch_newest_forecast(history_url, *name)
            count = None if counts is None else counts.get(name, 0)
            found.append(_one_series(symbol["symbol"], series, forecast, count))
    return found


def _one_series(
    symbol: str, series: dict[str, Any], forecast: dict[str, Any] | None, count: int | None
) -> SeriesStatus:
    return SeriesStatus(
        symbol=symbol,
        interval=series["interval"],
        klines=series["count"],
        last_open_ms=series["last_open_ms"],
        watermark_ms=series["watermark_ms"],
        lag_ms=series["lag_ms"],
        forecasts=count,
        newest_forecast_id=None if forecast is None else forecast["forecast_id"],
        newest_cutoff_ms=None if forecast is None else forecast["cutoff_ms"],
        model=None if forecast is None else forecast["model"],
    )


def write_status(status: Status) -> None:
    """Write the status as one JSON object to stdout."""
    sys.stdout.write(status.model_dump_json(indent=2) + "\n")


def render_status(status: Status) -> None:
    """Write the status as tables to stdout."""
    # Without a terminal no width is known: lines are then as long as the tables.
    width = None if sys.stdout.isatty() else _WIDTH
    console = Console(file=sys.stdout, highlight=False, width=width)
    kind = "DEMO" if status.demo else "live data"
    ended = ", the recorded data have ended" if status.demo_ended else ""
    console.print(f"{status.mode} mode, {kind}{ended}", markup=False)
    services = Table("service", "state", "port", "restarts", "detail")
    for service in status.services:
        services.add_row(
            service.name,
            _state(service),
            str(service.port or ""),
            str(service.restarts),
            service.detail,
        )
    console.print(services)
    if not status.series:
        console.print("No series to show: the history API does not answer or holds none yet.")
        return
    series = Table("series", "klines", "whole up to", "behind", "forecasts", "newest from", "model")
    for row in status.series:
        series.add_row(
            f"{row.symbol} {row.interval}",
            f"{row.klines:,}",
            "" if row.watermark_ms is None else show_time(row.watermark_ms),
            show_duration(row.lag_ms),
            "?" if row.forecasts is None else f"{row.forecasts:,}",
            "none yet" if row.newest_cutoff_ms is None else show_time(row.newest_cutoff_ms),
            row.model or "",
        )
    console.print(series)


def _state(service: ServiceReport) -> str:
    if not service.running:
        return "down"
    return "not ready" if service.ready is False else "ready" if service.ready else "runs"


def show_time(time_ms: int) -> str:
    """Return a time as UTC, to the minute.

    >>> show_time(1_718_668_800_000)
    '2024-06-18 00:00Z'
    """
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%MZ")


def show_duration(milliseconds: int) -> str:
    """Return a duration in its two largest units.

    >>> show_duration(3_723_000)
    '1 h 2 min'
    """
    seconds = max(0, milliseconds // 1000)
    for size, name, smaller, smaller_name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            return f"{seconds // size} {name} {seconds % size // smaller} {smaller_name}"
    return f"{seconds} s"
