"""Somebody to let in: tokens, users and sessions for tests of the APIs."""

from __future__ import annotations

from typing import Any

import httpx
from sqlalchemy import Connection

from market.access.audit import Actor
from market.access.passwords import hash_password
from market.access.principal import Limits
from market.access.scopes import Role, Scope
from market.access.settings import SessionSettings
from market.access.token_store import TokenWish, create_token
from market.access.tokens import Token
from market.access.users import create_user, read_user
from market.store import Store

PASSWORD = "correct horse battery"
REQUIRED = SessionSettings.model_validate({"auth": "required", "access_cache_s": 0})
ACTOR = Actor("test", "here")
_HASH = hash_password(PASSWORD)


def make_token(
    store: Store,
    *scopes: Scope,
    quota: int | None = None,
    rate: int | None = None,
    user: str | None = None,
) -> Token:
    """Store a token of these scopes (default: read) and return it."""
    wish = TokenWish("test", frozenset(scopes or ("read",)), Limits(quota, rate))

    def work(connection: Connection) -> Token:
        owner = None if user is None else read_user(connection, user).id
        return create_token(connection, wish, ACTOR, user_id=owner)

    return store.transact(work)


def make_user(store: Store, name: str, role: Role = "viewer", limits: Limits | None = None) -> None:
    """Store a user whose password is `PASSWORD`."""
    store.transact(lambda each: create_user(each, name, role, _HASH, limits or Limits(), ACTOR))


def bearer(token: Token) -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token.text}"}


def sign_in(client: httpx.Client, user: str, password: str = PASSWORD) -> dict[str, Any]:
    """Sign a client in: its cookie stays with it, and so does its CSRF header."""
    answer = client.post("/v1/session", json={"user": user, "password": password})
    assert answer.status_code == 200, answer.text
    identity: dict[str, Any] = answer.json()
    client.headers["X-CSRF-Token"] = identity["csrf_token"]
    return identity
