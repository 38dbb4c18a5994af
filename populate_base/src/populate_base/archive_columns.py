"""Proving blocks of archive rows column by column, without an object for each row.

What passes here goes to the store as the bytes it is; what does not pass is not wrong by
that, and is looked at row by row. The work is done in Arrow, outside Python's lock, so
that unzipping, proving and loading overlap.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from market.gaps import Range
from market.interval import Interval
from market.kline import AMOUNT_DIGITS, KLINE_FIELDS, PRICE_DIGITS
from market.store.bulk import KlineLines
from populate_base.parse import FIRST_MICROSECONDS

if TYPE_CHECKING:
    import pyarrow as pa

#: Of fewer bytes Arrow makes nothing quicker; and a process that sees no more never loads it.
FEW_BYTES = 16_384
_PRICE = rf"[0-9]{{1,{PRICE_DIGITS}}}\.[0-9]{{8}}"
_AMOUNT = rf"[0-9]{{1,{AMOUNT_DIGITS}}}\.[0-9]{{8}}"
_TIME = "[0-9]{1,17}"
#: A row whose text is exactly what the store keeps: eight decimals, nothing but digits.
_PLAIN = ",".join(
    [
        f"^{_TIME}",
        *[_PRICE] * 4,
        _AMOUNT,
        _TIME,
        _AMOUNT,
        "[0-9]{1,15}",
        *[_AMOUNT] * 2,
        r"[0-9]{1,20}(?:\.[0-9]{1,8})?$",
    ]
)
_READ = ("open_time", "open", "high", "low", "close", "close_time")


def prove_block(
    block: bytes, interval: Interval, span: Range, *, few_bytes: int = FEW_BYTES
) -> KlineLines | None:
    """Return a block's lines, proved, or `None` where its rows have to be looked at one by one.

    Proved is, of every row: its form, that the store keeps its digits exactly, that its times
    have one unit and lie on the grid, that it closes when its slot ends, that it opens
    within the span and after the row before, and that low <= open, close <= high.
    """
    if interval.step_ms is None or len(block) < few_bytes:
        return None
    _keep_little()
    from pyarrow import compute as pc

    lines = _split_lines(block)
    if not pc.all(pc.match_substring_regex(lines, _PLAIN)).as_py():
        return None
    columns = _read_columns(block)
    opened, closed = columns["open_time"], columns["close_time"]
    first, last = opened[0].as_py(), opened[-1].as_py()
    ticks_a_ms = 1000 if first >= FIRST_MICROSECONDS else 1
    open_ms, close_ms = pc.divide(opened, ticks_a_ms), pc.divide(closed, ticks_a_ms)
    first_ms, last_ms = first // ticks_a_ms, last // ticks_a_ms
    steps = pc.divide(pc.subtract(open_ms, first_ms), interval.step_ms)
    low, high = columns["low"], columns["high"]
    rules = (
        # With the order these say that no value is in another unit than the first.
        pc.all(pc.greater(open_ms.slice(1), open_ms.slice(0, len(lines) - 1))),
        pc.all(pc.equal(close_ms, pc.add(open_ms, interval.step_ms - 1))),
        pc.all(pc.equal(open_ms, pc.add(pc.multiply(steps, interval.step_ms), first_ms))),
        pc.all(pc.less_equal(low, pc.min_element_wise(columns["open"], columns["close"]))),
        pc.all(pc.less_equal(pc.max_element_wise(columns["open"], columns["close"]), high)),
    )
    is_inside = span.start_ms <= first_ms and last_ms < span.end_ms
    if not (is_inside and interval.is_on_grid(first_ms) and all(rule.as_py() for rule in rules)):
        return None
    return KlineLines(block, len(lines), first_ms, last_ms, ticks_a_ms)


@cache
def _keep_little() -> None:
    import pyarrow as pa

    # Arrow's own allocator keeps what it gave out once; blocks come and go.
    pa.set_memory_pool(pa.system_memory_pool())


def _split_lines(block: bytes) -> pa.Array:
    import pyarrow as pa
    from pyarrow import compute as pc

    # The block without its last line feed as one value, then split: nothing is copied twice.
    size = len(block) - 1
    offsets = pa.array([0, size], pa.int64()).buffers()[1]
    whole = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(block)])
    return pc.split_pattern(whole, b"\n").flatten()


def _read_columns(block: bytes) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    price = pa.decimal128(PRICE_DIGITS + 8, 8)
    types = dict.fromkeys(_READ, price) | {
        "open_time": pa.int64(),
        "close_time": pa.int64(),
    }
    return csv.read_csv(
        pa.py_buffer(block),
        read_options=csv.ReadOptions(
            use_threads=False, block_size=len(block) + 1, column_names=list(KLINE_FIELDS)
        ),
        parse_options=csv.ParseOptions(quote_char=False),
        convert_options=csv.ConvertOptions(
            column_types=types, include_columns=list(_READ), null_values=[], check_utf8=False
        ),
    )
