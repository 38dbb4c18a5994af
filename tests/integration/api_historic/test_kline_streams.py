"""Long answers: several symbols, compressed, the past as it was known, clients that leave."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pyarrow as pa
import pytest
import zstandard

from market.interval import HOUR_MS, MINUTE_MS, Interval
from market.store import Store
from market.store.klines import Batch, Source, write_klines
from support.databases import fresh_database
from support.history_api import add_series, history_api, new_store
from support.kline_answers import missing_slots, read_answer
from support.klines import START_MS, make_klines
from support.processes import wait_until

COUNT = 50_000
KLINES = make_klines(Interval.M1, COUNT)
OTHERS = make_klines(Interval.M1, 300, seed=2)
NOW_MS = START_MS + COUNT * MINUTE_MS
RESTATED_MS = NOW_MS + HOUR_MS
ALL = "/v1/klines?symbol=BTCUSDT&interval=1m"
#: More than the sockets' buffers hold.
LONG = f"{ALL}&start={START_MS}&end={START_MS + 12_000 * MINUTE_MS}"


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A store of 50,000 minutes, and of 300 of another symbol, one of them restated later."""
    if request.param == "sqlite":
        yield filled(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield filled(url)


def filled(url: str) -> Store:
    store = new_store(url)
    add_series(store, "BTCUSDT", Interval.M1, KLINES)
    others = add_series(store, "ETHUSDT", Interval.M1, OTHERS[:100] + OTHERS[103:])
    restated = OTHERS[7]._replace(close="1.00000000", low="0.50000000")
    write_klines(store, others, [restated], Batch(Source.IMPORT, "restated", RESTATED_MS))
    return store


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[httpx.Client]:
    """A client of the API over that store."""
    with history_api(store, NOW_MS) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def ask(client: httpx.Client, **parameters: Any) -> httpx.Response:
    response = client.get("/v1/klines", params={"interval": "1m", **parameters})
    assert response.status_code == 200, response.text
    return response


@pytest.mark.parametrize("form", ["ndjson", "csv", "arrow", "parquet"])
def test_several_symbols_are_told_apart(client: httpx.Client, form: str) -> None:
    asked = {"symbol": "ethusdt, BTCUSDT", "format": form, "fields": "open_time,close"}
    end_ms = START_MS + 200 * MINUTE_MS
    told = read_answer(ask(client, **asked, start=START_MS, end=end_ms))

    assert told.columns == ["symbol", "open_time", "close"]
    expected = [["ETHUSDT", k[0], k.close] for k in OTHERS[:100] + OTHERS[103:200]]
    expected[7][2] = "1.00000000"
    assert told.rows == expected + [["BTCUSDT", k[0], k.close] for k in KLINES[:200]]
    assert [gap["symbol"] for gap in told.gaps] == ["ETHUSDT"]
    assert missing_slots(Interval.M1, told.gaps) == [k[0] for k in OTHERS[100:103]]
    assert (told.complete, told.completeness) == (False, 397 / 400)


def test_pages_over_several_symbols_join_to_the_whole(client: httpx.Client) -> None:
    asked = {"symbol": "ETHUSDT,BTCUSDT", "format": "csv", "start": START_MS}
    asked["end"] = START_MS + 120 * MINUTE_MS
    whole = read_answer(ask(client, **asked))
    for limit in (7, 117, 120, 10_000):
        pages = [read_answer(ask(client, **asked, limit=limit))]
        while pages[-1].following is not None:
            cursor = pages[-1].following
            pages.append(read_answer(ask(client, **asked, limit=limit, cursor=cursor)))

        assert [row for page in pages for row in page.rows] == whole.rows
        assert [gap for page in pages for gap in page.gaps] == whole.gaps


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow", "parquet"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_past_is_answered_as_it_was_known(client: httpx.Client, form: str, order: str) -> None:
    asked = {"symbol": "ETHUSDT", "format": form, "order": order, "limit": 200}
    asked["fields"] = "open_time,close,ignore"
    then, now = (
        read_answer(ask(client, **asked, start=START_MS, as_of=as_of))
        for as_of in (RESTATED_MS - 1, RESTATED_MS)
    )

    rows = [[k.open_time_ms, k.close, k.ignore] for k in OTHERS[:100] + OTHERS[103:]]
    if order == "desc":
        rows.reverse()
    assert then.rows == rows[:200]
    assert now.rows == [
        [row[0], "1.00000000", row[2]] if row[0] == OTHERS[7].open_time_ms else row
        for row in rows[:200]
    ]
    assert (then.gaps, then.completeness) == (now.gaps, now.completeness)
    assert then.following is not None


def test_many_gaps_are_told_in_part(client: httpx.Client, store: Store) -> None:
    every_other = make_klines(Interval.M3, 200)[::2]
    add_series(store, "XRPUSDT", Interval.M3, every_other)

    response = ask(client, symbol="XRPUSDT", interval="3m", format="csv", end=NOW_MS)

    assert len(read_answer(response).gaps) == 50
    assert response.headers["X-Klinecast-Gaps-Omitted"] == "50"


@pytest.mark.parametrize("form", ["json", "ndjson", "csv", "arrow"])
def test_answers_are_compressed_as_accepted(client: httpx.Client, form: str) -> None:
    def get(accepted: str) -> tuple[str | None, bytes]:
        request = client.build_request(
            "GET", f"{ALL}&format={form}&limit=30000", headers={"Accept-Encoding": accepted}
        )
        response = client.send(request, stream=True)
        body = b"".join(response.iter_raw())
        assert "Accept-Encoding" in response.headers["Vary"]
        return response.headers.get("Content-Encoding"), body

    coding, plain = get("identity")
    assert coding is None
    coding, body = get("gzip, zstd")
    assert coding == "zstd"
    assert zstandard.ZstdDecompressor().decompressobj().decompress(body) == plain
    coding, body = get("gzip")
    # Arrow's columns would only be slowed down by it.
    assert coding == (None if form == "arrow" else "gzip")
    assert (body if form == "arrow" else gzip.decompress(body)) == plain


def test_accept_names_the_format(client: httpx.Client) -> None:
    wanted = {"Accept": "application/vnd.apache.arrow.stream"}
    response = client.get(f"{ALL}&limit=3", headers=wanted)

    assert response.headers["Content-Type"] == wanted["Accept"]
    assert pa.ipc.open_stream(response.content).read_all().num_rows == 3
    refused = client.get(ALL, headers={"Accept": "image/png"})
    assert (refused.status_code, refused.json()["error"]) == (406, "NotAcceptable")


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("format=xml", 422, "format was 'xml'; expected one of json ndjson csv arrow parquet"),
        ("limit=100001", 422, "limit was '100001'"),
        ("limit=0&format=csv", 422, "limit was '0'"),
        ("times=iso&format=arrow", 422, "times was 'iso'; expected ms"),
        ("times=utc", 422, "times was 'utc'"),
        ("order=up", 422, "order was 'up'"),
        ("as_of=then", 422, "as_of was 'then'"),
        ("start=20&end=10&format=csv", 422, "end was 10"),
        ("cursor=zzz&format=csv", 422, "cursor was 'zzz'"),
    ],
)
def test_wrong_request_is_refused_before_the_stream(
    client: httpx.Client, query: str, status: int, detail: str
) -> None:
    response = client.get(f"{ALL}&{query}")

    assert response.status_code == status
    assert detail in response.json()["detail"]


@pytest.mark.parametrize("symbols", ["BTCUSDT,ETHUSDT", "BTCUSDT,,ETHUSDT", ",".join("ABC" * 50)])
def test_several_symbols_have_their_limits(client: httpx.Client, symbols: str) -> None:
    assert client.get(f"/v1/klines?interval=1m&symbol={symbols}").status_code == 422


def test_unknown_symbol_is_refused_before_the_stream(client: httpx.Client) -> None:
    response = client.get("/v1/klines?interval=1m&symbol=BTCUSDT,NONE&format=csv")

    assert (response.status_code, response.json()["error"]) == (404, "NotFound")


def leave_midway(client: httpx.Client, times: int) -> None:
    """Ask for a long answer, take a little of it, and go; many times over."""
    where = urlsplit(str(client.base_url))
    for number in range(times):
        form = ("csv", "ndjson", "arrow")[number % 3]
        with socket.create_connection((where.hostname, where.port or 80)) as wire:
            wire.sendall(f"GET {LONG}&format={form} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            wire.recv(1000)
            # Closed with bytes unread: a reset, as of a client that was killed.


def test_clients_that_leave_cost_nothing(client: httpx.Client, store: Store) -> None:
    leave_midway(client, 30)
    wait_until(lambda: idle(store), "every connection back")
    process = psutil.Process()
    before = (process.memory_info().rss, process.num_fds(), process.num_threads())

    leave_midway(client, 1_000)

    wait_until(lambda: idle(store), "every connection back")
    after = (process.memory_info().rss, process.num_fds(), process.num_threads())
    assert after[0] - before[0] < 60 << 20
    assert after[1] - before[1] < 20
    assert after[2] - before[2] < 10
    assert ask(client, symbol="BTCUSDT", format="csv").content.count(b"\n") == COUNT + 1


def idle(store: Store) -> bool:
    return int(store.engine.pool.checkedout()) == 0  # type: ignore[attr-defined]


@contextmanager
def slow_readers(client: httpx.Client, count: int) -> Iterator[None]:
    """Clients that ask for a long answer and take only its beginning."""
    where = urlsplit(str(client.base_url))
    with ExitStack() as wires:
        for _ in range(count):
            wire = wires.enter_context(socket.socket())
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            wire.connect((where.hostname, where.port or 80))
            wire.sendall(f"GET {ALL}&format=ndjson HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            wire.recv(100)
        yield


def test_slow_reader_holds_little(client: httpx.Client, store: Store) -> None:
    process = psutil.Process()
    with slow_readers(client, 4):
        time.sleep(1)
    wait_until(lambda: idle(store), "every connection back")
    before = process.memory_info().rss
    with slow_readers(client, 4):
        time.sleep(1)

        # 50,000 objects are 17 MB each time; held are a few parts of what is read ahead.
        assert process.memory_info().rss - before < 40 << 20
        assert client.get("/v1/status").status_code == 200
    wait_until(lambda: idle(store), "every connection back")


def test_long_answers_leave_room_for_short_ones(client: httpx.Client, store: Store) -> None:
    with slow_readers(client, 8):
        refused = client.get(f"{ALL}&format=csv")

        assert (refused.status_code, refused.json()["error"]) == (429, "TooManyRequests")
        assert int(refused.headers["Retry-After"]) > 0
        assert client.get(f"{ALL}&limit=10").status_code == 200
    wait_until(lambda: idle(store), "every connection back")
    assert ask(client, symbol="BTCUSDT", format="csv").content.count(b"\n") == COUNT + 1
