"""What all command lines share: exit statuses, errors in one sentence, arguments."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console

from market.errors import InvalidParameter, KlinecastError, SettingsError
from market.interval import Interval
from market.times import parse_time_ms

#: Everything but results goes to stderr.
stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def run_command(app: typer.Typer) -> NoReturn:
    """Run a command line and exit: 0 done, 1 failed, 2 wrong by the command line alone."""
    try:
        app()  # typer itself reports what is wrong with the line, and exits
    except KlinecastError as error:
        _show(error)
        wrong_line = isinstance(error, InvalidParameter) and not isinstance(error, SettingsError)
        sys.exit(2 if wrong_line else 1)
    except KeyboardInterrupt:
        stderr.print("Interrupted.")
        sys.exit(130)
    sys.exit(0)


def _show(error: KlinecastError) -> None:
    stderr.print(f"error: {error.detail}", style="red", markup=False)
    if error.hint:
        stderr.print(f"hint: {error.hint}", markup=False)


def parse_interval(text: str) -> Interval:
    """Read an interval for a typer option."""
    return Interval.parse(text)


def time_option(name: str, text: str | None) -> int | None:
    """Read a time of the command line; see `market.times.parse_time_ms`."""
    return None if text is None else parse_time_ms(name, text)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, so that work ends at a unit's end."""
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
