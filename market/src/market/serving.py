"""Serving an HTTP API until it is asked to end: in this process, or by several workers.

Needs the extra `api` (FastAPI and uvicorn).
"""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
import time
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from market.errors import Conflict, FatalError
from market.log import get_logger

log = get_logger()

#: Seconds open requests get to end in once the process is asked to.
_GRACE_S = 8
#: Bytes of a WebSocket message that is read: nobody has anything to say to these APIs.
_LARGEST_MESSAGE = 4_096


def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; open requests get up to 8 s to end.

    Raises:
        Conflict: the address is taken.
    """
    listener = _listen(host, port)
    server = uvicorn.Server(_config(app))

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn takes its own signals only while it runs, and then repeats the one that ended
    # it: asked to end and ended is no failure, and asked before it runs must not be lost.
    signal.signal(signal.SIGTERM, end)
    log.info("listening", host=host, port=listener.getsockname()[1])
    server.run(sockets=[listener])
    if not server.started:
        raise FatalError("the API could not start; the log tells why")


def serve_workers(factory: str, workers: int, host: str, port: int) -> None:
    """Serve by several processes on one socket until SIGTERM or SIGINT; each ends as `serve`.

    `factory` names a function ("package.module:name") that makes the app in each worker. One
    that dies is replaced.

    Raises:
        Conflict: the address is taken.
    """
    listener = _listen(host, port)
    with tempfile.TemporaryDirectory(prefix="klinecast-metrics-") as folder:
        # Each worker counts for itself in a file there; any of them tells the sum.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        log.info("listening", host=host, port=listener.getsockname()[1], workers=workers)
        Multiprocess(_config(factory, factory=True, workers=workers), [listener]).run()
        del os.environ["PROMETHEUS_MULTIPROC_DIR"]
    listener.close()


def end_with_parent() -> None:
    """End this worker once the process that watches it is gone: it would never be asked to."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _config(app: FastAPI | str, **others: Any) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
        server_header=False,
        # Messages are compressed for nobody: each listener would cost its own compressor.
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=_LARGEST_MESSAGE,
        **others,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Conflict(
            f"can't listen on {host} port {port}: {error.strerror or error}",
            hint="Stop what listens there, or choose another port.",
        ) from error
