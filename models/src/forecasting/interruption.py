"""Stopping long work between two of its parts."""

from __future__ import annotations

from collections.abc import Callable

#: Called between two parts of long work; raises where the work shall stop.
Checkpoint = Callable[[], None]


def go_on() -> None:
    """Do nothing: the checkpoint of work that nobody stops."""
