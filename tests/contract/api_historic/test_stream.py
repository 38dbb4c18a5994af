"""Push over real sockets: everything once and in order, whatever happens to the connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.shapes import ErrorBody
from market.store import Store
from market.store.forecast_ledger import append_forecast
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series
from support.databases import fresh_database
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.seed import make_forecast
from support.stream_listener import PATIENCE_S, Listener, append_klines, listening

KLINES = make_klines(Interval.M1, 3_000)
NOW_MS = START_MS + 100 * HOUR_MS


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    if request.param == "sqlite":
        yield new_store(f"sqlite:///{tmp_path / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield new_store(url)


@pytest.fixture
def api(store: Store) -> Iterator[str]:
    """The API over that store."""
    with history_api(store, NOW_MS) as url:
        yield url


def load(store: Store, series: Series, klines: list[Kline], source: Source = Source.REST) -> None:
    write_klines(store, series, klines, Batch(source, "test", NOW_MS))


def opens(klines: list[Kline]) -> list[int]:
    return [kline.open_time_ms for kline in klines]


def test_closed_klines_are_told_as_they_land(store: Store, api: str) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    other = add_series(store, "ETHUSDT", Interval.M1, KLINES[:5])

    with listening(api, "symbol=btcusdt&interval=1m,1h") as listener:
        started = listener.next()
        append_klines(store, other, KLINES[5:6])
        append_klines(store, series, KLINES[5:7])
        told = listener.next()

        assert (started["event"], started["data"]["now_ms"]) == ("open", NOW_MS)
        assert listener.response.headers["content-type"].startswith("text/event-stream")
        assert told["event"] == "klines"
        assert told["data"] == {
            "symbol": "BTCUSDT",
            "interval": "1m",
            "klines": [list(kline[:11]) for kline in KLINES[5:7]],
        }
        assert not listener.has_more()


def test_resumed_listener_gets_what_it_missed_once(store: Store, api: str) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    other = add_series(store, "ETHUSDT", Interval.M1, KLINES[:5])
    with listening(api) as listener:
        listener.next()
        append_klines(store, series, KLINES[5:6])
        told = listener.next()

    append_klines(store, other, KLINES[5:9])
    append_klines(store, series, KLINES[6:8])

    with listening(api, "symbol=BTCUSDT", **{"Last-Event-ID": told["id"]}) as listener:
        listener.next()
        append_klines(store, series, KLINES[8:9])
        assert listener.opens(3) == opens(KLINES[6:9])
        assert not listener.has_more()
    with listening(api, f"after={told['id']}") as listener:
        listener.next()
        assert sorted(listener.opens(7)) == sorted(opens(KLINES[5:9]) + opens(KLINES[6:9]))
        assert not listener.has_more()


def test_batch_that_commits_late_is_lost_to_nobody(store: Store, api: str) -> None:
    if store.is_sqlite:
        pytest.skip("SQLite has one writer at a time: numbers commit in their order")
    slow = add_series(store, "SLOWUSDT", Interval.M1, KLINES[:5])
    quick = add_series(store, "FASTUSDT", Interval.M1, KLINES[:5])
    drawn, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        from market.store.klines import write_kline_parts

        def parts() -> Iterator[list[Kline]]:
            yield KLINES[5:6]
            drawn.set()
            go_on.wait(PATIENCE_S)
            yield KLINES[6:7]

        write_kline_parts(store, slow, parts, Batch(Source.REST, "test", NOW_MS))

    with listening(api) as staying, listening(api) as leaving:
        staying.next(), leaving.next()
        thread = threading.Thread(target=write_slowly)
        thread.start()
        assert drawn.wait(PATIENCE_S)
        append_klines(store, quick, KLINES[5:6])  # its number is drawn later, and commits first
        assert staying.next()["data"]["symbol"] == "FASTUSDT"
        left = leaving.next()
        assert left["data"]["symbol"] == "FASTUSDT"
        leaving.close()
        go_on.set()
        thread.join()

        assert staying.opens(2) == opens(KLINES[5:7])
        with listening(api, f"after={left['id']}") as resumed:
            resumed.next()
            assert resumed.opens(2) == opens(KLINES[5:7])
            append_klines(store, quick, KLINES[6:7])
            assert resumed.next()["data"]["symbol"] == "FASTUSDT"
            assert not resumed.has_more()


def test_healed_gap_is_told_as_klines_or_as_a_range(store: Store, api: str) -> None:
    holes = [*range(10, 15), *range(2_500, 2_503)]
    stored = [kline for n, kline in enumerate(KLINES) if n not in holes]
    series = add_series(store, "BTCUSDT", Interval.M1, stored)

    with listening(api) as listener:
        position = listener.next()["id"]
        load(store, series, KLINES[2_500:2_503])
        assert listener.opens(3) == opens(KLINES[2_500:2_503])
        load(store, series, KLINES[8:16])  # three of them are stored already
        older = listener.next()

        expected = {"symbol": "BTCUSDT", "interval": "1m", "rows": 5}
        expected |= {"start_ms": KLINES[10].open_time_ms, "end_ms": KLINES[15].open_time_ms}
        assert (older["event"], older["data"]) == ("history", expected)
        assert not listener.has_more()
    with listening(api, f"after={position}") as listener:
        listener.next()
        assert listener.opens(3) == opens(KLINES[2_500:2_503])
        assert listener.next()["data"] == expected


def test_restated_kline_is_told_again(store: Store, api: str) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    changed = KLINES[2]._replace(volume="1.00000000")

    with listening(api) as listener:
        position = listener.next()["id"]
        load(store, series, [*KLINES[1:2], changed])
        assert listener.next()["data"]["klines"] == [list(changed[:11])]
        load(store, series, KLINES[1:4])
        assert listener.next()["data"]["klines"] == [list(KLINES[2][:11])]
    with listening(api, f"after={position}") as listener:
        listener.next()
        # What it says now, once: the value between was nobody's last word.
        assert listener.next()["data"]["klines"] == [list(KLINES[2][:11])]
        assert not listener.has_more()


def test_forecasts_are_told_to_who_wants_them(store: Store, api: str) -> None:
    add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    forecast = make_forecast("BTCUSDT", Interval.M1, KLINES[:5])

    with (
        listening(api, "kinds=forecasts") as wanting,
        listening(api, "kinds=klines") as not_wanting,
    ):
        position = wanting.next()["id"]
        not_wanting.next()
        append_forecast(store, forecast)
        told = wanting.next()

        assert (told["event"], told["data"]) == ("forecast", json.loads(forecast.model_dump_json()))
        assert not not_wanting.has_more()
    with listening(api, f"kinds=forecasts&after={position}") as resumed:
        resumed.next()
        assert resumed.next()["id"] == told["id"]
        assert not resumed.has_more()


def test_socket_tells_the_same(store: Store, api: str) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])

    with connect(f"{api.replace('http', 'ws', 1)}/v1/stream?symbol=BTCUSDT&interval=1m") as sockets:
        opened = json.loads(sockets.recv(timeout=PATIENCE_S))
        append_klines(store, series, KLINES[5:6])
        told = json.loads(sockets.recv(timeout=PATIENCE_S))

    assert (opened["event"], told["event"]) == ("open", "klines")
    assert told["data"]["klines"] == [list(KLINES[5][:11])]
    address = f"{api.replace('http', 'ws', 1)}/v1/stream?after={opened['id']}"
    with connect(address) as sockets:
        sockets.recv(timeout=PATIENCE_S)
        assert json.loads(sockets.recv(timeout=PATIENCE_S))["id"] == told["id"]


def test_listeners_are_let_go_when_the_api_ends(store: Store) -> None:
    add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    with ExitStack() as stack:
        api = stack.enter_context(history_api(store, NOW_MS))
        listener = Listener(f"{api}/v1/stream")
        listener.next()
        talking = connect(f"{api.replace('http', 'ws', 1)}/v1/stream")
        with talking as sockets:
            sockets.recv(timeout=PATIENCE_S)
            ending = threading.Thread(target=_drain, args=(sockets,))
            ending.start()
            stack.close()
            ending.join(PATIENCE_S)
            assert not ending.is_alive()

    assert listener.next()["event"] == "end"
    assert listener.next()["event"] == "closed"
    listener.close()


def _drain(sockets: Any) -> None:
    with suppress(ConnectionClosed):
        while True:
            sockets.recv(timeout=PATIENCE_S)


def test_who_missed_too_much_is_told_to_read(store: Store, api: str) -> None:
    series = add_series(store, "BTCUSDT", Interval.M1, KLINES[:5])
    with listening(api, "after=99999.0") as ahead:
        ahead.next()
        reset = ahead.next()
        assert reset["event"] == "reset"
        append_klines(store, series, KLINES[5:6])
        assert ahead.opens(1) == opens(KLINES[5:6])
    with listening(api, f"after={reset['id']}") as resumed:
        resumed.next()
        assert resumed.opens(1) == opens(KLINES[5:6])


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        ("symbol=NONE", 404, "symbol 'NONE' is not known here"),
        ("symbol=", 422, "symbol was ''"),
        ("interval=7m", 422, "interval was '7m'"),
        ("kinds=trades", 422, "kinds was 'trades'; expected klines, forecasts, or both"),
        ("after=yesterday", 422, "after was 'yesterday'; expected the id of an event"),
        ("after=5!7.0", 422, "after was '5!7'"),
        (f"after={'9' * 5000}.1", 422, "after"),
        ("from=3", 422, "parameter was 'from'"),
        ("interval=1m&interval=1h", 422, "interval was ['1m', '1h']; expected one value"),
        ("symbol=BTCUSDT'%20OR%20'1'='1", 404, "is not known here"),
    ],
)
def test_wrong_subscription_gets_one_error(
    tmp_path: Path, query: str, status: int, detail: str
) -> None:
    store = new_store(f"sqlite:///{tmp_path / 'store.db'}")
    with history_api(store, NOW_MS) as api:
        response = httpx.get(f"{api}/v1/stream?{query}")
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{api.replace('http', 'ws', 1)}/v1/stream?{query}")

    body = ErrorBody.model_validate_json(response.content)
    assert response.status_code == status
    assert detail in body.detail
    denied = refused.value.response
    assert denied.status_code == status
    assert detail in ErrorBody.model_validate_json(denied.body or b"").detail
