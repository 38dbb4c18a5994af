"""Putting a follower together: its tails, its stream, its spool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from market.store import Store
from market.store.symbols import Series
from populate_base import metrics
from populate_base.backfill import Backfill, Pace, Sources
from populate_base.catch_up import CatchUp, Wanted
from populate_base.follow import Follower, Parts
from populate_base.lasting_stream import ConnectPace, LastingStream
from populate_base.lateness import Lateness
from populate_base.progress import LoggedProgress
from populate_base.settings import PopulateSettings
from populate_base.spool import SUFFIX, Spool
from populate_base.stream import KlineStream, open_stream
from populate_base.tails import Tails

_MEGABYTE = 1_000_000


def spool_folder(settings: PopulateSettings) -> Path:
    """Return the folder of the spools."""
    return settings.state_dir / "spool"


def make_tails(settings: PopulateSettings, store: Store, sources: Sources) -> Tails:
    """Return the ends of some series, none of them known yet."""
    return Tails(store, sources.clock, settings.stream_url, settings.index_klines)


def iter_followers(
    settings: PopulateSettings,
    store: Store,
    sources: Sources,
    series: Sequence[Series],
    stop: threading.Event,
    *,
    first: int = 0,
) -> Iterator[Follower]:
    """Yield a follower for each connection that so many series need, numbered from `first`."""
    size, pace = settings.streams_per_connection, ConnectPace()
    groups = [series[start : start + size] for start in range(0, len(series), size)]
    for number, group in enumerate(groups, start=first):
        tails = make_tails(settings, store, sources)
        spool = Spool(
            spool_folder(settings) / f"{number}{SUFFIX}",
            settings.spool_mb * _MEGABYTE,
        )
        metrics.SPOOL.labels(str(number)).set_function(_size_of(spool))
        parts = Parts(
            store=store,
            clock=sources.clock,
            tails=tails,
            catch_up=_make_catch_up(settings, store, sources, stop),
            spool=spool,
            lateness=Lateness(group, tails, sources.clock, settings.ready_lag_s),
            open_stream=_stream_opener(settings, group, pace),
        )
        yield Follower(group, parts)


def _size_of(spool: Spool) -> Callable[[], float]:
    return lambda: spool.size


def _make_catch_up(
    settings: PopulateSettings, store: Store, sources: Sources, stop: threading.Event
) -> CatchUp:
    pace = Pace(settings.downloads, settings.index_klines, stop.is_set)

    def make_backfill() -> Backfill:
        return Backfill(store, sources, LoggedProgress(), pace)

    wanted = Wanted(settings.since, settings.index_klines)
    return CatchUp(store, sources, make_backfill, wanted)


def _stream_opener(
    settings: PopulateSettings, series: Sequence[Series], pace: ConnectPace
) -> Callable[[threading.Event], LastingStream]:
    def open_lasting(stop: threading.Event) -> LastingStream:
        def open_one() -> KlineStream:
            while (wait_s := pace.take()) > 0 and not stop.wait(wait_s):
                pass
            return open_stream(settings.stream_url, series, silence_s=settings.stream_silence_s)

        return LastingStream(open_one, settings.stream_life_s)

    return open_lasting
