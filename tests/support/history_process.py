"""`klinecast-history serve` as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.ports import free_port
from support.processes import running, wait_until

PROGRAM = Path(sys.executable).with_name("klinecast-history")


@contextmanager
def serving(log: Path, **environment: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the history API; yield its address and the process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return httpx.get(f"{url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    environment = {"KLINECAST_BINANCE_REST_URL": "http://127.0.0.1:9", **environment}
    with running([PROGRAM, "serve", "--port", str(port)], log, environment=environment) as process:
        wait_until(is_up, "the history API", process=process, log=log)
        yield url, process
