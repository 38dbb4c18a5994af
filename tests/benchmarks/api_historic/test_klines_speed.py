"""How fast pages of klines leave the API, beside the ordinary way in the same run.

The baseline is FastAPI as most people write it: rows as dictionaries, each checked by a
pydantic model, encoded by the framework. Both answer over real sockets from one store.
"""

from __future__ import annotations

import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import select

from market.interval import MINUTE_MS, Interval
from market.store import Store
from market.store import tables as t
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

pytestmark = pytest.mark.benchmark

ROWS = 50_000
PAGE = 1_000
ROUNDS = 40


class NaiveKline(BaseModel):
    """A kline as an ordinary response model."""

    open_time_ms: int
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time_ms: int
    quote_asset_volume: str
    number_of_trades: int
    taker_buy_base_asset_volume: str
    taker_buy_quote_asset_volume: str


def naive_app(store: Store) -> FastAPI:
    app = FastAPI()
    names = list(NaiveKline.model_fields)

    @app.get("/klines")
    def klines(start: int, limit: int) -> list[NaiveKline]:
        query = (
            select(t.klines)
            .where(t.klines.c.open_time_ms >= start)
            .order_by(t.klines.c.open_time_ms)
            .limit(limit)
        )
        with store.read() as connection:
            rows = connection.execute(query).mappings().all()
        texts = [name for name in names if not name.endswith("_ms") and "number" not in name]
        return [
            NaiveKline(**{**{n: row[n] for n in names}, **{n: str(row[n]) for n in texts}})
            for row in rows
        ]

    return app


@contextmanager
def naive_api(store: Store) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(naive_app(store), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def measure(client: httpx.Client, path: str) -> list[float]:
    """Return the seconds of each of `ROUNDS` requests for different pages."""
    seconds = []
    for number in range(ROUNDS + 5):
        start_ms = START_MS + number * PAGE * MINUTE_MS
        before = time.perf_counter()
        response = client.get(path.format(start_ms))
        response.raise_for_status()
        seconds.append(time.perf_counter() - before)
    return seconds[5:]


@pytest.mark.parametrize("engine", ["sqlite", "mysql"])
def test_pages_of_klines(
    engine: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    store = new_store(request.getfixturevalue(f"{engine}_url"))
    add_series(store, "BTCUSDT", Interval.M1, make_klines(Interval.M1, ROWS))
    query = f"symbol=BTCUSDT&interval=1m&limit={PAGE}"
    plain = {"Accept-Encoding": "identity"}
    results: dict[str, list[float]] = {}
    with (
        naive_api(store) as naive_url,
        history_api(store, START_MS + ROWS * MINUTE_MS) as url,
        httpx.Client(headers=plain) as client,
    ):
        results["baseline"] = measure(client, naive_url + f"/klines?start={{}}&limit={PAGE}")
        results["/api/v3/klines"] = measure(client, url + f"/api/v3/klines?{query}&startTime={{}}")
        results["/v1/klines"] = measure(client, url + f"/v1/klines?{query}&start={{}}")
        before = time.perf_counter()
        whole = client.get(f"{url}/v1/klines?symbol=BTCUSDT&interval=1m&limit={ROWS}")
        whole_s = time.perf_counter() - before

    baseline = statistics.median(results["baseline"])
    lines = [
        f"{engine} {name}: p50 {statistics.median(times) * 1e3:.1f} ms,"
        f" {PAGE / statistics.median(times):,.0f} klines/s,"
        f" {baseline / statistics.median(times):.1f}x the baseline (n={len(times)})"
        for name, times in results.items()
    ]
    lines.append(f"{engine} one answer of {ROWS:,}: {ROWS / whole_s:,.0f} klines/s (n=1)")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert len(whole.json()["klines"]) == ROWS
    assert baseline > statistics.median(results["/api/v3/klines"])
