"""Administration over HTTP: what it does, what it writes down, and that it tells no secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from market.store import Store
from support.access import PASSWORD, REQUIRED, bearer, make_token, make_user, sign_in
from support.history_api import history_api, new_store
from support.klines import START_MS
from support.stores import rows

SECRETS = (PASSWORD, f"{PASSWORD} the second")


@pytest.fixture(params=["sqlite", "mysql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = new_store(request.getfixturevalue(f"{request.param}_url"))
    yield store
    store.close()


@contextmanager
def administered(store: Store) -> Iterator[httpx.Client]:
    headers = bearer(make_token(store, "admin"))
    with (
        history_api(store, START_MS, access=REQUIRED) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield client


@pytest.fixture
def api(store: Store) -> Iterator[httpx.Client]:
    """A client that shows a token of scope admin."""
    with administered(store) as client:
        yield client


@pytest.fixture
def light_api(sqlite_url: str) -> Iterator[httpx.Client]:
    """The same, for what is refused before a database is asked: one engine is enough."""
    store = new_store(sqlite_url)
    with administered(store) as client:
        yield client
    store.close()


def test_every_action_is_written_down_without_a_secret(
    api: httpx.Client, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    made = api.post("/v1/admin/tokens", json={"label": "x", "scopes": ["read"], "days": 30}).json()
    turned = api.post(f"/v1/admin/tokens/{made['id']}/rotate", json={"grace_s": 60}).json()
    assert api.delete(f"/v1/admin/tokens/{made['id']}").status_code == 204
    body = {"user": "anna", "role": "admin", "password": SECRETS[0], "rate_per_s": 50}
    assert api.post("/v1/admin/users", json=body).status_code == 201
    change = {"role": "viewer", "password": SECRETS[1], "monthly_quota": 1_000}
    changed = api.patch("/v1/admin/users/anna", json=change)
    with httpx.Client(base_url=api.base_url, timeout=60) as page:
        sign_in(page, "anna", SECRETS[1])
        cookie = page.cookies["klinecast_session"]
        assert page.delete("/v1/session").status_code == 204
    assert api.delete("/v1/admin/users/anna").status_code == 204

    entries = api.get("/v1/admin/audit").json()["entries"]
    answers = api.get("/v1/admin/tokens").text + api.get("/v1/admin/users").text + str(entries)

    assert changed.json()["rate_per_s"] == 50  # what is not named stays
    assert [entry["action"] for entry in reversed(entries)] == [
        "token.create", "token.create", "token.rotate", "token.revoke", "user.create",
        "user.role", "user.limits", "user.password", "session.start", "session.end",
        "user.remove",
    ]  # fmt: skip
    assert {entry["address"] for entry in entries[:-1]} == {"127.0.0.1"}
    assert all(entry["actor"].startswith(("token ", "user anna", "test")) for entry in entries)
    secrets = [*SECRETS, cookie, *(one["token"].rpartition("_")[2] for one in (made, turned))]
    stored = str([rows(store, f"SELECT * FROM {table}") for table in (
        "users", "api_tokens", "sessions", "audit", "sign_in_failures", "api_usage",
    )])  # fmt: skip
    logged = "".join(capfd.readouterr())
    for secret in secrets:
        assert secret not in answers
        assert secret not in stored
        assert secret not in logged


def test_audit_log_is_paged_and_asked_by_subject(api: httpx.Client) -> None:
    ids = [
        api.post("/v1/admin/tokens", json={"label": f"n{number}"}).json()["id"]
        for number in range(4)
    ]

    first = api.get("/v1/admin/audit", params={"limit": 3}).json()
    rest = api.get("/v1/admin/audit", params={"limit": 3, "before": first["next"]}).json()
    one = api.get("/v1/admin/audit", params={"subject": f"token {ids[1]}"}).json()

    found = [entry["subject"] for entry in first["entries"] + rest["entries"]]
    assert found[:4] == [f"token {one}" for one in reversed(ids)]
    assert rest["next"] is None
    assert [entry["action"] for entry in one["entries"]] == ["token.create"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/admin/tokens", {}),
        ("/v1/admin/tokens", {"label": ""}),
        ("/v1/admin/tokens", {"label": "x", "scopes": []}),
        ("/v1/admin/tokens", {"label": "x", "scopes": ["root"]}),
        ("/v1/admin/tokens", {"label": "x", "days": 0}),
        ("/v1/admin/tokens", {"label": "x", "rate_per_s": -1}),
        ("/v1/admin/tokens", {"label": "x", "monthly_quota": 10**30}),
        ("/v1/admin/tokens", {"label": "x", "unheard": 1}),
        ("/v1/admin/users", {"user": "anna", "password": "hunter2"}),
        ("/v1/admin/users", {"user": "an na", "password": PASSWORD}),
        ("/v1/admin/users", {"user": "anna", "password": PASSWORD, "role": "emperor"}),
        ("/v1/admin/users", {"user": "annaannaanna", "password": "annaannaanna"}),
    ],
)
def test_wrong_body_changes_nothing(
    light_api: httpx.Client, path: str, body: dict[str, object]
) -> None:
    before = light_api.get("/v1/admin/audit").json()

    answer = light_api.post(path, json=body)

    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "detail", "hint"}
    assert "hunter2" not in answer.text
    assert PASSWORD not in answer.text
    assert light_api.get("/v1/admin/audit").json() == before


def test_what_does_not_exist_is_not_found(api: httpx.Client) -> None:
    answers = [
        api.delete("/v1/admin/tokens/nosuch"),
        api.post("/v1/admin/tokens/nosuch/rotate", json={}),
        api.patch("/v1/admin/users/nobody", json={"role": "admin"}),
        api.delete("/v1/admin/users/nobody"),
        api.post("/v1/admin/tokens", json={"label": "x", "user": "nobody"}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5


def test_user_of_a_taken_name_is_a_conflict(api: httpx.Client, store: Store) -> None:
    make_user(store, "anna")

    answer = api.post("/v1/admin/users", json={"user": "Anna", "password": PASSWORD})

    assert answer.status_code == 409


def test_signed_in_administrator_needs_the_csrf_token(api: httpx.Client, store: Store) -> None:
    make_user(store, "root", "admin")
    with httpx.Client(base_url=api.base_url, timeout=60) as page:
        sign_in(page, "root")
        allowed = page.post("/v1/admin/tokens", json={"label": "x"})
        del page.headers["X-CSRF-Token"]
        refused = page.post("/v1/admin/tokens", json={"label": "x"})
        reads = page.get("/v1/admin/tokens")

    assert [one.status_code for one in (allowed, refused, reads)] == [201, 403, 200]


def test_demoted_administrator_is_one_no_more(api: httpx.Client, store: Store) -> None:
    make_user(store, "root", "admin")
    with httpx.Client(base_url=api.base_url, timeout=60) as page:
        sign_in(page, "root")
        api.patch("/v1/admin/users/root", json={"role": "viewer"})

        assert page.get("/v1/admin/users").status_code == 403
