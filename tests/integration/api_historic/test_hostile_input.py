"""Every parameter of every call, wrong in every way: one clear error, and nothing else happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from market.access.audit import Actor
from market.access.scopes import SCOPES
from market.access.token_store import TokenWish, create_token
from market.store import Store
from market.store.symbols import read_extents
from support.databases import fresh_database
from support.history_api import history_api
from support.seed import NOW_MS, seed_market

#: As they go over the wire.
HOSTILE = {
    "empty": "",
    "blank": "%20",
    "word": "abc",
    "negative": "-1",
    "fraction": "1.5",
    "infinite": "1e999",
    "not a number": "NaN",
    "other digits": quote("١٢٣"),
    "huge": "9" * 5_000,
    "long": "A" * 20_000,
    "null byte": "BTC%00USDT",
    "not UTF-8": "%ED%A0%80%FF",
    "beyond the first plane": quote("𝔅𝔗ℭ" * 10),
    "quoted": quote("' OR '1'='1"),
    "stacked": quote("1; DROP TABLE klines; --"),
    "union": quote("x') UNION SELECT password_hash FROM users -- "),
    "wildcard": "%25",
    "header": quote("1\r\nX-Injected: yes\r\n\r\n<html>"),
    "path": quote("../../../etc/passwd"),
    "nested": quote("[" * 2_000),
    "list": quote('["BTCUSDT",{"$ne":1}]'),
}
#: What makes a call whole that lacks but the parameter that is tried.
WHOLE = {"symbol": "BTCUSDT", "interval": "1h"}


#: Calls that need no parameters and look at none.
ACCOUNTS = ("/v1/session", "/v1/tokens", "/v1/admin")


class Call(NamedTuple):
    """A GET of the API and the names of its query parameters, those it needs first."""

    path: str
    needed: list[str]
    names: list[str]


class Installation(NamedTuple):
    """An API, the store behind it, and a client that may do everything."""

    client: httpx.Client
    store: Store


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def installation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A seeded installation on two engines."""
    if request.param == "sqlite":
        yield from serve(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield from serve(url)


def serve(url: str) -> Iterator[Installation]:
    store = seed_market(url)
    with store.begin() as connection:
        wish = TokenWish("hostile", frozenset(SCOPES))
        token = create_token(connection, wish, Actor("test", "test")).text
    headers = {"Authorization": f"Bearer {token}"}
    with (
        history_api(store, NOW_MS) as api,
        httpx.Client(base_url=api, headers=headers, timeout=60) as client,
    ):
        yield Installation(client, store)


def read_calls(client: httpx.Client) -> list[Call]:
    """Return every GET that the API's document describes, none of which is endless."""
    calls = []
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        operation = operations.get("get")
        if operation is None or path == "/v1/stream":
            continue
        parameters = [p for p in operation.get("parameters", ()) if p["in"] == "query"]
        needed = [p["name"] for p in parameters if p["required"]]
        needed += [name for name in WHOLE if path.startswith("/v1/") and name not in needed]
        names = [p["name"] for p in parameters]
        calls.append(Call(path, [name for name in needed if name in names], names))
    return calls


def ask(client: httpx.Client, path: str, pairs: dict[str, str]) -> httpx.Response:
    query = "&".join(f"{name}={value}" for name, value in pairs.items())
    return client.get(f"{path}?{query}")


def assert_one_error(response: httpx.Response, where: str) -> None:
    assert response.status_code < 500, f"{where}: {response.text[:500]}"
    assert "x-injected" not in response.headers, where
    if response.status_code == 200:
        return
    body: dict[str, Any] = response.json()
    assert set(body) in ({"error", "detail", "hint"}, {"code", "msg"}), f"{where}: {body}"
    said = str(body.get("detail", body.get("msg")))
    assert 0 < len(said) < 2_000, f"{where}: {len(said)} characters"
    assert "Traceback" not in said, where
    assert "SELECT " not in said.replace("UNION SELECT", ""), where


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_value_gets_one_error(installation: Installation, kind: str) -> None:
    before = extents(installation.store)

    for call in read_calls(installation.client):
        for name in call.names:
            pairs = {needed: WHOLE[needed] for needed in call.needed}
            response = ask(installation.client, call.path, {**pairs, name: HOSTILE[kind]})
            assert_one_error(response, f"{call.path} {name}={HOSTILE[kind][:80]}")

    assert extents(installation.store) == before


def test_what_is_missing_is_named(installation: Installation) -> None:
    for call in read_calls(installation.client):
        for missing in call.needed:
            pairs = {name: WHOLE[name] for name in call.needed if name != missing}
            response = ask(installation.client, call.path, pairs)
            if response.status_code != 200:  # a filter may be left out
                assert response.status_code in (400, 422), f"{call.path}: {response.text}"
                assert missing in response.text


def test_parameters_nobody_knows_are_refused(installation: Installation) -> None:
    for call in read_calls(installation.client):
        if call.path.startswith(("/v1/", "/api/")) and not call.path.startswith(ACCOUNTS):
            pairs = {name: WHOLE[name] for name in call.needed}
            response = ask(installation.client, call.path, {**pairs, "no_such": "1"})
            assert response.status_code in (400, 422), f"{call.path}: {response.text[:200]}"


@pytest.mark.parametrize("value", ["\x7f", "a" * 60_000, "'; DROP TABLE klines; --", "%s%n"])
@pytest.mark.parametrize(
    "name",
    ["Accept", "Accept-Encoding", "If-None-Match", "X-MBX-TIME-UNIT", "Authorization", "Cookie"],
)
def test_hostile_header_is_no_servers_error(
    installation: Installation, name: str, value: str
) -> None:
    for path in ("/v1/klines", "/api/v3/klines", "/v1/symbols"):
        pairs = WHOLE if path.endswith("klines") else {}
        response = installation.client.get(path, params=pairs, headers={name: value})

        assert response.status_code < 500, f"{path} {name}: {response.text[:200]}"


def extents(store: Store) -> list[Any]:
    with store.read() as connection:
        return list(read_extents(connection))
