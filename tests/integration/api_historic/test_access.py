"""Who is let in by a token, and every way a token is wrong, over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from binance.client import Client as BinanceClient
from binance.exceptions import BinanceAPIException
from fastapi import FastAPI, Response
from starlette.routing import Route

from api_historic.app import create_app
from api_historic.service import Service
from market.access.check import install_access
from market.access.principal import Limits
from market.access.scopes import need_of
from market.access.settings import SessionSettings
from market.access.token_store import revoke_token, rotate_token
from market.access.tokens import draw_token
from market.interval import Interval
from market.store import Store, open_store
from market.store.access_tables import api_tokens
from support.access import ACTOR, REQUIRED, bearer, make_token, make_user
from support.history_api import add_series, frozen_clock, history_api, new_store
from support.klines import START_MS, make_klines
from support.ports import free_port

NOW_MS = START_MS + 10 * 3_600_000
KLINES = "/v1/klines?symbol=BTCUSDT&interval=1h"


@contextmanager
def filled(url: str) -> Iterator[Store]:
    store = new_store(url)
    add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with filled(request.getfixturevalue(f"{request.param}_url")) as store:
        yield store


@pytest.fixture
def light_store(sqlite_url: str) -> Iterator[Store]:
    """For what is refused before a database is asked: one engine is enough."""
    with filled(sqlite_url) as store:
        yield store


@contextmanager
def serving(store: Store, access: SessionSettings = REQUIRED) -> Iterator[httpx.Client]:
    with (
        history_api(store, NOW_MS, access=access) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def test_nobody_is_let_in_without_a_token(store: Store) -> None:
    with serving(store) as api:
        native = api.get(KLINES)
        binances = api.get("/api/v3/klines?symbol=BTCUSDT&interval=1h")
        free = [api.get(path).status_code for path in (
            "/healthz", "/readyz", "/metrics", "/openapi.json", "/api/v3/ping", "/api/v3/time",
        )]  # fmt: skip

    assert native.status_code == 401
    assert native.headers["WWW-Authenticate"].startswith("Bearer")
    assert set(native.json()) == {"error", "detail", "hint"}
    assert "X-Request-Id" in native.headers
    assert binances.status_code == 401
    assert binances.json()["code"] == -2015
    assert free == [200] * 6


def test_token_is_taken_in_each_header(store: Store) -> None:
    token = make_token(store)

    with serving(store) as api:
        for headers in (bearer(token), {"X-API-Key": token.text}):
            assert len(api.get(KLINES, headers=headers).json()["klines"]) == 5
        headers = {"X-MBX-APIKEY": token.text}
        binances = api.get("/api/v3/klines?symbol=BTCUSDT&interval=1h", headers=headers)
        elsewhere = api.get(KLINES, headers=headers)

    assert len(binances.json()) == 5
    assert elsewhere.status_code == 401


def test_without_required_access_nothing_changes_but_for_administrators(store: Store) -> None:
    with serving(store, SessionSettings.model_construct()) as api:
        public = api.get(KLINES)
        wrong = api.get(KLINES, headers={"X-API-Key": "whatever"})
        admin = api.get("/v1/admin/tokens")
        allowed = api.get("/v1/admin/tokens", headers=bearer(make_token(store, "admin")))
        reader = api.get("/v1/admin/tokens", headers=bearer(make_token(store, "read")))

    statuses = [answer.status_code for answer in (public, wrong, admin, allowed, reader)]
    assert statuses == [200, 200, 401, 200, 403]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "Bearer klc_" + "a" * 10, "Token abc",
        "Bearer " + "x" * 30_000, "Bearer klc_aaaaaaaaaa_' OR 1=1; DROP TABLE users; --",
        "Bearer {token}x", "Bearer {token} {token}", "Bearer {other}",
    ],
)  # fmt: skip
def test_malformed_tokens_are_refused(light_store: Store, header: str) -> None:
    token = make_token(light_store)
    value = header.replace("{token}", token.text)
    value = value.replace("{other}", draw_token(token.public_id).text)

    with serving(light_store) as api:
        answer = api.get(KLINES, headers={"Authorization": value})

    assert answer.status_code == 401
    assert answer.json()["error"] == "Unauthorized"
    assert token.secret not in answer.text


def test_huge_token_is_refused(light_store: Store) -> None:
    with serving(light_store) as api:
        answer = api.get(KLINES, headers={"Authorization": "Bearer " + "x" * 1_000_000})

    assert answer.status_code in (400, 401, 431)
    assert len(answer.content) < 1_000


def test_ended_tokens_are_refused(store: Store) -> None:
    expired, revoked, rotated = (make_token(store) for _ in range(3))
    with store.begin() as connection:
        row = api_tokens.update().where(api_tokens.c.public_id == expired.public_id)
        connection.execute(row.values(expires_ms=1))
    store.transact(lambda each: revoke_token(each, revoked.public_id, ACTOR))
    fresh = store.transact(lambda each: rotate_token(each, rotated.public_id, ACTOR))

    with serving(store) as api:
        answers = [api.get(KLINES, headers=bearer(one)) for one in (expired, revoked, rotated)]
        assert api.get(KLINES, headers=bearer(fresh)).status_code == 200

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert [answer.json()["detail"] for answer in answers] == [
        "the token has expired", "the token was revoked", "the token is not valid",
    ]  # fmt: skip


def test_revocation_holds_after_the_seconds_a_token_is_remembered(store: Store) -> None:
    remembering = REQUIRED.model_copy(update={"access_cache_s": 60.0})
    token, admin = make_token(store), make_token(store, "admin")

    with serving(store, remembering) as api, serving(store, remembering) as other:
        assert api.get(KLINES, headers=bearer(token)).status_code == 200
        assert other.get(KLINES, headers=bearer(token)).status_code == 200
        done = api.delete(f"/v1/admin/tokens/{token.public_id}", headers=bearer(admin))
        assert done.status_code == 204
        here = api.get(KLINES, headers=bearer(token))
        elsewhere = other.get(KLINES, headers=bearer(token))

    assert here.status_code == 401  # the process that revoked it forgets it at once
    assert elsewhere.status_code == 200


def test_token_of_the_wrong_scope_is_refused(store: Store) -> None:
    with serving(store) as api:
        answer = api.get(KLINES, headers=bearer(make_token(store, "train", "forecast", "admin")))
        binances = api.get(
            "/api/v3/exchangeInfo", headers={"X-MBX-APIKEY": make_token(store, "admin").text}
        )

    assert answer.status_code == 403
    assert "'read'" in answer.json()["detail"]
    assert (binances.status_code, binances.json()["code"]) == (403, -2015)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_what_is_not_known_to_be_harmless_needs_an_administrator(
    light_store: Store, method: str
) -> None:
    with serving(light_store) as api:
        reader = api.request(method, "/v1/klines", headers=bearer(make_token(light_store)))
        nobody = api.request(method, "/v1/unheard-of")

    assert (reader.status_code, nobody.status_code) == (403, 401)


@pytest.mark.parametrize(
    "path",
    ["/v1/klines?token={token}", "/api/v3/klines?apiKey={token}", "/v1/{token}", "/?t={token}"],
)
def test_token_in_an_address_is_refused(light_store: Store, path: str) -> None:
    token = make_token(light_store)

    with serving(light_store) as api:
        answer = api.get(path.replace("{token}", token.text), headers=bearer(token))

    assert answer.status_code in (400, 422)
    assert token.secret not in answer.text


def test_header_injection_changes_nothing(light_store: Store) -> None:
    with serving(light_store) as api:
        host, port = str(api.base_url.host), int(api.base_url.port or 80)
        with socket.create_connection((host, port), timeout=10) as raw:
            raw.sendall(
                b"GET /v1/klines HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\n"
                b"X-API-Key: b\rSet-Cookie: klinecast_session=planted\r\n"
                b"Connection: close\r\n\r\n"
            )
            answer = b"".join(iter(lambda: raw.recv(65_536), b""))

    assert answer.split(b"\r\n", 1)[0].split(b" ")[1] in (b"400", b"401")
    assert b"planted" not in answer


def test_what_one_was_let_in_for_is_not_for_shared_caches(store: Store) -> None:
    app = FastAPI()
    install_access(app, store, REQUIRED)

    @app.get("/v1/closed")
    def closed(response: Response) -> None:
        response.headers["Cache-Control"] = "public, max-age=60"
        response.headers["Vary"] = "Accept"

    headers = bearer(make_token(store))

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/v1/closed", headers=headers)

    answer = asyncio.run(ask())

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, max-age=60"
    assert {"Accept", "Authorization"} <= set(answer.headers["Vary"].split(", "))


def test_every_route_is_free_by_name_or_guarded(light_store: Store) -> None:
    service = Service(light_store, frozen_clock(NOW_MS), False)
    app = create_app(service, lambda: NOW_MS, web_dir=Path("no-page"), threads=1)
    free = {
        (method, path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if need_of(method.upper(), path) == "free"
    }
    hidden = {
        route.path
        for route in app.routes
        if isinstance(route, Route) and not route.path.startswith(("/v1", "/api"))
    }

    assert free == {
        ("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics"), ("get", "/api/v3/ping"),
        ("get", "/api/v3/time"), ("post", "/v1/session"),
    }  # fmt: skip
    assert hidden <= {"/healthz", "/readyz", "/metrics", "/openapi.json"}


def test_store_that_is_away_is_no_reason_to_let_anybody_in() -> None:
    missing = f"mysql://market:market@127.0.0.1:{free_port()}/market"

    with serving(open_store(missing)) as api:
        answer = api.get(KLINES, headers={"X-API-Key": draw_token().text})
        binances = api.get("/api/v3/klines", headers={"X-MBX-APIKEY": draw_token().text})

    assert (answer.status_code, binances.status_code) == (503, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert binances.json()["code"] == -1001


class HistoryClient(BinanceClient):  # type: ignore[misc]
    """python-binance, pointed at this API."""


def test_python_binance_sends_a_token_as_its_api_key(store: Store) -> None:
    token = make_token(store)

    with serving(store) as api:
        HistoryClient.API_URL = str(api.base_url).rstrip("/") + "/api"
        known = HistoryClient(token.text, "unused", ping=False)
        unknown = HistoryClient(draw_token().text, "unused", ping=False)
        rows = known.get_klines(symbol="BTCUSDT", interval="1h")
        with pytest.raises(BinanceAPIException) as refused:
            unknown.get_klines(symbol="BTCUSDT", interval="1h")
        known.close_connection()
        unknown.close_connection()

    assert len(rows) == 5
    assert (refused.value.status_code, refused.value.code) == (401, -2015)


def test_openapi_tells_what_each_operation_needs(light_store: Store) -> None:
    with serving(light_store) as api:
        document = api.get("/openapi.json").json()

    schemes = document["components"]["securitySchemes"]
    assert {"bearer", "apiKey", "binanceKey", "session"} <= set(schemes)
    klines = document["paths"]["/v1/klines"]["get"]
    assert {"bearer": ["read"]} in klines["security"]
    assert {} not in klines["security"]
    assert {"401", "403", "429"} <= set(klines["responses"])
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_users_limits_hold_for_their_tokens(store: Store) -> None:
    make_user(store, "anna", limits=Limits(monthly_quota=3))
    tokens = [make_token(store, user="anna"), make_token(store, user="anna")]

    with serving(store) as api:
        statuses = [
            api.get(KLINES, headers=bearer(tokens[number % 2])).status_code for number in range(5)
        ]

    assert statuses == [200, 200, 200, 429, 429]
