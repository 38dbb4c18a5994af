"""Files in the layout of Binance's public archive, for tests that need their own."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

from market.kline import Kline

#: From this open time on, the archive's spot files are in microseconds.
MICROSECONDS_FROM_MS = 1_735_689_600_000


def archive_csv(klines: Iterable[Kline]) -> str:
    """Return klines as a file of the archive holds them: headerless, twelve columns."""
    return "".join(",".join(map(str, _row(kline))) + "\n" for kline in klines)


def _row(kline: Kline) -> list[object]:
    row: list[object] = list(kline)
    if kline.open_time_ms >= MICROSECONDS_FROM_MS:
        row[0] = kline.open_time_ms * 1000
        row[6] = kline.close_time_ms * 1000 + 999
    return row


def write_archive_file(folder: Path, name: str, klines: Iterable[Kline]) -> Path:
    """Write `name`.zip (say BTCUSDT-1h-2024-01) and its .CHECKSUM; return the zip's path."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr(f"{name}.csv", archive_csv(klines))
    path = folder / f"{name}.zip"
    path.write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    path.with_name(path.name + ".CHECKSUM").write_text(f"{digest}  {path.name}\n")
    return path


def write_archive_months(folder: Path, symbol: str, interval: str, klines: Iterable[Kline]) -> None:
    """Write one monthly file for each month that the klines open in."""
    from market.times import format_time

    months: dict[str, list[Kline]] = {}
    for kline in klines:
        months.setdefault(format_time(kline.open_time_ms)[:7], []).append(kline)
    spelled = "1mo" if interval == "1M" else interval
    for month, rows in months.items():
        write_archive_file(folder, f"{symbol}-{spelled}-{month}", rows)
