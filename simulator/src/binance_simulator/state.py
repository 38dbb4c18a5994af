"""The file that keeps the clock over restarts."""

from __future__ import annotations

import os
from pathlib import Path

import orjson

from market.errors import DataError


def read_state(path: Path) -> int | None:
    """Return the time a clock stopped at, or `None` where it never ran.

    Raises:
        DataError: the file is not a clock's state.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return int(orjson.loads(content)["now_ms"])
    except (ValueError, KeyError, TypeError):
        raise DataError(
            f"{path} is not the state of a clock: {content[:80]!r}",
            hint="Delete the file to start the clock anew.",
        ) from None


def write_state(path: Path, now_ms: int) -> None:
    """Keep the time; a reader sees the old content or the new, never a half."""
    beside = path.with_name(path.name + ".new")
    beside.write_bytes(orjson.dumps({"now_ms": now_ms}))
    os.replace(beside, path)
