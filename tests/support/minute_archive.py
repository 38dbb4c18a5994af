"""Years of made-up 1m klines as monthly files of the archive, made quickly."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from market.interval import MINUTE_MS, Interval
from support.archive import MICROSECONDS_FROM_MS
from support.klines import make_klines

#: One month of random rows, whose numbers every month repeats: only its times differ.
_SLOTS_OF_A_MONTH = 31 * 1440


def iter_month_lines(start_ms: int, months: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (start, lines) of consecutive months: twelve fields a line, without line ends."""
    numbers = [
        (",".join(kline[1:6]), ",".join(map(str, kline[7:])))
        for kline in make_klines(Interval.M1, _SLOTS_OF_A_MONTH)
    ]
    for _ in range(months):
        end_ms = Interval.MO1.add(start_ms, 1)
        opens = range(start_ms, end_ms, MINUTE_MS)
        form = "{},{},{},{}" if start_ms < MICROSECONDS_FROM_MS else "{}000,{},{}999,{}"
        yield (
            start_ms,
            [
                form.format(open_ms, before, open_ms + MINUTE_MS - 1, after)
                for open_ms, (before, after) in zip(opens, numbers, strict=False)
            ],
        )
        start_ms = end_ms


def write_months(folder: Path, start_ms: int, months: int, symbol: str = "BTCUSDT") -> int:
    """Write monthly files and their checksums; return how many klines they hold."""
    from market.times import format_time

    folder.mkdir(parents=True, exist_ok=True)
    rows = 0
    for month_ms, lines in iter_month_lines(start_ms, months):
        name = f"{symbol}-1m-{format_time(month_ms)[:7]}"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
            zipped.writestr(f"{name}.csv", "\n".join(lines) + "\n")
        content = buffer.getvalue()
        (folder / f"{name}.zip").write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        (folder / f"{name}.zip.CHECKSUM").write_text(f"{digest}  {name}.zip\n")
        rows += len(lines)
    return rows
