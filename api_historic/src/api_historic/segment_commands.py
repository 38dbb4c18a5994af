"""`klinecast-history segments …`: the closed months on disk, by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer

from api_historic.segments.builder import Outcome, build_month
from api_historic.segments.folder import SegmentFolder, StoredSegment
from api_historic.segments.segment_file import Manifest, check_body, read_manifest
from api_historic.segments.shelf import is_kept
from api_historic.settings import HistorySettings
from api_historic.stored_series import (
    Intervals,
    Json,
    Symbols,
    opened_store,
    read_series,
    write_json,
)
from market import log
from market.command import stderr, stop_on_signals
from market.errors import Conflict, DataError
from market.settings import load_settings
from market.store import Store
from market.store.kline_months import read_closed_months
from market.store.symbols import Series
from market.times import format_time

segments = typer.Typer(help="Closed months kept ready on disk.", no_args_is_help=True)


def add_segment_commands(app: typer.Typer) -> None:
    """Add `segments` to a command line."""
    app.add_typer(segments, name="segments")


@segments.command("build")
def build(symbol: Symbols = None, interval: Intervals = None, json: Json = False) -> None:
    """Build ahead what would else be built when it is first asked for."""
    settings = _settings()
    folder = _folder(settings)
    stop = stop_on_signals()
    outcomes: Counter[Outcome] = Counter()
    with opened_store(settings) as store:
        for series in read_series(store, symbol, interval):
            if not is_kept(series.interval):
                stderr.print(f"{series.symbol} {series.interval}: read from the store, too coarse")
                continue
            with store.read() as connection:
                months = read_closed_months(connection, series, None, None)
            for month in months:
                if stop.is_set() or outcomes[Outcome.NO_ROOM]:
                    break
                outcomes[build_month(store, folder, series, month.month, stop)] += 1
            stderr.print(f"{series.symbol} {series.interval}: {len(months)} closed months")
    if json:
        write_json({outcome.value: outcomes[outcome] for outcome in Outcome})
    else:
        typer.echo(f"{outcomes[Outcome.BUILT]} built, {outcomes[Outcome.PRESENT]} were there.")
    if outcomes[Outcome.NO_ROOM]:
        raise Conflict(
            f"HISTORY_SEGMENTS_MB={settings.segments_mb} holds no more: every month in it was"
            " used within ten minutes",
            hint="Raise it, or build fewer symbols and intervals.",
        )


class _Listed(NamedTuple):
    stored: StoredSegment
    manifest: Manifest | None
    state: str

    def as_json(self) -> dict[str, object]:
        manifest = self.manifest
        return {
            "symbol": manifest.symbol if manifest else None,
            "interval": self.stored.interval.value,
            "month": format_time(self.stored.start_ms)[:7],
            "state": self.state,
            "klines": manifest.count if manifest else None,
            "bytes": self.stored.size,
            "used": format_time(round(self.stored.used_s * 1000)),
            "path": str(self.stored.path),
        }


@segments.command("list")
def list_segments(
    check: Annotated[bool, typer.Option("--check", help="Read each and prove its sums.")] = False,
    json: Json = False,
) -> None:
    """List the months on disk: current, outdated by a restatement, or damaged."""
    settings = _settings()
    folder = _folder(settings)
    with opened_store(settings) as store:
        listed = [_look(store, stored, check=check) for stored in folder.list_segments()]
    used = sum(one.stored.size for one in listed)
    if json:
        rows = [one.as_json() for one in listed]
        write_json({"segments": rows, "bytes": used, "max_bytes": folder.max_bytes})
        return
    for one in listed:
        said = one.as_json()
        words = (said["symbol"], said["interval"], said["month"], said["klines"], said["state"])
        typer.echo(" ".join(str("-" if word is None else word) for word in words))
    typer.echo(f"{len(listed)} months, {used / 2**20:,.1f} of {settings.segments_mb:,} MB")


@segments.command("drop")
def drop(symbol: Symbols = None, interval: Intervals = None, json: Json = False) -> None:
    """Remove months from disk; answers stay right, and what is asked for is built again."""
    settings = _settings()
    folder = _folder(settings)
    if symbol is None and interval is None:
        with folder.locked():
            dropped = folder.drop_where(lambda _one: True)
    else:
        with opened_store(settings) as store:
            chosen = {_key(series) for series in read_series(store, symbol, interval)}
        with folder.locked():
            dropped = folder.drop_where(lambda one: (one.symbol_id, one.interval.number) in chosen)
    if json:
        write_json({"dropped": dropped})
    else:
        typer.echo(f"{dropped} dropped.")


def _settings() -> HistorySettings:
    settings = load_settings(HistorySettings)
    log.configure("history", level=settings.log_level)
    return settings


def _folder(settings: HistorySettings) -> SegmentFolder:
    if not settings.segments_mb:
        raise Conflict("HISTORY_SEGMENTS_MB is 0: no month is kept on disk")
    return SegmentFolder(settings.segments_dir, settings.segments_mb << 20)


def _key(series: Series) -> tuple[int, int]:
    return series.symbol_id, series.interval.number


def _look(store: Store, stored: StoredSegment, *, check: bool) -> _Listed:
    try:
        with stored.path.open("rb") as file:
            manifest = read_manifest(file)
            if check:
                check_body(file, manifest, thoroughly=True)
    except (DataError, OSError):
        return _Listed(stored, None, "damaged")
    is_current = any(_iter_current(store, manifest, stored))
    return _Listed(stored, manifest, "current" if is_current else "outdated")


def _iter_current(store: Store, manifest: Manifest, stored: StoredSegment) -> Iterator[bool]:
    series = Series(manifest.symbol_id, manifest.symbol, stored.interval, manifest.venue)
    with store.read() as connection:
        months = read_closed_months(connection, series, manifest.start_ms, manifest.end_ms)
    return (manifest.is_of(series, month) for month in months)
