"""Any query of `/v1/klines`, in any format, answers what a slow, obvious reference answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from market.interval import MINUTE_MS, Interval
from market.kline import KLINE_FIELDS
from support.databases import fresh_database
from support.history_api import add_series, history_api, new_store
from support.kline_answers import (
    FORMATS,
    Asking,
    expected_answer,
    missing_slots,
    read_answer,
)
from support.klines import START_MS, make_klines

#: Holes, the first where pages of ten meet; klines off the grid; texts that want quoting.
KLINES = [
    kline._replace(
        open_time_ms=kline.open_time_ms + (14_789 if number in (20, 21, 55) else 0),
        ignore={5: "7", 6: "", 7: 'a"b,c', 8: "{]"}.get(number, "0"),
    )
    for number, kline in enumerate(make_klines(Interval.M1, 60))
    if number not in (9, 10, 11, 30, 31)
]
NOW_MS = START_MS + 60 * MINUTE_MS
TIMES = st.none() | st.builds(
    lambda slot, shift: START_MS + slot * MINUTE_MS + shift,
    st.integers(-3, 63),
    st.sampled_from([-1, 0, 0, 1, 14_789]),
)
FIELDS = st.just(KLINE_FIELDS[:-1]) | st.lists(
    st.sampled_from(KLINE_FIELDS), min_size=1, unique=True
).map(tuple)


@st.composite
def askings(draw: st.DrawFn) -> tuple[str, Asking]:
    """A format and a request that is valid in it."""
    form = draw(st.sampled_from(FORMATS))
    start, end = draw(TIMES), draw(TIMES)
    if start is not None and end is not None and end < start:
        start, end = end, start
    limit = draw(st.integers(1, 70))
    return form, Asking(
        start,
        end,
        limit if form == "json" else draw(st.none() | st.just(limit)),
        draw(FIELDS),
        draw(st.sampled_from(["asc", "desc"])),
        draw(st.sampled_from(["ms", "iso"])) if form in ("json", "ndjson", "csv") else "ms",
    )


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A client of the API over an hour."""
    if request.param == "sqlite":
        yield from serving(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield from serving(url)


def serving(store_url: str) -> Iterator[httpx.Client]:
    store = new_store(store_url)
    add_series(store, "BTCUSDT", Interval.M1, KLINES)
    with history_api(store, NOW_MS) as url, httpx.Client(base_url=url) as client:
        yield client


def ask(client: httpx.Client, form: str, asking: Asking, **others: Any) -> httpx.Response:
    told = {name: value for name, value in asking._asdict().items() if value is not None}
    parameters = {"symbol": "BTCUSDT", "interval": "1m", "format": form, **told, **others}
    response = client.get("/v1/klines", params={**parameters, "fields": ",".join(asking.fields)})
    assert response.status_code == 200, response.text
    return response


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=askings())
def test_any_query_answers_as_the_reference(
    client: httpx.Client, asked: tuple[str, Asking]
) -> None:
    form, asking = asked
    told = read_answer(ask(client, form, asking))

    rows, missing, has_more = expected_answer(Interval.M1, KLINES, asking, NOW_MS)
    assert told.rows == rows
    assert told.columns == list(asking.fields) or (form == "ndjson" and not rows)
    assert missing_slots(Interval.M1, told.gaps) == missing
    assert told.complete == (not missing)
    assert (told.following is not None) == has_more


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=askings(), limit=st.integers(1, 30))
def test_pages_join_to_the_whole(
    client: httpx.Client, asked: tuple[str, Asking], limit: int
) -> None:
    form, asking = asked[0], asked[1]._replace(limit=limit)
    pages = [read_answer(ask(client, form, asking))]
    while pages[-1].following is not None:
        pages.append(read_answer(ask(client, form, asking, cursor=pages[-1].following)))

    rows, missing, _ = expected_answer(Interval.M1, KLINES, asking._replace(limit=None), NOW_MS)
    assert [row for page in pages for row in page.rows] == rows
    told = [slot for page in pages for slot in missing_slots(Interval.M1, page.gaps)]
    assert sorted(told) == missing
