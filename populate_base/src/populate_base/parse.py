"""Bytes of the exchange to klines: the one place that knows Binance's formats.

Archive files, REST rows and stream messages all end as `market.kline.Kline`, times in
milliseconds, numbers with the digits Binance wrote.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from market.errors import DataError
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline, check_kline
from market.store.symbols import Symbol
from populate_base.archive_file import ArchiveFile

_NUMBER = r"(\d{1,20}(?:\.\d{1,8})?)"
_TIME = r"(\d{1,17})"
_LINE = re.compile(
    ",".join([_TIME, *[_NUMBER] * 5, _TIME, _NUMBER, r"(\d{1,15})", *[_NUMBER] * 2, _NUMBER])
)
#: Milliseconds reach this in the year 5138, microseconds passed it in 1973.
_FIRST_MICROSECONDS = 100_000_000_000_000
#: More than any row of twelve fields takes.
_MAX_ROW_BYTES = 400


def max_file_bytes(file: ArchiveFile) -> int:
    """Return a size no honest file of that range reaches, zipped or not."""
    return file.slots * _MAX_ROW_BYTES + 65_536


def to_milliseconds(time: int) -> int:
    """Return a time in milliseconds; the archive is in microseconds from 2025-01-01 on.

    The unit is told by each value itself, since files may mix both.
    """
    return time // 1000 if time >= _FIRST_MICROSECONDS else time


def parse_archive_zip(content: bytes, file: ArchiveFile) -> list[Kline]:
    """Return the klines of an archive file, ascending, checked row by row.

    A header line and repeated identical rows are skipped. Off-grid klines stay as they are.

    Raises:
        DataError: the zip is damaged or too large, or a row is not a kline of that file.
    """
    text = _unzip(content, file)
    lines = text.splitlines()
    if lines and not lines[0][:1].isdigit():
        del lines[0]
    klines: list[Kline] = []
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{file.name}: row {number} is not a kline: {line[:120]!r}")
        klines.append(_kline(match.groups()))
    return check_klines(klines, file.span, file.name)


def _unzip(content: bytes, file: ArchiveFile) -> str:
    limit = max_file_bytes(file)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise DataError(f"{file.name} holds {len(names)} files; expected one CSV")
            with archive.open(names[0]) as member:
                body = member.read(limit + 1)
        if len(body) > limit:
            raise DataError(f"{file.name} unpacks to more than {limit} bytes")
        return body.decode("ascii")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DataError(f"{file.name} is damaged: {error}") from error


def _kline(fields: Sequence[str]) -> Kline:
    opened, o, h, lo, c, v, closed, q, trades, tb, tq, ignore = fields
    open_ms, close_ms = to_milliseconds(int(opened)), to_milliseconds(int(closed))
    return Kline(open_ms, o, h, lo, c, v, close_ms, q, int(trades), tb, tq, ignore)


def check_klines(klines: Sequence[Kline], span: Range, origin: str) -> list[Kline]:
    """Check what arrived together: each row true, in order, within the range.

    Raises:
        DataError: naming the origin and the first row that breaks a rule.
    """
    checked: list[Kline] = []
    for kline in klines:
        try:
            check_kline(kline)
        except DataError as error:
            raise DataError(f"{origin}: {error.detail}") from None
        if not span.start_ms <= kline.open_time_ms < span.end_ms:
            raise DataError(
                f"{origin}: kline {kline.open_time_ms} does not open in"
                f" [{span.start_ms}, {span.end_ms})"
            )
        if checked and kline.open_time_ms <= checked[-1].open_time_ms:
            if kline == checked[-1]:
                continue
            raise DataError(
                f"{origin}: kline {kline.open_time_ms} follows {checked[-1].open_time_ms}"
            )
        checked.append(kline)
    return checked


def parse_rest_row(row: Sequence[Any]) -> Kline:
    """Return one row of `GET /api/v3/klines`.

    Raises:
        DataError: the row is not a kline.
    """
    try:
        match = _LINE.fullmatch(",".join(map(str, row)))
    except TypeError:
        match = None
    if match is None:
        raise DataError(f"Binance's REST API sent a row that is not a kline: {row!r:.160}")
    return _kline(match.groups())


def parse_stream_message(message: str | bytes) -> tuple[str, Interval, Kline] | None:
    """Return symbol, interval and kline of a stream message that closes a kline, else `None`.

    Takes raw and combined messages. Source: binance-spot-api-docs, web-socket-streams,
    "Kline/Candlestick Streams for UTC".

    Raises:
        DataError: a kline event lacks a field or holds something that is not a number.
    """
    try:
        event: Any = orjson.loads(message)
    except ValueError as error:
        raise DataError(f"the stream sent something that is not JSON: {message!r:.120}") from error
    data = event.get("data", event) if isinstance(event, dict) else None
    if not isinstance(data, dict) or data.get("e") != "kline":
        return None
    k: Any = data.get("k")
    try:
        if k["x"] is not True:
            return None
        row = [k[name] for name in "tohlcvTqnVQ"]
        return str(k["s"]), Interval.parse(k["i"]), parse_rest_row([*row, k.get("B", "0")])
    except (KeyError, TypeError) as error:
        raise DataError(f"the stream sent a kline without {error}: {message!r:.160}") from error


def parse_symbol(entry: Mapping[str, Any]) -> Symbol:
    """Return one entry of `GET /api/v3/exchangeInfo`.

    Raises:
        DataError: it lacks a field.
    """
    try:
        return Symbol(
            symbol=str(entry["symbol"]),
            base_asset=str(entry["baseAsset"]),
            quote_asset=str(entry["quoteAsset"]),
            status=str(entry["status"]),
            info=orjson.dumps(entry).decode(),
        )
    except (KeyError, TypeError) as error:
        raise DataError(f"exchangeInfo holds a symbol without {error}") from error
