"""The pure parts of access: tokens, scopes, credentials, what is left."""

from __future__ import annotations

import math

import pytest

from market.access.credentials import Credential, check_address, check_origin, read_credential
from market.access.passwords import (
    check_password,
    hash_password,
    is_outdated,
    is_password,
)
from market.access.principal import Limits
from market.access.scopes import SCOPES, need_of, parse_role, parse_scopes, scopes_of
from market.access.sessions import SessionSecret
from market.access.standing import standing_of
from market.access.tokens import Token, draw_token, is_same, parse_token
from market.access.usage import Usage, month_left_s
from market.errors import Forbidden, InvalidParameter, Unauthorized
from market.log import mask_text


def test_token_reads_back() -> None:
    token = draw_token()

    assert parse_token(token.text) == token
    assert token.secret not in repr(token)
    assert 62 ** len(token.secret) >= 2**256


def test_rotated_token_keeps_its_id() -> None:
    token = draw_token()

    assert draw_token(token.public_id).public_id == token.public_id
    assert draw_token(token.public_id).secret != token.secret


@pytest.mark.parametrize(
    "text",
    [
        "", "klc", "klc_", "x" * 58,
        f"klc_{'a' * 10}_{'b' * 42}",
        f"KLC_{'a' * 10}_{'b' * 43}",
        f"klc_{'A' * 10}_{'b' * 43}",
        f"klc_{'a' * 10}_{'é' * 43}",
        f"klc_{'a' * 10}_{'b' * 42}\n",
        f"klc_{'a' * 10}_{chr(39) * 43}",
    ],
)  # fmt: skip
def test_what_is_no_token_is_none(text: str) -> None:
    assert parse_token(text) is None


def test_digest_compares_with_none() -> None:
    assert is_same("ab", "ab")
    assert not is_same("ab", None)
    assert not is_same("ab", "abc")


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/healthz", "free"),
        ("GET", "/readyz", "free"),
        ("GET", "/metrics", "free"),
        ("GET", "/openapi.json", "free"),
        ("GET", "/", "free"),
        ("GET", "/js/page.js", "free"),
        ("GET", "/v1x", "free"),
        ("GET", "/api/v3/time", "free"),
        ("POST", "/v1/session", "free"),
        ("GET", "/v1/session", "identity"),
        ("DELETE", "/v1/session", "identity"),
        ("POST", "/v1/tokens", "identity"),
        ("GET", "/v1/klines", "read"),
        ("HEAD", "/v1/klines", "read"),
        ("GET", "/v1", "read"),
        ("GET", "/api/v3/klines", "read"),
        ("GET", "/v1/stream", "read"),
        ("GET", "/v1/forecasts", "read"),
        ("POST", "/v1/forecasts", "forecast"),
        ("GET", "/v1/trainings/1", "read"),
        ("POST", "/v1/trainings", "train"),
        ("DELETE", "/v1/jobs/7", "train"),
        ("POST", "/v1/tunings", "train"),
        ("GET", "/v1/admin/users", "admin"),
        ("GET", "/v1/admin", "admin"),
        ("POST", "/v1/something-new", "admin"),
        ("POST", "/api/v3/order", "admin"),
        ("BREW", "/v1/klines", "admin"),
    ],
)
def test_request_needs(method: str, path: str, need: str) -> None:
    assert need_of(method, path) == need


def test_roles_grow() -> None:
    assert [len(scopes_of(parse_role(role))) for role in ("viewer", "analyst", "operator")] == [
        1, 2, 3,
    ]  # fmt: skip
    assert scopes_of("admin") == set(SCOPES)


@pytest.mark.parametrize("texts", [[], ["reed"], ["read", ""], ["READ"]])
def test_wrong_scopes_are_refused(texts: list[str]) -> None:
    with pytest.raises(InvalidParameter, match="scopes was"):
        parse_scopes(texts)


TOKEN = draw_token().text


@pytest.mark.parametrize(
    ("headers", "binances", "found"),
    [
        ({}, False, None),
        ({"authorization": f"Bearer {TOKEN}"}, False, Credential("token", TOKEN)),
        ({"authorization": f"bearer  {TOKEN} "}, False, Credential("token", TOKEN)),
        ({"x-api-key": TOKEN}, False, Credential("token", TOKEN)),
        ({"x-mbx-apikey": TOKEN}, True, Credential("token", TOKEN)),
        ({"x-mbx-apikey": TOKEN}, False, None),
        ({"cookie": "a=b; klinecast_session=abc"}, False, Credential("session", "abc")),
        ({"cookie": "klinecast_session=" + "x" * 65}, False, None),
        ({"cookie": "__Host-klinecast_session=abc"}, False, None),
    ],
)
def test_credential_is_found(
    headers: dict[str, str], binances: bool, found: Credential | None
) -> None:
    assert read_credential(headers, is_binances=binances, is_secure=False) == found


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer ", f"Bearer {TOKEN}x", "Bearer " + "x" * 1_000_000, TOKEN,
     f"Bearer {TOKEN} {TOKEN}", "Bearer ' OR 1=1 --"],
)  # fmt: skip
def test_malformed_authorization_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized):
        read_credential({"authorization": header}, is_binances=False, is_secure=False)


def test_over_tls_only_the_hosts_own_cookie_counts() -> None:
    headers = {"cookie": "klinecast_session=planted; __Host-klinecast_session=mine"}

    found = read_credential(headers, is_binances=False, is_secure=True)

    assert found == Credential("session", "mine")


def test_token_in_an_address_is_refused_and_not_repeated() -> None:
    secret = TOKEN.rpartition("_")[2]

    for path, query in [(b"/v1/klines", f"token={TOKEN}"), (f"/v1/{TOKEN}".encode(), "")]:
        with pytest.raises(InvalidParameter) as refused:
            check_address(path, query.encode())
        assert secret not in refused.value.detail + refused.value.hint


def test_page_of_another_site_is_refused() -> None:
    check_origin({"host": "127.0.0.1:8000"})
    check_origin({"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000"})
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8001", ""):
        with pytest.raises(Forbidden):
            check_origin({"host": "127.0.0.1:8000", "origin": origin})


def test_secrets_show_nothing_of_themselves() -> None:
    secret = SessionSecret("abcdef")

    assert "abcdef" not in repr(secret)
    assert secret.csrf_token != secret.digest
    assert "abcdef" not in repr(Credential("session", "abcdef"))


def test_log_blanks_a_token_wherever_it_stands() -> None:
    token = Token("abcdefghij", "Z" * 43)

    assert mask_text(f"got {token.text}, sorry") == "got klc_abcdefghij_***, sorry"


def test_nearest_limit_is_told() -> None:
    usage = Usage(used=90, owed_us=500_000, month_left_s=60)

    of_month = standing_of(Limits(100, 10), usage)
    of_second = standing_of(Limits(1_000, 10), usage)

    assert of_month is not None
    assert (of_month.window, of_month.remaining, of_month.reset_s) == ("month", 10, 60)
    assert of_second is not None
    assert (of_second.window, of_second.remaining, of_second.reset_s) == ("second", 5, 1)
    assert standing_of(Limits(), usage) is None


def test_wait_is_until_one_request_is_free() -> None:
    full = Usage(used=0, owed_us=1_000_000, month_left_s=60)

    assert math.isclose(full.wait_s(Limits(None, 4)), 0.25)
    assert full.wait_s(Limits(None, None)) == 0
    assert Usage(5, 0, 60).wait_s(Limits(5, 4)) == 60


@pytest.mark.parametrize(
    ("now_s", "left_s"),
    [(1_767_225_599, 1), (1_767_225_600, 31 * 86_400), (1_709_208_000, 43_200)],
)
def test_month_ends_in_utc(now_s: int, left_s: int) -> None:
    assert month_left_s(now_s) == left_s


def test_password_is_told_from_others_and_from_none() -> None:
    stored = hash_password("correct horse battery")

    assert stored.startswith("$argon2id$")
    assert is_password("correct horse battery", stored)
    assert not is_password("correct horse batterY", stored)
    assert not is_password("", None)
    assert not is_password("x", "not a hash")
    assert not is_outdated(stored)


@pytest.mark.parametrize("password", ["", "x" * 11, "x" * 257, "annaannaanna"])
def test_password_of_the_wrong_kind_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        check_password(password, "annaannaanna")

    assert not password or password not in refused.value.detail
