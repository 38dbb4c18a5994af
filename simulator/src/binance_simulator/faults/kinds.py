"""Every kind of fault, and what may be said of it besides its own parameters."""

from __future__ import annotations

from typing import NamedTuple

from binance_simulator.faults import answers, files, rows, streams

_WINDOW = frozenset({"from", "until", "seconds"})
#: Strikes requests one by one.
REQUESTS = _WINDOW | {"count", "after", "probability"}
#: Strikes things (klines, files), the same ones each time they are looked at.
THINGS = _WINDOW | {"probability"}
#: Is in force as a whole.
STATE = _WINDOW
#: Happens by itself at a moment, and again.
MOMENT = frozenset({"from", "count", "every_s"})
#: Is a fact of the whole run.
FACT: frozenset[str] = frozenset()

_REST = frozenset({"path", "symbol", "interval", "source"})
_ROWS = frozenset({"symbol", "interval", "source"})
_ARCHIVES = ("archive_monthly", "archive_daily")


class Kind(NamedTuple):
    """A kind: the class with its parameters, which targets and times it takes, its defaults."""

    effect: type
    target: frozenset[str]
    when: frozenset[str]
    source: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "status": Kind(answers.Status, _REST, REQUESTS),
    "rate_limit": Kind(answers.RateLimit, _REST, REQUESTS),
    "ban": Kind(answers.Ban, _REST, REQUESTS),
    "slow_body": Kind(answers.SlowBody, _REST, REQUESTS),
    "cut_body": Kind(answers.CutBody, _REST, REQUESTS),
    "clock_skew": Kind(answers.ClockSkew, frozenset(), STATE),
    "api_key": Kind(answers.ApiKey, frozenset(), STATE),
    "corrupt_zip": Kind(files.CorruptZip, _REST, REQUESTS),
    "truncated_zip": Kind(files.TruncatedZip, _REST, REQUESTS),
    "bad_checksum": Kind(files.BadChecksum, _REST, REQUESTS),
    "missing_file": Kind(files.MissingFile, _REST, THINGS),
    "late_publication": Kind(files.LatePublication, _REST, THINGS),
    "header_row": Kind(files.HeaderRow, _REST, THINGS),
    "time_unit": Kind(files.TimeUnit, _REST, THINGS),
    "disagreement": Kind(rows.Change, _ROWS, THINGS, required=("source",)),
    "reuploaded": Kind(rows.Change, _ROWS, THINGS, _ARCHIVES, required=("from",)),
    "changed_final": Kind(rows.Change, _ROWS, THINGS, ("ws",)),
    "missing_rows": Kind(rows.MissingRows, _ROWS, THINGS),
    "duplicate_rows": Kind(rows.DuplicateRows, _ROWS, THINGS),
    "off_grid": Kind(rows.OffGrid, _ROWS, THINGS),
    "delisted": Kind(rows.Delisted, frozenset({"symbol"}), FACT, required=("symbol",)),
    "listed": Kind(rows.Listed, frozenset({"symbol"}), FACT, required=("symbol",)),
    "renamed": Kind(rows.Renamed, frozenset({"symbol"}), FACT, required=("symbol",)),
    "drop_streams": Kind(streams.DropStreams, frozenset(), MOMENT),
    "server_shutdown": Kind(streams.ServerShutdown, frozenset(), MOMENT),
    "silence": Kind(streams.Silence, _ROWS - {"source"}, THINGS),
    "late_finals": Kind(streams.LateFinals, _ROWS - {"source"}, THINGS),
    "connection_life": Kind(streams.ConnectionLife, frozenset(), STATE),
}
