"""Connections to streams: subscribing, swapping, and what each fault of theirs leads to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from market.errors import DataError, ExchangeUnavailable
from market.interval import Interval
from market.store.symbols import Series
from populate_base.lasting_stream import ConnectPace, LastingStream
from populate_base.stream import ClosedKline, KlineStream, open_stream
from support.klines import make_klines
from support.processes import wait_until
from support.stream_server import StreamServer, stream_server

HOURS = make_klines(Interval.H1, 5)
MANY = make_klines(Interval.H1, 5_000)
BTC = Series(1, "BTCUSDT", Interval.H1)


@pytest.fixture
def server() -> Iterator[StreamServer]:
    """A server of streams."""
    with stream_server() as server:
        yield server


def opener(server: StreamServer, silence_s: float = 60) -> Callable[[], KlineStream]:
    def open_one() -> KlineStream:
        before = server.opened
        stream = open_stream(server.url, [BTC], silence_s=silence_s)
        # The server learns of a connection a moment after the client.
        wait_until(lambda: server.opened > before, "connected")
        return stream

    return open_one


def receive(stream: KlineStream | LastingStream, count: int) -> list[ClosedKline]:
    """Receive until so many klines came."""
    got: list[ClosedKline] = []
    deadline_s = time.monotonic() + 30
    while len(got) < count and time.monotonic() < deadline_s:
        got += stream.receive(0.1)
    return got


def test_a_thousand_streams_are_subscribed_to_within_binances_limits(server: StreamServer) -> None:
    many = [Series(number, f"S{number:04}USDT", Interval.M1) for number in range(1024)]

    stream = open_stream(server.url, many, silence_s=60)

    assert server.names() == {f"s{number:04}usdt@kline_1m" for number in range(1024)}
    assert [message["method"] for message in server.messages] == ["SUBSCRIBE"] * 5
    server.tell("S1023USDT", Interval.M1, HOURS[0])
    assert receive(stream, 1) == [ClosedKline("S1023USDT", Interval.M1, HOURS[0])]
    stream.close()


def test_only_closed_klines_come(server: StreamServer) -> None:
    stream = opener(server)()
    server.tell("BTCUSDT", Interval.H1, HOURS[0], closed=False)
    server.tell("BTCUSDT", Interval.H1, HOURS[0])

    assert receive(stream, 1) == [ClosedKline("BTCUSDT", Interval.H1, HOURS[0])]
    stream.close()


def test_silence_ends_a_connection(server: StreamServer) -> None:
    stream = opener(server, silence_s=0.3)()

    with pytest.raises(ExchangeUnavailable, match="silent"):
        receive(stream, 1)
    stream.close()


def test_a_refused_subscription_is_named(server: StreamServer) -> None:
    stream = opener(server)()
    server.answers_subscriptions = False
    server.send({"error": {"code": 2, "msg": "Invalid request"}, "id": 1})

    with pytest.raises(ExchangeUnavailable, match="refused a subscription"):
        stream.subscribe(["a@kline_1h"])
    stream.close()


def test_a_connection_that_talks_nonsense_while_subscribing_is_not_left_open(
    server: StreamServer,
) -> None:
    many = [Series(number, f"S{number:04}USDT", Interval.M1) for number in range(300)]
    server.answers_subscriptions = False

    def talk() -> None:
        wait_until(lambda: bool(server.messages), "a subscription")
        server.send({"e": "kline", "k": {}})

    talking = threading.Thread(target=talk)
    talking.start()
    with pytest.raises(DataError, match="without"):
        open_stream(server.url, many, silence_s=60)
    talking.join()

    wait_until(lambda: not server.connections, "closed")


@pytest.mark.parametrize("cause", ["age", "shutdown"])
def test_a_swap_loses_nothing(server: StreamServer, cause: str) -> None:
    life_s = 2.0 if cause == "age" else 3600.0
    stream = LastingStream(opener(server), life_s, overlap_s=0.5)
    if cause == "shutdown":
        server.send({"e": "serverShutdown", "E": 1})
    got: list[ClosedKline] = []
    told = 0
    while server.opened < 2 or len(server.connections) > 1:
        server.tell("BTCUSDT", Interval.H1, MANY[told])
        told += 1
        got += stream.receive(0.02)
        time.sleep(0.01)
    for kline in MANY[told : told + 5]:
        server.tell("BTCUSDT", Interval.H1, kline)
    got += receive(stream, told + 5 - len({one.kline for one in got}))
    stream.close()

    assert list(dict.fromkeys(one.kline for one in got)) == MANY[: told + 5]


def test_a_connection_that_dies_while_the_next_one_listens_is_replaced_at_once(
    server: StreamServer,
) -> None:
    stream = LastingStream(opener(server), 0.1, overlap_s=3600)
    while len(server.connections) < 2:
        stream.receive(0.02)
    time.sleep(0.3)  # the next one is known to be open

    server.connections[0].close()
    server.tell("BTCUSDT", Interval.H1, HOURS[0])

    assert receive(stream, 1)[0].kline == HOURS[0]
    stream.close()


def test_without_a_next_one_a_dead_connection_is_an_error(server: StreamServer) -> None:
    stream = LastingStream(opener(server), 3600)
    server.connections[0].close()

    with pytest.raises(ExchangeUnavailable, match="closed"):
        receive(stream, 1)
    stream.close()


def test_connecting_is_held_back() -> None:
    now_s = [0.0]
    pace = ConnectPace(lambda: now_s[0])

    assert {pace.take() for _ in range(ConnectPace.MOST)} == {0.0}
    assert pace.take() == ConnectPace.WITHIN_S
    now_s[0] = 299.0
    assert pace.take() == 1.0
    now_s[0] = 300.0
    assert pace.take() == 0.0
