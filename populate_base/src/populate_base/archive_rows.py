"""Reading a file of the archive: proved lines where its rows are plain, else row by row."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

from market.errors import DataError
from market.gaps import Range, find_missing, subtract_ranges
from market.interval import Interval
from market.kline import Kline
from market.store.bulk import KlineLines
from market.store.klines import KlinePart
from populate_base.archive_columns import FEW_BYTES, prove_block
from populate_base.archive_file import ArchiveFile
from populate_base.archive_zip import iter_blocks
from populate_base.parse import parse_line, repeats


class FilePart(NamedTuple):
    """Klines of a file that follow each other, and the ranges whose slots they all fill."""

    klines: KlinePart
    rows: int
    present: list[Range]


def iter_parts(zipped: IO[bytes], file: ArchiveFile) -> Iterator[FilePart]:
    """Yield the klines of a zip, ascending; a part of them at a time is in memory.

    A header line and repeated identical rows are skipped. Off-grid klines stay as they are.

    Raises:
        DataError: the zip is damaged or too large, or a row is not a kline of that file;
            the first such row is named. Parts before it may have been yielded.
    """
    return read_blocks(iter_blocks(zipped, file), file)


def read_blocks(
    blocks: Iterator[bytes], file: ArchiveFile, *, few_bytes: int = FEW_BYTES
) -> Iterator[FilePart]:
    """Yield the klines of blocks of lines, see `iter_parts`.

    Blocks of fewer than `few_bytes` are read row by row.
    """
    rows, last_line, after_ms = 0, b"", file.span.start_ms
    for block in blocks:
        rest = Range(after_ms, file.span.end_ms)
        lines = prove_block(block, file.interval, rest, few_bytes=few_bytes)
        if lines is not None:
            yield FilePart(lines, lines.rows, _present_lines(lines, file.interval))
            after_ms = lines.last_open_ms + 1
        else:
            klines = _parse_rows(block, file, rows, last_line)
            if klines:
                opens = [kline.open_time_ms for kline in klines]
                yield FilePart(klines, len(klines), present_ranges(file.interval, opens))
                after_ms = opens[-1] + 1
        rows += block.count(b"\n")
        last_line = block[block.rfind(b"\n", 0, -1) + 1 : -1]


def _parse_rows(block: bytes, file: ArchiveFile, rows: int, last_line: bytes) -> list[Kline]:
    last = parse_line(last_line)
    klines: list[Kline] = []
    for number, line in enumerate(block.split(b"\n")[:-1], start=rows + 1):
        kline = parse_line(line)
        if kline is None:
            shown = line[:120].decode("ascii", "replace")
            raise DataError(f"{file.name}: row {number} is not a kline: {shown!r}")
        if not repeats(kline, last, file.span, file.name):
            klines.append(kline)
            last = kline
    return klines


def clip_part(part: FilePart, interval: Interval, span: Range) -> FilePart | None:
    """Return what of a part opens in a range, `None` where nothing does."""
    klines = part.klines
    if isinstance(klines, KlineLines):
        if klines.last_open_ms < span.start_ms or span.end_ms <= klines.first_open_ms:
            return None
        if span.start_ms <= klines.first_open_ms and klines.last_open_ms < span.end_ms:
            return part
        opens = klines.read_opens()
    else:
        opens = [kline.open_time_ms for kline in klines]
    first, end = bisect_left(opens, span.start_ms), bisect_left(opens, span.end_ms)
    if first == end:
        return None
    inside = opens[first:end]
    kept: KlinePart
    if isinstance(klines, KlineLines):
        content = b"".join(klines.content.splitlines(keepends=True)[first:end])
        kept = KlineLines(content, end - first, inside[0], inside[-1], klines.ticks_a_ms)
    else:
        kept = klines[first:end]
    return FilePart(kept, end - first, present_ranges(interval, inside))


def present_ranges(interval: Interval, opens: Sequence[int]) -> list[Range]:
    """Return the ranges whose every slot one of the open times (ascending) lies in."""
    hull = Range(interval.floor(opens[0]), interval.add(interval.floor(opens[-1]), 1))
    return subtract_ranges([hull], find_missing(interval, *hull, opens))


def _present_lines(lines: KlineLines, interval: Interval) -> list[Range]:
    hull = Range(lines.first_open_ms, interval.add(lines.last_open_ms, 1))
    if interval.count(*hull) == lines.rows:
        return [hull]
    return present_ranges(interval, lines.read_opens())
