"""Push asks for a token like everything else, and lasts no longer than it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from market.access.token_store import revoke_token
from market.access.tokens import Token
from market.interval import Interval
from market.store import Store
from support.access import ACTOR, REQUIRED, bearer, make_token, make_user, sign_in
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.processes import wait_until

PATH = "/v1/stream?symbol=BTCUSDT&interval=1h"
PATIENCE_S = 60.0


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = new_store(sqlite_url)
    add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    yield store
    store.close()


@pytest.fixture
def api(store: Store) -> Iterator[str]:
    with history_api(store, START_MS, access=REQUIRED) as url:
        yield url


def socket_url(api: str) -> str:
    return api.replace("http", "ws", 1) + PATH


def _listeners(api: str) -> int:
    found = re.search(
        r"^history_stream_listeners\S* (\S+)$", httpx.get(f"{api}/metrics").text, re.M
    )
    assert found is not None
    return int(float(found[1]))


def revoke(store: Store, token: Token) -> None:
    store.transact(lambda each: revoke_token(each, token.public_id, ACTOR))


@pytest.mark.parametrize("scope", [None, "train"])
def test_socket_is_refused_before_it_opens(api: str, store: Store, scope: str | None) -> None:
    headers = {} if scope is None else bearer(make_token(store, "train"))

    with pytest.raises(InvalidStatus) as refused:
        connect(socket_url(api), additional_headers=headers)

    assert refused.value.response.status_code == (401 if scope is None else 403)
    assert b'"error"' in refused.value.response.body


def test_socket_ends_with_its_token(api: str, store: Store) -> None:
    token = make_token(store)

    with connect(socket_url(api), additional_headers=bearer(token)) as socket:
        socket.ping().wait(PATIENCE_S)
        revoke(store, token)
        with pytest.raises(ConnectionClosed) as closed:
            list(socket)

    wait_until(lambda: _listeners(api) == 0, "the application to let go")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "the token was revoked")


def test_socket_of_another_sites_page_is_refused(api: str, store: Store) -> None:
    make_user(store, "anna")
    with httpx.Client(base_url=api) as page:
        sign_in(page, "anna")
        cookie = f"klinecast_session={page.cookies['klinecast_session']}"

    with pytest.raises(InvalidStatus) as refused:
        connect(
            socket_url(api), additional_headers={"Cookie": cookie}, origin="http://evil.example"
        )
    with connect(socket_url(api), additional_headers={"Cookie": cookie}, origin=api) as socket:
        socket.ping().wait(PATIENCE_S)

    assert refused.value.response.status_code == 403


def test_event_stream_ends_with_its_token(api: str, store: Store) -> None:
    token = make_token(store)

    with (
        httpx.Client(base_url=api, timeout=PATIENCE_S) as client,
        client.stream("GET", PATH, headers=bearer(token)) as answer,
    ):
        assert answer.status_code == 200
        revoke(store, token)
        for _ in answer.iter_lines():
            pass  # until it ends

    wait_until(lambda: _listeners(api) == 0, "the application to let go")
    assert httpx.get(f"{api}{PATH}", headers=bearer(token)).status_code == 401


def test_event_stream_needs_a_token(api: str) -> None:
    assert httpx.get(f"{api}{PATH}").status_code == 401
