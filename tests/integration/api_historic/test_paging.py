"""Any query over HTTP answers what a slow, obvious reference answers over the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.interval import MINUTE_MS, Interval
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

#: Two holes, one of them at the place where pages of ten meet.
KLINES = [k for n, k in enumerate(make_klines(Interval.M1, 60)) if n not in (9, 10, 11, 30)]
END_MS = START_MS + 60 * MINUTE_MS
#: Times on the grid and a millisecond beside it: where ranges begin and end matters there.
TIMES = st.none() | st.builds(
    lambda slot, shift: START_MS + slot * MINUTE_MS + shift,
    st.integers(-3, 63),
    st.sampled_from([-1, 0, 0, 1]),
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the API over 56 minutes."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.M1, KLINES)
    with history_api(store, END_MS) as url, httpx.Client(base_url=url) as client:
        yield client


def ask(client: httpx.Client, path: str, **parameters: Any) -> Any:
    sent = {name: value for name, value in parameters.items() if value is not None}
    response = client.get(path, params={"symbol": "BTCUSDT", "interval": "1m", **sent})
    assert response.status_code == 200, response.text
    return response.json()


def binance_reference(start: int | None, end: int | None, limit: int) -> list[list[Any]]:
    rows = [
        list(k)
        for k in KLINES
        if (start is None or k.open_time_ms >= start) and (end is None or k.open_time_ms <= end)
    ]
    return rows[-limit:] if start is None else rows[:limit]


@settings(max_examples=60, deadline=None)
@given(start=TIMES, end=TIMES, limit=st.integers(1, 70))
def test_binance_call_answers_as_the_reference(
    client: httpx.Client, start: int | None, end: int | None, limit: int
) -> None:
    rows = ask(client, "/api/v3/klines", startTime=start, endTime=end, limit=limit)

    assert rows == binance_reference(start, end, limit)


@settings(max_examples=30, deadline=None)
@given(start=TIMES, end=TIMES, limit=st.integers(1, 70))
def test_native_pages_join_to_the_whole_range(
    client: httpx.Client, start: int | None, end: int | None, limit: int
) -> None:
    if start is not None and end is not None and end < start:
        start, end = end, start
    pages = [ask(client, "/v1/klines", start=start, end=end, limit=limit)]
    while pages[-1]["next"] is not None:
        cursor = pages[-1]["next"]
        pages.append(ask(client, "/v1/klines", start=start, end=end, limit=limit, cursor=cursor))

    opens = [row[0] for page in pages for row in page["klines"]]
    assert opens == [
        k.open_time_ms
        for k in KLINES
        if (start is None or k.open_time_ms >= start) and (end is None or k.open_time_ms < end)
    ]
    missing = [
        open_ms
        for page in pages
        for gap in page["gaps"]
        for open_ms in Interval.M1.iter_opens(gap["start_ms"], gap["end_ms"])
    ]
    first = (opens[0] if opens else END_MS) if start is None else start
    slots = set(Interval.M1.iter_opens(first, min(END_MS if end is None else end, END_MS)))
    assert missing == sorted(slots - set(opens))


def test_page_that_ends_at_the_last_kline_has_no_next(client: httpx.Client) -> None:
    assert ask(client, "/v1/klines", limit=len(KLINES))["next"] is None
    assert ask(client, "/v1/klines", limit=len(KLINES) - 1)["next"] is not None
