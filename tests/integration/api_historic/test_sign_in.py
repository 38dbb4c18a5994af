"""Users and their sessions: cookies, CSRF, lock-outs, and that nothing is revealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from market.access.lockout import FREE_OF_ADDRESS, FREE_OF_NAME
from market.access.principal import Limits
from market.interval import Interval
from market.store import Store
from market.store.access_tables import sessions, sign_in_failures
from support.access import PASSWORD, REQUIRED, bearer, make_token, make_user, sign_in
from support.history_api import add_series, history_api, new_store
from support.history_process import serving
from support.klines import START_MS, make_klines
from support.stores import count

KLINES = "/v1/klines?symbol=BTCUSDT&interval=1h"


@contextmanager
def filled(url: str) -> Iterator[Store]:
    store = new_store(url)
    add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    make_user(store, "anna", "analyst")
    yield store
    store.close()


@contextmanager
def asked(store: Store) -> Iterator[httpx.Client]:
    with (
        history_api(store, START_MS, access=REQUIRED) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with filled(request.getfixturevalue(f"{request.param}_url")) as store:
        yield store


@pytest.fixture
def api(store: Store) -> Iterator[httpx.Client]:
    with asked(store) as client:
        yield client


@pytest.fixture
def light_api(sqlite_url: str) -> Iterator[httpx.Client]:
    """For what is refused before a database is asked: one engine is enough."""
    with filled(sqlite_url) as store, asked(store) as client:
        yield client


def try_password(api: httpx.Client, user: str, password: str) -> httpx.Response:
    return api.post("/v1/session", json={"user": user, "password": password})


def forgive(store: Store) -> None:
    with store.begin() as connection:
        connection.execute(sign_in_failures.delete())


def test_signed_in_user_reads_as_their_role_allows(api: httpx.Client) -> None:
    identity = sign_in(api, "Anna ")

    assert (identity["user"], identity["scopes"]) == ("anna", ["read", "forecast"])
    assert api.get(KLINES).status_code == 200
    assert api.get("/v1/admin/users").status_code == 403
    again = api.get("/v1/session").json()
    assert again["csrf_token"] == identity["csrf_token"]


def test_signing_out_ends_the_session(api: httpx.Client, store: Store) -> None:
    sign_in(api, "anna")
    cookie = dict(api.cookies)

    assert api.delete("/v1/session").status_code == 204

    assert not api.cookies
    with httpx.Client(base_url=api.base_url, timeout=60, cookies=cookie) as thief:
        assert thief.get(KLINES).status_code == 401
    assert count(store, "sessions") == 0


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(api: httpx.Client) -> None:
    answer = try_password(api, "anna", PASSWORD)

    name, *flags = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert name.startswith("klinecast_session=")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(flags)
    assert not any(flag.startswith("Domain") for flag in flags)
    assert answer.headers["Cache-Control"] == "no-store"


def test_cookie_is_secure_but_on_the_machine_itself(api: httpx.Client) -> None:
    body = {"user": "anna", "password": PASSWORD}

    elsewhere = api.post("/v1/session", json=body, headers={"Host": "klinecast.example"})
    behind_tls = api.post("/v1/session", json=body, headers={"X-Forwarded-Proto": "https"})

    assert "; Secure" in elsewhere.headers["Set-Cookie"]
    assert "; Secure" in behind_tls.headers["Set-Cookie"]
    assert behind_tls.headers["Set-Cookie"].startswith("__Host-klinecast_session=")


def test_planted_session_is_not_taken_over(api: httpx.Client, store: Store) -> None:
    api.cookies.set("klinecast_session", "planted", domain="127.0.0.1")
    first = api.cookies.get("klinecast_session", domain="127.0.0.1")
    assert api.get(KLINES).status_code == 401
    api.cookies.clear()

    sign_in(api, "anna")
    second = api.cookies["klinecast_session"]
    sign_in(api, "anna")

    assert len({first, second, api.cookies["klinecast_session"]}) == 3
    assert count(store, "sessions") == 1  # the one before has ended
    with httpx.Client(
        base_url=api.base_url, timeout=60, cookies={"klinecast_session": second}
    ) as thief:
        assert thief.get(KLINES).status_code == 401


@pytest.mark.parametrize("token", [None, "", "wrong", "0" * 64])
def test_unsafe_method_needs_the_csrf_token(light_api: httpx.Client, token: str | None) -> None:
    sign_in(light_api, "anna")
    right = light_api.headers.pop("X-CSRF-Token")
    headers = {} if token is None else {"X-CSRF-Token": token}

    refused = [
        light_api.post("/v1/tokens", json={"label": "mine"}, headers=headers),
        light_api.delete("/v1/session", headers=headers),
    ]

    assert [answer.status_code for answer in refused] == [403, 403]
    allowed = light_api.post("/v1/tokens", json={"label": "mine"}, headers={"X-CSRF-Token": right})
    assert allowed.status_code == 201


def test_another_sites_page_can_do_nothing(api: httpx.Client) -> None:
    sign_in(api, "anna")
    evil = {"Origin": "http://evil.example"}

    made = api.post("/v1/tokens", json={"label": "mine"}, headers=evil)
    signed_in = api.post("/v1/session", json={"user": "anna", "password": PASSWORD}, headers=evil)

    assert (made.status_code, signed_in.status_code) == (403, 403)


def test_token_needs_no_csrf_token(api: httpx.Client, store: Store) -> None:
    answer = api.post(
        "/v1/admin/tokens", json={"label": "x"}, headers=bearer(make_token(store, "admin"))
    )

    assert answer.status_code == 201


def test_unknown_user_and_wrong_password_are_answered_the_same(
    api: httpx.Client, store: Store
) -> None:
    wrong, unknown = try_password(api, "anna", "not it at all"), try_password(api, "bob", PASSWORD)

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert set(wrong.headers) == set(unknown.headers)
    forgive(store)
    for user in ("anna", "bob"):
        statuses = [try_password(api, user, "wrong").status_code for _ in range(FREE_OF_NAME + 2)]
        assert statuses[:-1] == [401] * (FREE_OF_NAME + 1)
        assert statuses[-1] in (401, 429)  # the first wait is but a second


def test_locked_out_user_is_refused_with_the_right_password_too(
    api: httpx.Client, store: Store
) -> None:
    for _ in range(FREE_OF_NAME + 1):
        try_password(api, "anna", "wrong")
    with store.begin() as connection:
        connection.execute(
            sign_in_failures.update()
            .values(blocked_until_ms=sign_in_failures.c.blocked_until_ms + 60_000)
            .where(sign_in_failures.c.blocked_until_ms > 0)
        )

    locked = try_password(api, "anna", PASSWORD)

    assert locked.status_code == 429
    assert int(locked.headers["Retry-After"]) > 30
    forgive(store)
    assert try_password(api, "anna", PASSWORD).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b'{"user":"anna"}', b'{"user":"anna","password":["hunter2222"]}',
        b'{"user":"anna","password":{"$ne":""}}', b'{"user":["anna"],"password":"hunter2222"}',
        b'{"user":"anna","password":"hunter2222","role":"admin"}', b'"hunter2222"',
        b'{"user":"\x00","password":"hunter2222"}',
    ],
)  # fmt: skip
def test_malformed_body_is_refused_and_not_repeated(light_api: httpx.Client, body: bytes) -> None:
    answer = light_api.post(
        "/v1/session", content=body, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 422
    assert "hunter2222" not in answer.text


def test_huge_body_is_refused(light_api: httpx.Client) -> None:
    answer = try_password(light_api, "anna", "x" * 5_000_000)

    assert answer.status_code == 413


@pytest.mark.parametrize(
    "user", ["' OR '1'='1", "anna'--", "anna\r\nSet-Cookie: a=b", "x" * 10_000]
)
def test_injections_sign_nobody_in(light_api: httpx.Client, user: str) -> None:
    answer = try_password(light_api, user, PASSWORD)

    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers


def test_users_make_tokens_within_their_role_and_see_only_their_own(
    api: httpx.Client, store: Store
) -> None:
    other = make_token(store)
    sign_in(api, "anna")

    made = api.post("/v1/tokens", json={"label": "mine", "scopes": ["read", "forecast"]})
    beyond = api.post("/v1/tokens", json={"label": "mine", "scopes": ["train"]})
    listed = api.get("/v1/tokens").json()["tokens"]
    token = made.json()

    assert (made.status_code, beyond.status_code) == (201, 422)
    assert [one["id"] for one in listed] == [token["id"]]
    assert token["token"] not in json.dumps(listed)
    assert api.delete(f"/v1/tokens/{other.public_id}").status_code == 404
    assert api.post(f"/v1/tokens/{other.public_id}/rotate", json={}).status_code == 404
    rotated = api.post(f"/v1/tokens/{token['id']}/rotate", json={}).json()
    assert api.delete(f"/v1/tokens/{token['id']}").status_code == 204
    with httpx.Client(base_url=api.base_url, timeout=60) as client:
        headers = {"X-API-Key": rotated["token"]}
        assert client.get(KLINES, headers=headers).status_code == 401


def test_token_makes_no_tokens_for_its_user(api: httpx.Client, store: Store) -> None:
    token = make_token(store, "read", user="anna")

    answer = api.post("/v1/tokens", json={"label": "x"}, headers=bearer(token))

    assert answer.status_code == 403


def test_who_am_i_tells_what_is_used(api: httpx.Client, store: Store) -> None:
    make_user(store, "bob", limits=Limits(monthly_quota=10, rate_per_s=100))
    sign_in(api, "bob")

    for _ in range(3):
        assert api.get(KLINES).status_code == 200
    usage = api.get("/v1/session").json()["usage"]

    assert len(usage) == 1
    assert usage[0]["monthly_quota"] == 10
    assert 3 <= usage[0]["month_used"] <= 8  # some are taken ahead, and given back
    assert 0 < usage[0]["month_ends_in_s"] <= 31 * 86_400


def test_idle_session_ends(api: httpx.Client, store: Store) -> None:
    sign_in(api, "anna")
    with store.begin() as connection:
        connection.execute(sessions.update().values(seen_ms=sessions.c.seen_ms - 1_800_001))

    assert api.get(KLINES).status_code == 401


def test_a_thousand_wrong_passwords(tmp_path: Path, sqlite_url: str) -> None:
    store = new_store(sqlite_url)
    make_user(store, "anna")
    log = tmp_path / "log"
    environment = {"KLINECAST_STORE_URL": sqlite_url, "KLINECAST_AUTH": "required"}

    with (
        serving(log, **environment) as (url, process),
        httpx.Client(base_url=url, timeout=60) as client,
    ):

        def guess(number: int) -> int:
            user = "anna" if number % 2 else f"nobody{number}"
            return try_password(client, user, f"hunter{number:04}secret").status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(guess, range(1_000)))
        status = Path(f"/proc/{process.pid}/status").read_text()
        alive = client.get("/healthz").status_code

    peak_kb = int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= FREE_OF_ADDRESS + 12  # the rest cost no look at a password
    assert alive == 200
    assert peak_kb < 600_000
    said = log.read_text()
    assert "hunter" not in said
    assert "nobody" not in said
    assert count(store, "sign_in_failures") <= FREE_OF_ADDRESS + 14
    assert count(store, "audit") == 1  # that anna was made
    store.close()
