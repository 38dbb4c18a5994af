"""The client against a real API: pages hidden, gaps told, errors in Klinecast's own words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pandas as pd
import pytest
import stamina

import klinecast_client.history
from klinecast_client import Client, MissingKlines
from market.errors import (
    Conflict,
    FatalError,
    Forbidden,
    InvalidParameter,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from market.interval import MINUTE_MS, Interval
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.ports import free_port

MINUTES = klinecast_client.history.PAGE_ROWS + 500
#: More than a page, with a hole of ten minutes.
KLINES = make_klines(Interval.M1, MINUTES)
STORED = KLINES[:100] + KLINES[110:]
NOW_MS = START_MS + MINUTES * MINUTE_MS


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over more than one page of minutes."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.M1, STORED)
    with history_api(store, NOW_MS) as url:
        yield url


@pytest.fixture(params=[True, False], ids=["arrow", "json"])
def client(api: str, request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of it, each way that ranges travel."""
    with Client(api, arrow=request.param) as client:
        yield client


def test_whole_history_is_read(client: Client) -> None:
    with pytest.warns(MissingKlines, match="BTCUSDT 1m is 99.95.*% complete: 1 gap"):
        frame = client.klines("BTCUSDT", "1m")

    assert len(frame) == len(STORED)
    assert frame.index.is_monotonic_increasing
    assert frame.index.is_unique
    assert frame["close"].tolist() == [float(kline.close) for kline in STORED]
    assert frame.attrs["gaps"] == [
        {
            "start_ms": START_MS + 100 * MINUTE_MS,
            "end_ms": START_MS + 110 * MINUTE_MS,
            "cause": "repairable",
        }
    ]
    assert frame.attrs["completeness"] == len(STORED) / MINUTES


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2024-01-01", "2024-01-01T00:03:00Z"),
        (START_MS, START_MS + 3 * MINUTE_MS),
        (date(2024, 1, 1), datetime(2024, 1, 1, 0, 3, tzinfo=UTC)),
        (pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01T01:03", tz="Europe/Paris")),
    ],
)
def test_times_may_be_written_in_many_ways(client: Client, start: object, end: object) -> None:
    frame = client.klines(("btc", "usdt"), "1m", start, end)  # type: ignore[arg-type]  # each form

    assert len(frame) == 3


def test_exact_values_are_decimals(client: Client) -> None:
    frame = client.klines("BTCUSDT", "1m", START_MS, START_MS + MINUTE_MS, exact=True)

    assert frame["close"].iloc[0] == Decimal(KLINES[0].close)


def test_newest_klines_end_at_the_newest(client: Client) -> None:
    table = client.newest_table("BTCUSDT", "1m", 50, fields=["open_time", "close"])

    assert table["open_time"].tolist() == [kline.open_time_ms for kline in KLINES[-50:]]
    assert list(table.columns) == ["open_time", "close"]
    assert client.latest("BTCUSDT", "1m", 2).index[-1] == pd.Timestamp(
        KLINES[-1].open_time_ms, unit="ms", tz="UTC"
    )


def test_catalogue_scores_and_status_are_read(client: Client) -> None:
    symbols = client.symbols()

    assert symbols[["symbol", "interval", "count"]].to_numpy().tolist() == [
        ["BTCUSDT", "1m", len(STORED)]
    ]
    assert client.scores().empty
    assert client.status().now_ms == NOW_MS


def test_unknown_symbol_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="'NONE' is not known here") as caught:
        client.klines("NONE", "1m")

    assert "/v1/symbols" in caught.value.hint


def test_wrong_interval_is_an_invalid_parameter(client: Client) -> None:
    with pytest.raises(InvalidParameter, match="interval was '7m'") as caught:
        client.klines("BTCUSDT", "7m")

    assert caught.value.name == "interval"


def test_naive_datetime_is_refused(client: Client) -> None:
    with pytest.raises(InvalidParameter, match="start was"):
        client.klines("BTCUSDT", "1m", pd.Timestamp("2024-01-01"))


def test_missing_forecast_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="there is no forecast"):
        client.forecasts("BTCUSDT", "1m")


def test_api_that_is_down_is_unavailable() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with Client(url, attempts=1) as client, pytest.raises(ServiceUnavailable, match=url):
        client.status()


@contextmanager
def answering(
    answers: list[tuple[int, bytes]], *, short_by: int = 0, **headers: str
) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives these answers in turn; yields its URL and the tokens it saw.

    Of the first answer `short_by` bytes are never sent.
    """
    tokens: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            status, body = answers.pop(0)
            missing = short_by if len(tokens) == 1 else 0
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in {"Retry-After": "7", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) - missing])
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", tokens
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_retryable_answer_is_asked_again() -> None:
    status = b'{"demo":true,"demo_ended":false,"now_ms":5,"rate":60.0,"version":"1"}'
    answers = [(503, b"{}"), (502, b"<html>"), (200, status)]

    with (
        answering(answers) as (url, tokens),
        Client(url, "t0ken") as client,
        stamina.set_testing(True, attempts=3, cap=True),
    ):
        assert client.status().now_ms == 5

    assert tokens == ["Bearer t0ken"] * 3


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, b'{"error":"Conflict","detail":"taken"}', Conflict),
        (500, b"[]", FatalError),
        (401, b"", Unauthorized),
        (403, b"", Forbidden),
        (200, b"<html>", FatalError),
        (429, b'{"detail":"slowly"}', TooManyRequests),
    ],
)
def test_other_answers_are_errors_of_their_kind(
    status: int, body: bytes, kind: type[Exception]
) -> None:
    with (
        answering([(status, body)]) as (url, _),
        Client(url, attempts=1) as client,
        pytest.raises(kind) as caught,
    ):
        client.status()

    if isinstance(caught.value, TooManyRequests):
        assert caught.value.retry_after_s == 7


def test_stream_that_breaks_off_is_asked_for_again(api: str) -> None:
    query = "symbol=BTCUSDT&interval=1m&limit=30&format=arrow"
    whole = httpx.get(f"{api}/v1/klines?{query}")
    told = {name: text for name, text in whole.headers.items() if name.startswith("x-klinecast")}

    with (
        answering([(200, whole.content)] * 2, short_by=2_000, **told) as (url, tokens),
        Client(url) as client,
        stamina.set_testing(True, attempts=3, cap=True),
    ):
        table = client.kline_table("BTCUSDT", "1m")

    assert len(tokens) == 2
    assert table["open_time"].tolist() == [kline.open_time_ms for kline in KLINES[:30]]


def test_quota_that_is_used_up_is_not_waited_for() -> None:
    refusal = (429, b'{"error":"TooManyRequests","detail":"the quota is used up"}')

    with (
        answering([refusal, refusal], **{"Retry-After": "86400"}) as (url, tokens),
        Client(url) as client,
        pytest.raises(TooManyRequests, match="quota is used up") as caught,
    ):
        client.status()

    assert (len(tokens), caught.value.retry_after_s) == (1, 86_400)


def test_rate_that_is_reached_is_waited_for_as_told() -> None:
    status = b'{"demo":true,"demo_ended":false,"now_ms":5,"rate":60.0,"version":"1"}'

    with (
        answering([(429, b"{}"), (200, status)], **{"Retry-After": "1"}) as (url, tokens),
        Client(url) as client,
    ):
        assert client.status().now_ms == 5

    assert len(tokens) == 2
