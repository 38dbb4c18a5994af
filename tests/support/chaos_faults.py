"""Drawing faults for a chaos test: each a body of the simulator's control."""

from __future__ import annotations

import random
from collections.abc import Callable

Body = dict[str, object]
Draw = Callable[[random.Random], Body]

_ARCHIVES = ["archive_monthly", "archive_daily"]


def _of(kind: str, **parameters: Callable[[random.Random], object]) -> Draw:
    def draw(dice: random.Random) -> Body:
        return {"kind": kind} | {name: make(dice) for name, make in parameters.items()}

    return draw


def _whole(first: int, last: int) -> Callable[[random.Random], object]:
    return lambda dice: dice.randint(first, last)


def _real(least: float, most: float) -> Callable[[random.Random], object]:
    return lambda dice: round(dice.uniform(least, most), 3)


def _one(*values: object) -> Callable[[random.Random], object]:
    return lambda dice: dice.choice(values)


_PATH = _one("/api/v3", "/api/v3/klines", "/data", "/")
_SHORT = _real(0.5, 6)

#: What may be drawn. None changes what REST tells of a closed kline: that is the truth.
DRAWS: tuple[Draw, ...] = (
    _of("status", status=_one(500, 502, 503, 504), count=_whole(1, 5), path=_PATH),
    _of("status", status=_one(403), count=_whole(1, 3), path=_one("/api/v3/klines", "/ws")),
    _of("status", status=_one(429), retry_after_s=_whole(1, 4), path=_one("/api/v3")),
    _of("rate_limit", retry_after_s=_whole(1, 5)),
    _of("ban", retry_after_s=_whole(1, 5)),
    _of("cut_body", keep=_real(0, 0.99), count=_whole(1, 3), path=_PATH),
    _of("slow_body", bytes_per_s=_whole(2_000, 200_000), count=_whole(1, 3), path=_PATH),
    _of("corrupt_zip", count=_whole(1, 2)),
    _of("truncated_zip", keep=_real(0, 0.99), count=_whole(1, 2)),
    _of("bad_checksum", count=_whole(1, 2)),
    _of("missing_file", probability=_real(0.1, 1), seconds=_SHORT),
    _of("late_publication", hours=_real(0.1, 48), seconds=_SHORT),
    _of("header_row", seconds=_SHORT),
    _of("time_unit", unit=_one("ms", "us", "mixed"), seconds=_SHORT),
    _of("clock_skew", offset_ms=_whole(-60_000, -1), seconds=_SHORT),
    _of("missing_rows", source=_one(_ARCHIVES), probability=_real(0.01, 0.3), seconds=_SHORT),
    _of("duplicate_rows", source=_one("archive_monthly", "archive_daily", "ws"), seconds=_SHORT),
    _of(
        "changed_final",
        change=_one({"number_of_trades": "+1"}, {"volume": "*1.01"}, {"close": "+0"}),
        probability=_real(0.2, 1),
        seconds=_SHORT,
    ),
    _of("late_finals", delay_s=_real(1, 240), seconds=_SHORT),
    _of("silence", seconds=_SHORT),
    _of("silence", symbol=_one("AAAUSDT", "BBBUSDT"), seconds=_SHORT),
    _of("drop_streams", code=_one(1001, 1011, 1012)),
    _of("server_shutdown", after_s=_real(0.1, 3)),
    _of("connection_life", life_s=_real(1, 5), seconds=_SHORT),
)


_EACH = _real(0.002, 0.2)
_ROWS = _one({"number_of_trades": "+1"}, {"volume": "*1.01"}, {"quote_asset_volume": "+1"})
_LIARS = _one("archive_monthly", "archive_daily", "rest")

#: Lies about klines that have closed, which only a comparison of the sources finds.
LIES: tuple[Draw, ...] = (
    _of("disagreement", source=_LIARS, change=_ROWS, probability=_EACH),
    _of("disagreement", source=_one(_ARCHIVES), change=_ROWS, probability=_EACH),
    _of("missing_rows", source=_LIARS, probability=_EACH),
    _of("missing_rows", source=_one(_ARCHIVES), probability=_EACH),
    _of("off_grid", source=_LIARS, probability=_real(0.001, 0.01), shift_ms=_whole(1, 59_000)),
    _of("duplicate_rows", source=_one(_ARCHIVES), probability=_EACH),
    _of("missing_file", probability=_real(0.1, 0.5)),
    _of("late_publication", hours=_real(1, 48), source=_one(_ARCHIVES)),
    _of("time_unit", unit=_one("ms", "us", "mixed"), probability=_real(0.1, 1)),
    _of("header_row", probability=_real(0.1, 1)),
)


def draw_lie(dice: random.Random) -> Body:
    """Return the next lie."""
    return dice.choice(LIES)(dice)


def draw_fault(dice: random.Random) -> Body:
    """Return the next fault."""
    return dice.choice(DRAWS)(dice)
