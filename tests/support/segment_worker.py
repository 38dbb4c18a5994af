"""Processes that build segments of one folder beside each other."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from market.interval import Interval
from market.store import open_store
from market.store.symbols import find_series
from support.segments import PLENTY, build


def build_all(url: str, path: Path, symbol: str, opens: list[int]) -> list[str]:
    """Build the months that some times lie in; return what became of each."""
    store = open_store(url)
    with store.read() as connection:
        series = find_series(connection, symbol, Interval.H1)
    outcomes = build(store, path, series, *opens)
    store.close()
    return [outcome.value for outcome in outcomes]


def hold(path: Path) -> None:
    """Take the folder's lock, begin a draft, say so and wait to be killed."""
    from api_historic.segments.folder import SegmentFolder

    with SegmentFolder(path, PLENTY).locked():
        (path / "1-07-0-00.draft").write_bytes(b"half")
        sys.stdout.write("held\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    hold(Path(sys.argv[1]))
