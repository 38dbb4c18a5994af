"""Answers from the segments of closed months equal answers from the database, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api_historic.segments import Segments
from market.gaps import Cause, Gap
from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import KLINE_FIELDS, Kline
from market.store import Store, open_store
from market.store.gap_ledger import write_gaps
from market.store.kline_months import month_of
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series
from support.databases import fresh_database
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.processes import wait_until
from support.segments import PLENTY, build

FEBRUARY_MS = START_MS + 31 * DAY_MS
#: 100 days: January to March are closed, April is not.
HOURS = 100 * 24
NOW_MS = START_MS + HOURS * HOUR_MS
CLOSED = [START_MS, FEBRUARY_MS, START_MS + 60 * DAY_MS]


def make_history() -> list[Kline]:
    """Klines with holes (one over the end of a month), off the grid, tiny, `ignore` not "0"."""
    klines = []
    for number, kline in enumerate(make_klines(Interval.H1, HOURS)):
        if number in (5, 6) or 740 <= number < 750 or number == 1_000:
            continue
        if number in (20, 21):
            kline = kline._replace(open_time_ms=kline.open_time_ms + 14_789)
        if number == 900:
            kline = kline._replace(low="0.00000001", volume="0.00000000", ignore='a"7')
        klines.append(kline)
    return klines


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store of 100 days of hours."""
    if request.param == "sqlite":
        yield new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield new_store(url)


@pytest.fixture(scope="module")
def clients(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client of the API with segments of its closed months, and one of the API without."""
    series = add_series(store, "BTCUSDT", Interval.H1, make_history())
    restate(store, series)
    outage = Gap(START_MS + 5 * HOUR_MS, START_MS + 7 * HOUR_MS, Cause.OUTAGE)
    with store.begin() as connection:
        write_gaps(connection, series, (START_MS, NOW_MS), [outage], 1)
    folder = tmp_path_factory.mktemp("segments")
    assert {str(one) for one in build(store, folder, series, *CLOSED)} == {"built"}
    # Without a store to build from, what is not there stays away.
    segments = Segments(folder, PLENTY)
    with (
        history_api(store, NOW_MS, segments=segments) as fast_url,
        history_api(
            open_store(store.engine.url.render_as_string(hide_password=False)), NOW_MS
        ) as slow_url,
        httpx.Client(base_url=fast_url) as fast,
        httpx.Client(base_url=slow_url) as slow,
    ):
        yield fast, slow


def restate(store: Store, series: Series) -> None:
    """Change a kline of February, as the archive's later file does."""
    kline = make_history()[800]._replace(close="1.00000000", low="0.50000000")
    write_klines(store, series, [kline], Batch(Source.IMPORT, "restated", NOW_MS))


TIMES = st.none() | st.builds(
    lambda slot, shift: START_MS + slot * HOUR_MS + shift,
    st.integers(-30, HOURS + 30) | st.sampled_from([19, 20, 21, 743, 744, 745, 1439, 1440]),
    st.sampled_from([-1, 0, 0, 1, 14_789]),
)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=TIMES,
    end=TIMES,
    limit=st.none() | st.integers(1, 3_000),
    order=st.sampled_from(["asc", "asc", "desc"]),
    form=st.sampled_from(["json", "json", "ndjson", "csv", "arrow", "parquet"]),
    fields=st.just(KLINE_FIELDS[:-1]) | st.just(("close", "open_time", "ignore")),
    iso=st.booleans(),
)
def test_native_answers_are_equal(
    clients: tuple[httpx.Client, httpx.Client],
    start: int | None,
    end: int | None,
    limit: int | None,
    order: str,
    form: str,
    fields: tuple[str, ...],
    iso: bool,
) -> None:
    if start is not None and end is not None and end < start:
        start, end = end, start
    asked = {
        "symbol": "BTCUSDT",
        "interval": "1h",
        "start": start,
        "end": end,
        "limit": limit,
        "order": order,
        "format": form,
        "fields": ",".join(fields),
        "times": "iso" if iso and form in ("json", "ndjson", "csv") else "ms",
    }
    parameters = {name: value for name, value in asked.items() if value is not None}
    fast, slow = (client.get("/v1/klines", params=parameters) for client in clients)

    assert (fast.status_code, slow.status_code) == (200, 200)
    assert told_headers(fast) == told_headers(slow)
    assert same(form, fast.content, slow.content)


def told_headers(response: httpx.Response) -> dict[str, str]:
    headers = {name: text for name, text in response.headers.items() if name.startswith("x-kl")}
    # The last digit of a fraction summed month by month is not told.
    return {**headers, "cache-control": response.headers["cache-control"]}


def same(form: str, one: bytes, other: bytes) -> bool:
    if form != "arrow" and form != "parquet":
        return one == other
    import pyarrow as pa
    from pyarrow import parquet

    tables = [
        pa.ipc.open_stream(body).read_all()
        if form == "arrow"
        else parquet.read_table(pa.BufferReader(body))
        for body in (one, other)
    ]
    return bool(tables[0].equals(tables[1]))


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    start=TIMES,
    end=TIMES,
    limit=st.integers(1, 1_000),
    path=st.sampled_from(["klines", "uiKlines"]),
    unit=st.sampled_from(["MILLISECOND", "MICROSECOND"]),
)
def test_binance_answers_are_equal(
    clients: tuple[httpx.Client, httpx.Client],
    start: int | None,
    end: int | None,
    limit: int,
    path: str,
    unit: str,
) -> None:
    asked = {"symbol": "BTCUSDT", "interval": "1h", "startTime": start, "endTime": end}
    parameters = {name: value for name, value in asked.items() if value is not None}
    fast, slow = (
        client.get(
            f"/api/v3/{path}",
            params={**parameters, "limit": limit},
            headers={"X-MBX-TIME-UNIT": unit},
        )
        for client in clients
    )

    assert (fast.status_code, slow.status_code) == (200, 200)
    assert fast.content == slow.content


def test_restated_month_is_no_longer_taken_from_its_segment(
    tmp_path: Path, sqlite_url: str
) -> None:
    store = new_store(sqlite_url)
    series = add_series(store, "BTCUSDT", Interval.H1, make_history())
    segments = Segments(tmp_path, PLENTY, store)
    query = f"/v1/klines?symbol=BTCUSDT&interval=1h&start={FEBRUARY_MS}&limit=200"
    with history_api(store, NOW_MS, segments=segments) as url, httpx.Client(base_url=url) as client:
        before = client.get(query)
        is_built = lambda: bool(find(store, series, segments))  # noqa: E731  said once
        wait_until(is_built, "the segment that was wanted")
        assert client.get(query).content == before.content
        kept = {"If-None-Match": before.headers["ETag"]}
        assert client.get(query, headers=kept).status_code == 304

        restate(store, series)

        after = client.get(query, headers=kept)
        assert after.status_code == 200
        assert "1.00000000" in [row[4] for row in after.json()["klines"]]
        assert after.headers["ETag"] != before.headers["ETag"]


def find(store: Store, series: Series, segments: Segments) -> list[object]:
    month = month_of(FEBRUARY_MS)
    with store.read() as connection:
        return list(segments.find(connection, series, *month))


@pytest.mark.parametrize(
    ("query", "kept"),
    list(
        product(
            [
                f"start={START_MS}&end={FEBRUARY_MS}",
                f"start={START_MS}&end={FEBRUARY_MS}&format=csv",
                f"start={FEBRUARY_MS}&limit=10",
            ],
            ["public, max-age=3600, stale-while-revalidate=86400"],
        )
    )
    + [(f"start={START_MS}", "public, max-age=3600, stale-while-revalidate=86400")]
    + list(product([f"start={NOW_MS - DAY_MS}", f"start={START_MS}&format=arrow"], ["no-cache"])),
)
def test_closed_ranges_may_be_kept(
    clients: tuple[httpx.Client, httpx.Client], query: str, kept: str
) -> None:
    for client in clients:
        response = client.get(f"/v1/klines?symbol=BTCUSDT&interval=1h&{query}")

        assert response.headers["Cache-Control"] == kept
        if kept != "no-cache" or "format" not in query:
            tags = {"If-None-Match": f'"x", {response.headers["ETag"]}'}
            again = client.get(response.request.url, headers=tags)
            assert (again.status_code, again.content) == (304, b"")
