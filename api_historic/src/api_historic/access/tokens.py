"""`/v1/tokens`: the tokens of who has signed in, and `/v1/admin/tokens`: all of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from api_historic.access.requests import (
    AccessRoute,
    access_of,
    actor_of,
    principal_of,
    user_of,
)
from api_historic.access.shapes import (
    AdminTokenBody,
    NewTokenShape,
    Rotation,
    TokenBody,
    TokenPage,
    TokenShape,
)
from market.access.scopes import parse_scopes
from market.access.token_store import (
    TokenWish,
    create_token,
    read_token,
    read_tokens,
    revoke_token,
    rotate_token,
    scopes_given,
)
from market.access.usage import read_usages
from market.access.users import read_user
from market.errors import NotFound
from market.store import Store

_PAGE = 200
After = Annotated[str, Query(description="`next` of the page before.", max_length=64)]


def build_own_token_router(store: Store) -> APIRouter:
    """Return the routes by which users keep their own tokens."""
    router = APIRouter(prefix="/v1/tokens", tags=["access"], route_class=AccessRoute)

    @router.get("")
    def get_tokens(request: Request, after: After = "") -> TokenPage:
        """Return one's own tokens, those that have ended too, and what they used."""
        user = user_of(principal_of(request))
        with store.read() as connection:
            return _page(connection, after, user)

    @router.post("", status_code=201)
    def post_token(body: TokenBody, request: Request) -> NewTokenShape:
        """Create a token of one's own, at most of what one's role may do; shown this once.

        What it uses counts on the user's limits as well as on its own.
        """
        principal, actor = principal_of(request), actor_of(request)
        user = user_of(principal)
        wish = TokenWish(
            body.label, scopes_given(body.scopes, principal.scopes), body.limits(), body.days
        )

        def work(connection: Connection) -> NewTokenShape:
            owner = read_user(connection, user)
            made = create_token(connection, wish, actor, user_id=owner.id)
            return NewTokenShape.of(made, read_token(connection, made.public_id))

        return store.transact(work)

    @router.post("/{token_id}/rotate")
    def post_rotation(token_id: str, body: Rotation, request: Request) -> NewTokenShape:
        """Give one of one's own tokens a new secret; shown this once."""
        user, actor = user_of(principal_of(request)), actor_of(request)

        def work(connection: Connection) -> NewTokenShape:
            _check_owner(connection, token_id, user)
            made = rotate_token(connection, token_id, actor, grace_s=body.grace_s)
            return NewTokenShape.of(made, read_token(connection, made.public_id))

        answer = store.transact(work)
        access_of(request).gate.forget()
        return answer

    @router.delete("/{token_id}", status_code=204)
    def delete_token(token_id: str, request: Request) -> None:
        """Revoke one of one's own tokens; it works nowhere after some seconds."""
        user, actor = user_of(principal_of(request)), actor_of(request)

        def work(connection: Connection) -> None:
            _check_owner(connection, token_id, user)
            revoke_token(connection, token_id, actor)

        store.transact(work)
        access_of(request).gate.forget()

    return router


def build_admin_token_router(store: Store) -> APIRouter:
    """Return the routes by which administrators keep everybody's tokens."""
    router = APIRouter(prefix="/v1/admin/tokens", tags=["admin"], route_class=AccessRoute)

    @router.get("")
    def get_all_tokens(after: After = "") -> TokenPage:
        """Return every token, those that have ended too, and what they used."""
        with store.read() as connection:
            return _page(connection, after, None)

    @router.post("", status_code=201)
    def post_any_token(body: AdminTokenBody, request: Request) -> NewTokenShape:
        """Create a token, of a user or of nobody; shown this once."""
        actor = actor_of(request)
        wish = TokenWish(body.label, parse_scopes(body.scopes), body.limits(), body.days)

        def work(connection: Connection) -> NewTokenShape:
            owner = None if body.user is None else read_user(connection, body.user).id
            made = create_token(connection, wish, actor, user_id=owner)
            return NewTokenShape.of(made, read_token(connection, made.public_id))

        return store.transact(work)

    @router.post("/{token_id}/rotate")
    def post_any_rotation(token_id: str, body: Rotation, request: Request) -> NewTokenShape:
        """Give a token a new secret; shown this once. Its id, limits and use stay."""
        actor = actor_of(request)

        def work(connection: Connection) -> NewTokenShape:
            made = rotate_token(connection, token_id, actor, grace_s=body.grace_s)
            return NewTokenShape.of(made, read_token(connection, made.public_id))

        answer = store.transact(work)
        access_of(request).gate.forget()
        return answer

    @router.delete("/{token_id}", status_code=204)
    def delete_any_token(token_id: str, request: Request) -> None:
        """Revoke a token for good; it works nowhere after some seconds."""
        actor = actor_of(request)
        store.transact(lambda connection: revoke_token(connection, token_id, actor))
        access_of(request).gate.forget()

    return router


def _check_owner(connection: Connection, token_id: str, user: str) -> None:
    # Another user's token is answered as one that does not exist.
    if read_token(connection, token_id).user != user:
        raise NotFound(f"token {token_id!r} does not exist")


def _page(connection: Connection, after: str, user: str | None) -> TokenPage:
    rows = read_tokens(connection, _PAGE + 1, after=after, user=user)
    shown = rows[:_PAGE]
    usages = read_usages(connection, [f"token:{row.public_id}" for row in shown])
    return TokenPage(
        tokens=[TokenShape.of(row, usages.get(f"token:{row.public_id}")) for row in shown],
        next=shown[-1].public_id if len(rows) > _PAGE else None,
    )
