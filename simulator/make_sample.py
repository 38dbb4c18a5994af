"""Make the bundled sample from a folder of recorded klines: `make_sample.py DATA_DIR [OUT_DIR]`.

The sample has the public archive's own layout and names. Months that are whole become monthly
zips, the last days stay the daily zips Binance published. Running it twice gives the same bytes.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from binance_simulator.grid import Grid
from market.aggregation import iter_aggregated
from market.gaps import find_missing
from market.interval import Interval
from market.kline import Kline, check_kline
from market.times import format_time, parse_time_ms

#: Daily zips cover this month, monthly zips everything before it.
LAST_MONTH = "2024-06"
END_MS = parse_time_ms("end", "2024-06-26")
HOURLY_ZIPS = "archive_daily_zips/spot_daily_BTC_ETH_SOL_ARB_1h_2024H1.tar"
DAILY_ZIPS = "archive_daily_zips/spot_daily_BTC_ETH_SOL_ARB_1d_2024.tar"
BTC_HOURLY = "klines_1h/BTCUSDT_1h_2017-08-17_2023-12-31.csv.gz"
BTC_DAILY = "klines_1d/BTCUSDT_1d_2017-08-17_2023-12-31.csv.gz"
ETH_HOURLY = "klines_1h/ETHUSDT_1h_2022-01-01_2023-12-31.csv.gz"
ETH_HOURLY_2024 = "klines_1h/ETHUSDT_1h_2024-01-01_2026-05-13.csv.gz"
ETH_DAILY = "klines_1d/ETHUSDT_1d_2022-01-01_2024-08-19.csv.gz"
ARCHIVED_BY = "timealiver/BinanceDataGetter @a7f359a (ISC): daily zips as Binance published them"
RECORDED_BY = "recorded by others; the data folder names no repository for this file"
ORIGINS = {
    HOURLY_ZIPS: ARCHIVED_BY,
    DAILY_ZIPS: ARCHIVED_BY,
    BTC_HOURLY: f"aggregated from Binance's 1m klines, {RECORDED_BY}; "
    "an hour that an outage cut short has its regular close time here, Binance's is earlier",
    BTC_DAILY: RECORDED_BY,
    ETH_HOURLY: RECORDED_BY,
    ETH_HOURLY_2024: RECORDED_BY,
    ETH_DAILY: RECORDED_BY,
}
LICENCE = (
    "The klines are Binance's market data and Binance's own terms of use apply to them "
    "(https://www.binance.com/en/terms); they are bundled as a small sample for tests and for "
    "the demo only. Licences named under sources are those of the repositories that kept them."
)


class Recipe(NamedTuple):
    """What a series of the sample is made of; an earlier source wins over a later one."""

    symbol: str
    interval: Interval
    start: str
    sources: tuple[str, ...]


RECIPES = (
    Recipe("BTCUSDT", Interval.H1, "2020-01-01", (HOURLY_ZIPS, BTC_HOURLY)),
    Recipe("BTCUSDT", Interval.D1, "2020-01-01", (DAILY_ZIPS, BTC_DAILY)),
    Recipe("ETHUSDT", Interval.H1, "2022-01-01", (HOURLY_ZIPS, ETH_HOURLY, ETH_HOURLY_2024)),
    Recipe("ETHUSDT", Interval.D1, "2022-01-01", (DAILY_ZIPS, ETH_DAILY)),
)


def parse_rows(text: str) -> list[Kline]:
    """Parse the twelve-column CSV of the recordings and of the archive's zips."""
    return [
        Kline(
            int(r[0]), r[1], r[2], r[3], r[4], r[5], int(r[6]), r[7], int(r[8]), r[9], r[10]
        )  # fmt: skip
        for r in csv.reader(io.StringIO(text))
        if r[0].isdigit()
    ]


def read_daily_zips(tar: Path, symbol: str) -> dict[str, bytes]:
    """Return a symbol's zips in a tar as {day: bytes}."""
    zips: dict[str, bytes] = {}
    with tarfile.open(tar) as archive:
        for member in archive.getmembers():
            name = Path(member.name).name
            content = archive.extractfile(member)
            if name.startswith(symbol + "-") and name.endswith(".zip") and content is not None:
                zips[name.removesuffix(".zip")[-10:]] = content.read()
    return zips


def unzip(content: bytes) -> str:
    """Return the one CSV inside a zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(archive.namelist()[0]).decode()


def zip_rows(name: str, rows: list[Kline]) -> bytes:
    """Return the rows as the archive's zip, the same bytes for the same rows."""
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    info = zipfile.ZipInfo(f"{name}.csv", date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(info, text, compresslevel=9)
    return content.getvalue()


class Sample:
    """The files made so far, and what is told about them."""

    def __init__(self, data: Path, out: Path) -> None:
        self._data = data
        self._out = out
        self.series: list[dict[str, object]] = []
        self.manifest: dict[str, str] = {}
        self.klines: dict[tuple[str, Interval], dict[int, Kline]] = {}

    def make(self, recipe: Recipe) -> None:
        """Write one series."""
        rows, zips = self._read(recipe)
        self.klines[recipe.symbol, recipe.interval] = rows
        months: dict[str, list[Kline]] = defaultdict(list)
        for row in sorted(rows.values()):
            check_kline(row)
            months[f"{datetime.fromtimestamp(row.open_time_ms / 1000, UTC):%Y-%m}"].append(row)
        for month, members in sorted(months.items()):
            if month < LAST_MONTH:
                name = f"{recipe.symbol}-{recipe.interval}-{month}"
                self._write("monthly", recipe, name, zip_rows(name, members))
        for day, content in sorted(zips.items()):
            if f"{LAST_MONTH}-01" <= day and parse_time_ms("day", day) < END_MS:
                name = f"{recipe.symbol}-{recipe.interval}-{day}"
                self._write("daily", recipe, name, content)
        self.series.append(self._describe(recipe, sorted(rows)))

    def _read(self, recipe: Recipe) -> tuple[dict[int, Kline], dict[str, bytes]]:
        rows: dict[int, Kline] = {}
        zips: dict[str, bytes] = {}
        start_ms = parse_time_ms("start", recipe.start)
        for source in recipe.sources:
            if source.endswith(".tar"):
                zips = read_daily_zips(self._data / source, recipe.symbol)
                texts = [unzip(content) for content in zips.values()]
            else:
                texts = [gzip.decompress((self._data / source).read_bytes()).decode()]
            for row in (row for text in texts for row in parse_rows(text)):
                if not start_ms <= row.open_time_ms < END_MS:
                    continue
                if rows.setdefault(row.open_time_ms, row) != row:
                    raise SystemExit(f"{source} contradicts an earlier source: {row}")
        return rows, zips

    def _write(self, period: str, recipe: Recipe, name: str, content: bytes) -> None:
        path = f"data/spot/{period}/klines/{recipe.symbol}/{recipe.interval}/{name}.zip"
        digest = hashlib.sha256(content).hexdigest()
        target = self._out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.with_name(target.name + ".CHECKSUM").write_text(f"{digest}  {name}.zip\n")
        self.manifest[path] = digest

    def _describe(self, recipe: Recipe, opens: list[int]) -> dict[str, object]:
        start_ms = parse_time_ms("start", recipe.start)
        missing = find_missing(recipe.interval, start_ms, END_MS, opens)
        return {
            "symbol": recipe.symbol,
            "interval": str(recipe.interval),
            "first_open": format_time(opens[0]),
            "last_open": format_time(opens[-1]),
            "klines": len(opens),
            "gaps": [
                {"from": format_time(gap.start_ms), "to": format_time(gap.end_ms)}
                for gap in missing
            ],
            "sources": list(recipe.sources),
        }

    def check_days(self, symbol: str) -> int:
        """Check that the native days equal the days made of hours; return how many."""
        hours = sorted(self.klines[symbol, Interval.H1].values())
        native = self.klines[symbol, Interval.D1]
        made = {
            row.open_time_ms: row for row in iter_aggregated(hours, Interval.H1, Grid(Interval.D1))
        }
        wrong = [open_ms for open_ms, row in native.items() if made.get(open_ms) != row]
        if wrong or len(made) != len(native):
            raise SystemExit(f"{symbol} 1d differs from its hours at {wrong[:5]}")
        return len(native)


def main(data: Path, out: Path) -> None:
    """Make the sample, check it, and write `metadata.json` beside it."""
    sample = Sample(data, out)
    for recipe in RECIPES:
        sample.make(recipe)
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(sample.manifest.items()))
    metadata = {
        "about": "A small sample of real Binance klines in the layout of the public archive.",
        "licence": LICENCE,
        "made_by": "simulator/make_sample.py",
        "sources": {
            name: {
                "sha256": hashlib.sha256((data / name).read_bytes()).hexdigest(),
                "origin": origin,
            }
            for name, origin in ORIGINS.items()
        },
        "series": sample.series,
        "checks": {
            f"{symbol} native 1d equal to the aggregated 1h": sample.check_days(symbol)
            for symbol in ("BTCUSDT", "ETHUSDT")
        },
        "files": len(sample.manifest),
        "manifest_sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "manifest": "one line a zip, `sha256  path`, sorted by path, ending in a newline",
    }
    (out / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit("usage: make_sample.py DATA_DIR [OUT_DIR]")
    here = Path(__file__).parent / "sample"
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else here)
