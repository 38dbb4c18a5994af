"""Questions to running services over HTTP; every answer is a value, never an exception."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from operations.catalogue import Service
from operations.secret_file import SERVICE_TOKEN

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a service is ready, and if not, why."""

    ready: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Training:
    """A training job: its state, its progress as a fraction, and why it failed, if it did."""

    state: str
    progress: float
    error: str | None


def ask_health(service: Service) -> Health:
    """Ask a service's `/readyz`."""
    if service.health_url is None:
        return Health(True, "")
    try:
        answer = _get(service.health_url, {})
    except httpx.HTTPError as error:
        return Health(False, f"port {service.port} does not answer ({type(error).__name__})")
    if answer.status_code == 200:
        return Health(True, "")
    return Health(False, _reasons(answer))


def _reasons(answer: httpx.Response) -> str:
    try:
        checks: dict[str, str] = answer.json()["checks"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {answer.status_code} on /readyz"
    return "; ".join(f"{name}: {reason}" for name, reason in checks.items() if reason != "ok")


def fetch_json(url: str, **parameters: str | int) -> Any | None:
    """Return the JSON a page answers with, None when it answers with anything else."""
    try:
        answer = _get(url, parameters)
        return answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None


def fetch_newest_forecast(history_url: str, symbol: str, interval: str) -> dict[str, Any] | None:
    """Return the newest forecast the history API serves of a series, None without one."""
    page = fetch_json(f"{history_url}/v1/forecasts", symbol=symbol, interval=interval, limit=1)
    if not isinstance(page, dict) or not page.get("forecasts"):
        return None
    newest: dict[str, Any] = page["forecasts"][0]
    return newest


def fetch_forecast_counts(models_url: str) -> dict[tuple[str, str], int] | None:
    """Return how many forecasts are kept by symbol and interval, None without an answer."""
    page = fetch_json(f"{models_url}/v1/ledger")
    if not isinstance(page, dict):
        return None
    return {(one["symbol"], one["interval"]): one["forecasts"] for one in page.get("series", [])}


def fetch_trainings(history_url: str, symbol: str, interval: str) -> list[Training]:
    """Return the training jobs of a series, newest first; none when the API does not answer."""
    page = fetch_json(f"{history_url}/v1/jobs", kind="training")
    jobs = page.get("jobs", []) if isinstance(page, dict) else []
    return [
        Training(job["state"], job["progress"], job["error"])
        for job in jobs
        if job["request"].get("symbol") == symbol and job["request"].get("interval") == interval
    ]


def _get(url: str, parameters: Mapping[str, str | int]) -> httpx.Response:
    # Everything asked is plain HTTP on the loopback: no proxy, and no certificates to load,
    # which would cost more than the question.
    return httpx.get(
        url,
        params=parameters,
        headers=_headers(),
        timeout=_TIMEOUT_S,
        trust_env=False,
        verify=False,
    )


def _headers() -> dict[str, str]:
    # Of .env, which the entry point reads and a start may add to.
    token = os.environ.get(SERVICE_TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}
