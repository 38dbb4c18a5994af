"""Rows of kline files to klines, each checked; what is doubtful is refused or counted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from market.errors import DataError
from market.kline import Kline, check_kline, exact_kline
from market.times import format_time
from populate_base.file_rows import FileRow
from populate_base.parse import to_milliseconds

_TIME = re.compile(r"[0-9]{1,17}")
_COUNT = re.compile(r"([0-9]{1,18})(?:\.0*)?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EIGHT_DECIMALS = Decimal("0.00000001")
#: Binary floating point carries 15 digits; what differs by more is another number.
_NOISE = Decimal("1e-14")


@dataclass(frozen=True, slots=True)
class Rules:
    """What an import takes.

    Attributes:
        now_ms: the exchange's time; a kline that closes later is not finished.
        naive_is_utc: whether times without an offset are taken for UTC.
        salvage: whether to mend, and count, what is otherwise refused: the noise of binary
            numbers, several states of one kline, klines that are not finished.
    """

    now_ms: int
    naive_is_utc: bool = False
    salvage: bool = False


@dataclass(slots=True)
class Tally:
    """What was met in a file.

    Attributes:
        rows: read.
        repeated: rows that were the one before again.
        superseded: earlier states of a kline of which a later one follows.
        rounded: rows with a number that was brought to eight decimals.
        unfinished: klines that had not closed.
    """

    rows: int = 0
    repeated: int = 0
    superseded: int = 0
    rounded: int = 0
    unfinished: int = 0


def iter_klines(rows: Iterable[FileRow], rules: Rules, tally: Tally, name: str) -> Iterator[Kline]:
    """Yield the klines of a file, ascending, exact to eight decimals, each open time once.

    Raises:
        DataError: naming the file, the row and what is wrong with it.
    """
    held: Kline | None = None
    for row in rows:
        tally.rows += 1
        try:
            kline = _parse(row, rules, tally)
            if kline.close_time_ms >= rules.now_ms:
                _check_finished(rules, kline)
                tally.unfinished += 1
                continue
            if held is None or kline.open_time_ms > held.open_time_ms:
                if held is not None:
                    yield held
                held = kline
            else:
                held = _same_slot(held, kline, rules, tally)
        except DataError as error:
            raise DataError(f"{name}: row {row.number}: {error.detail}", hint=error.hint) from None
    if held is not None:
        yield held


def _check_finished(rules: Rules, kline: Kline) -> None:
    if not rules.salvage:
        raise DataError(
            f"the kline closes at {format_time(kline.close_time_ms)}, which is in the future:"
            f" the exchange's clock says {format_time(rules.now_ms)}",
            hint="Only closed klines are stored; --salvage leaves such rows out.",
        )


def _same_slot(held: Kline, kline: Kline, rules: Rules, tally: Tally) -> Kline:
    """Return which of two rows counts that do not ascend."""
    if kline.open_time_ms < held.open_time_ms:
        raise DataError(
            f"it opens at {format_time(kline.open_time_ms)}, before the row above,"
            f" {format_time(held.open_time_ms)}",
            hint="Sort the file by its open times.",
        )
    if kline[:-1] == held[:-1]:
        tally.repeated += 1
        return held
    if not rules.salvage:
        raise DataError(
            f"two klines open at {format_time(kline.open_time_ms)} and differ: {held} and {kline}",
            hint="--salvage takes the one with the most trades, the last state of it.",
        )
    tally.superseded += 1
    # A kline only grows until it closes.
    return max(held, kline, key=lambda one: one.number_of_trades)


def _parse(row: FileRow, rules: Rules, tally: Tally) -> Kline:
    opened, o, h, lo, c, v, closed, q, trades, tb, tq, ignore = row.fields
    count = _COUNT.fullmatch(trades)
    if count is None:
        raise DataError(f"number_of_trades was {trades!r}; expected a whole number")
    numbers = (o, h, lo, c, v, q, tb, tq)
    if rules.salvage:
        mended = tuple(map(_without_noise, numbers))
        tally.rounded += mended != numbers
        o, h, lo, c, v, q, tb, tq = mended
    kline = exact_kline(
        Kline(
            _time(opened, rules), o, h, lo, c, v, _time(closed, rules), q, int(count[1]), tb, tq,
            ignore.strip() or "0",
        )
    )  # fmt: skip
    check_kline(kline)
    return kline


def _time(text: str, rules: Rules) -> int:
    if _TIME.fullmatch(text):
        return to_milliseconds(int(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DataError(
            f"the time was {text[:40]!r}; expected integer milliseconds or microseconds, or"
            " ISO-8601 with an offset"
        ) from None
    if moment.tzinfo is None:
        if not rules.naive_is_utc:
            raise DataError(
                f"the time {text!r} has no offset",
                hint="--utc takes times without an offset for UTC.",
            )
        moment = moment.replace(tzinfo=UTC)
    # Cut like the integers: 59.999999 is the last millisecond of its minute.
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _without_noise(text: str) -> str:
    """Return a number at eight decimals where only binary noise is lost, else as it was."""
    try:
        number = Decimal(text)
        rounded = number.quantize(_EIGHT_DECIMALS)
    except InvalidOperation:
        return text
    if rounded == number or abs(rounded - number) > abs(number) * _NOISE:
        return text
    return f"{rounded:f}"
