"""A real model service and its workers, as processes over a real history API and store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from market.store import Store
from support.ports import free_port
from support.processes import running, wait_until

_PROGRAM = Path(sys.executable).with_name("klinecast-models")


@dataclass(frozen=True)
class Installation:
    """What model processes of one test share."""

    store: Store
    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [_PROGRAM, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={"PATH": "", **self.environment},
        )

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a training worker in the background."""
        log = self.folder / f"{name}.log"
        with running([_PROGRAM, "work"], log, environment=self.environment) as process:
            yield process

    @contextmanager
    def service(self) -> Iterator[str]:
        """Run the model API and its scheduler; yield its address once it is ready."""
        port = free_port()
        url, log = f"http://127.0.0.1:{port}", self.folder / "serve.log"
        environment = {**self.environment, "MODELS_PORT": str(port)}
        with running([_PROGRAM, "serve"], log, environment=environment) as process:
            wait_until(lambda: _is_ready(url), "model service", process=process, log=log)
            yield url


def install(
    store: Store, store_url: str, history_url: str, folder: Path, **settings: str
) -> Installation:
    """Return an installation with its artefacts below `folder`; settings by variable name."""
    environment = {
        "KLINECAST_STORE_URL": store_url,
        "KLINECAST_HISTORY_URL": history_url,
        "KLINECAST_ARTEFACTS_URL": (folder / "artefacts").as_uri(),
        "KLINECAST_SYMBOLS": "BTCUSDT",
        "KLINECAST_INTERVALS": "1h",
        "MODELS_POLL_S": "0.2",
        "MODELS_LEASE_S": "2",
        **settings,
    }
    return Installation(store, folder, environment)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(url + "/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
