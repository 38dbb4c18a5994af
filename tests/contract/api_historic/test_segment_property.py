"""Whatever is written in whatever order: a segment that is found equals the database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_historic.segments import Segments
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.closed_klines import Arrival, write_closed
from market.store.kline_months import months_of
from market.store.klines import Batch, Source, read_newest_open, write_klines
from market.store.symbols import Series, write_watermark
from support.history_api import add_series, new_store
from support.klines import make_klines
from support.segments import PLENTY, build, check_segment

HOURS = make_klines(Interval.H1, 24 * 75)
MONTHS = months_of(kline.open_time_ms for kline in HOURS)
FIRST = 24 * 33
NUMBERS = itertools.count()


@dataclass
class World:
    """A series, its segments, and what may happen to them."""

    store: Store
    series: Series
    folder: Path
    segments: Segments = field(init=False)
    compared: int = 0

    def __post_init__(self) -> None:
        self.segments = Segments(self.folder, PLENTY)

    def write(self, at: int, count: int, value: int, off_ms: int) -> None:
        """Write klines: new ones, the same again, other values, another time of the slot."""
        batch = Batch(Source.REST, "test", HOURS[-1].close_time_ms + value)
        klines = [_variant(kline, value, off_ms) for kline in HOURS[at : at + count]]
        write_klines(self.store, self.series, klines, batch)

    def stream(self, count: int) -> None:
        """Go on at the series' end."""
        with self.store.begin() as connection:
            newest_ms = Interval.H1.floor(read_newest_open(connection, self.series) or 0)
            write_watermark(connection, self.series, newest_ms)
        later = [kline for kline in HOURS if kline.open_time_ms > newest_ms][:count]
        if later:
            arrival = Arrival(self.series, later, "test", later[0].close_time_ms + 1)
            assert write_closed(self.store, [arrival], announce_newest=0) == [self.series]

    def build(self) -> None:
        """Build what can be built."""
        build(self.store, self.folder, self.series, *MONTHS)

    def compare(self) -> None:
        """Compare every segment that is found."""
        with self.store.read() as connection:
            found = self.segments.find(connection, self.series, None, None)
        for segment in found:
            self.compared += check_segment(self.store, self.series, segment)


def _variant(kline: Kline, value: int, off_ms: int) -> Kline:
    return kline._replace(
        open_time_ms=kline.open_time_ms + off_ms,
        close=f"{value}.00000001" if value else kline.close,
        ignore="0" if value < 4 else "text, 4",
    )


#: The start of the third month, whose first klines close the second, comes up often.
places = st.one_of(st.integers(0, len(HOURS) - 1), st.integers(24 * 59, 24 * 63))
writes = st.tuples(
    st.just("write"),
    places,
    st.integers(1, 60),
    st.integers(0, 5),
    st.sampled_from((0, 0, 1, 60_000)),
)
streams = st.tuples(st.just("stream"), st.integers(1, 24 * 20))
builds = st.just(("build",))
histories = st.lists(st.one_of(writes, streams, builds), min_size=2, max_size=12)


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = new_store(request.getfixturevalue(f"{request.param}_url"))
    yield store
    store.close()


def test_segments_found_equal_the_database(store: Store, tmp_path: Path) -> None:
    compared = 0

    @settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
    @given(histories)
    def check(history: list[tuple[str, int]]) -> None:
        nonlocal compared
        series = add_series(store, f"X{next(NUMBERS)}USDT", Interval.H1, HOURS[:FIRST])
        world = World(store, series, tmp_path / str(series.symbol_id))
        world.build()
        for name, *values in history:
            getattr(world, name)(*values)
            world.compare()
        compared += world.compared

    check()

    assert compared > 10_000
