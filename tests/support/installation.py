"""A fresh copy of the project, to try whole installations in."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from forecasting.registry import REGISTRY
from support.ports import free_port

ROOT = Path(__file__).parents[2]
#: Settings that would lead a trial out of its own folder.
_OURS = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "OPERATE_", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the project as a fresh clone would be, and the environment it is used in."""

    folder: Path
    environment: Mapping[str, str]

    def setup(self, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
        """Run setup.sh without a terminal."""
        return subprocess.run(
            ["sh", "setup.sh", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )


def copy_project(folder: Path, settings: Mapping[str, str]) -> Copy:
    """Copy what git would clone, with changes that are not committed yet."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    outside = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return Copy(folder, {**outside, **settings})


def free_ports(*variables: str) -> dict[str, str]:
    """Return a free port for each variable that sets one."""
    return {variable: str(free_port()) for variable in variables}


class Installation:
    """A running demo, and the answers of its services.

    Attributes:
        started: the run of setup.sh that started it.
    """

    symbol = "BTCUSDT"
    interval = "1h"
    step_ms = 3_600_000

    def __init__(self, copy: Copy, started: subprocess.CompletedProcess[str]) -> None:
        self.copy = copy
        self.started = started

    @property
    def series(self) -> dict[str, str]:
        """The parameters of the series that is looked at."""
        return {"symbol": self.symbol, "interval": self.interval}

    def url(self, variable: str) -> str:
        """Return the address of the service whose port that variable sets."""
        return f"http://127.0.0.1:{self.copy.environment[variable]}"

    def ask(self, variable: str, path: str, **parameters: str | int) -> Any:
        """Return the JSON a service answers with."""
        answer = httpx.get(self.url(variable) + path, params=parameters, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def history(self, path: str, **parameters: str | int) -> Any:
        """Ask the history API."""
        return self.ask("HISTORY_PORT", path, **parameters)

    def exchange_klines(self, **parameters: str | int) -> list[list[Any]]:
        """Ask the simulated exchange for closed klines of the series."""
        port = "OPERATE_SIMULATOR_PORT"
        now_ms = self.ask(port, "/api/v3/time")["serverTime"]
        klines = self.ask(port, "/api/v3/klines", **self.series, **parameters)
        return [kline for kline in klines if kline[6] < now_ms]

    def newest_stored(self) -> int:
        """Return the newest open time of the series in the store."""
        symbols = self.history("/v1/symbols")["symbols"]
        (symbol,) = [one for one in symbols if one["symbol"] == self.symbol]
        (series,) = [one for one in symbol["series"] if one["interval"] == self.interval]
        return int(series["last_open_ms"])

    def forecast_ids(self) -> list[str]:
        """Return the ids of every stored forecast of the series, by every model."""
        found: list[str] = []
        for model in REGISTRY:
            options = {**self.series, "model": model, "limit": 100}
            answer = httpx.get(self.url("HISTORY_PORT") + "/v1/forecasts", params=options)
            if answer.status_code != 404:  # not trained yet
                page = answer.raise_for_status().json()
                found += [forecast["forecast_id"] for forecast in page["forecasts"]]
        return found

    def is_well(self) -> bool:
        """Tell whether `status` finds nothing wrong."""
        return self.copy.setup("status").returncode == 0

    def assert_store_equals_exchange(self) -> None:
        """Compare the newest klines, field by field, with what the exchange holds."""
        start_ms = self.newest_stored() - 500 * self.step_ms
        stored = self.history("/v1/klines", **self.series, start=start_ms, limit=1000)
        end_ms = stored["klines"][-1][0]
        recorded = self.exchange_klines(startTime=start_ms, endTime=end_ms, limit=1000)
        assert [kline[:11] for kline in stored["klines"]] == [kline[:11] for kline in recorded]
        assert stored["complete"] is True
