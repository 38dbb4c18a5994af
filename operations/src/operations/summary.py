"""The text a start ends with: where things are, what does not run here, what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from operations.catalogue import Service
from operations.settings import OperateSettings


@dataclass(frozen=True, slots=True)
class Missing:
    """A part of the platform that does not run here, what stands in, and how to get it."""

    part: str
    instead: str
    remedy: str


def list_missing(settings: OperateSettings) -> list[Missing]:
    """Return the parts of the platform a local installation runs without."""
    missing: list[Missing] = []
    if settings.store_url is None:
        missing.append(
            Missing(
                "MySQL",
                "SQLite in .klinecast/klinecast.db",
                "KLINECAST_STORE_URL=mysql://USER:PASSWORD@HOST:3306/DATABASE sh setup.sh --local",
            )
        )
    if settings.elasticsearch_url is None:
        missing.append(
            Missing(
                "Elasticsearch",
                "forecasts stay in the store, with nothing indexed",
                "KLINECAST_ELASTICSEARCH_URL=http://HOST:9200 sh setup.sh --local",
            )
        )
    if settings.elasticsearch_url is None or settings.kibana_url is None:
        missing.append(
            Missing(
                "Kibana",
                "the page shows market and forecasts",
                "sh setup.sh --docker   (or KLINECAST_KIBANA_URL=http://HOST:5601 beside it)",
            )
        )
    return missing


def local_summary(
    services: Sequence[Service], settings: OperateSettings, *, demo: bool
) -> list[str]:
    """Return the closing lines of a start in local mode."""
    lines = [headline("local mode", demo=demo), *address_lines(services)]
    missing = list_missing(settings)
    if missing:
        lines.append("Does not run here:")
    for part in missing:
        lines.append(f"  {part.part}: {part.instead}. To get it:")
        lines.append(f"    {part.remedy}")
    return lines + try_lines(settings.history_port)


def docker_summary(
    services: Sequence[Service], settings: OperateSettings, *, demo: bool
) -> list[str]:
    """Return the closing lines of a start in docker mode."""
    return [
        headline("docker mode", demo=demo),
        *address_lines(services),
        "Kibana's user is elastic, its password is ELASTIC_PASSWORD in .env.",
        *try_lines(settings.history_port),
    ]


def headline(mode: str, *, demo: bool) -> str:
    """Return the first closing line."""
    if demo:
        return f"Klinecast runs ({mode}). DEMO: recorded klines, replayed from 2024-06-18."
    return f"Klinecast runs ({mode}) on Binance's live data."


_PAGES = {
    "history": "http://127.0.0.1:{port}/",
    "models": "http://127.0.0.1:{port}/docs",
    "populator": "http://127.0.0.1:{port}/metrics",
    "sink": "http://127.0.0.1:{port}/metrics",
    "simulator": "http://127.0.0.1:{port}/api/v3/time",
    "mysql": "127.0.0.1:{port}",
}


def address_lines(services: Sequence[Service]) -> list[str]:
    """Return the addresses of services, one a line."""
    return [
        f"  {service.title:<21} "
        + _PAGES.get(service.name, "http://127.0.0.1:{port}").format(port=service.port)
        for service in services
        if service.port is not None
    ]


def try_lines(history_port: int) -> list[str]:
    """Return three commands to try."""
    base = f"http://127.0.0.1:{history_port}"
    return [
        "Try:",
        f"  curl '{base}/v1/klines?symbol=BTCUSDT&interval=1h&limit=3'",
        f"  curl '{base}/v1/forecasts?symbol=BTCUSDT&interval=1h'",
        "  sh setup.sh status",
    ]
