"""`/v1/admin/users` and `/v1/admin/audit`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from api_historic.access.requests import AccessRoute, access_of, actor_of
from api_historic.access.shapes import (
    AuditPage,
    AuditShape,
    UserBody,
    UserChange,
    UserPage,
    UserShape,
)
from market.access.audit import read_audit
from market.access.principal import Limits
from market.access.users import (
    User,
    change_limits,
    change_password,
    change_role,
    create_user,
    new_password,
    read_user,
    read_users,
    remove_user,
)
from market.store import Store

_PAGE = 200


def build_user_router(store: Store) -> APIRouter:
    """Return the routes by which administrators keep the users."""
    router = APIRouter(prefix="/v1/admin/users", tags=["admin"], route_class=AccessRoute)

    @router.get("")
    def get_users(
        after: Annotated[str, Query(description="`next` of the page before.", max_length=64)] = "",
    ) -> UserPage:
        """Return the users by name."""
        with store.read() as connection:
            users = read_users(connection, _PAGE + 1, after=after)
        shown = [UserShape.of(user) for user in users[:_PAGE]]
        return UserPage(users=shown, next=shown[-1].user if len(users) > _PAGE else None)

    @router.post("", status_code=201)
    def post_user(body: UserBody, request: Request) -> UserShape:
        """Add a user who may sign in on the web page."""
        actor, limits = actor_of(request), Limits(body.monthly_quota, body.rate_per_s)
        hashed = new_password(body.password.get_secret_value(), body.user)
        user = store.transact(
            lambda connection: create_user(connection, body.user, body.role, hashed, limits, actor)
        )
        return UserShape.of(user)

    @router.patch("/{user}")
    def patch_user(user: str, body: UserChange, request: Request) -> UserShape:
        """Change a user's role, limits or password; a new password ends their sessions."""
        actor = actor_of(request)
        secret = None if body.password is None else body.password.get_secret_value()
        hashed = None if secret is None else new_password(secret, user)

        def work(connection: Connection) -> User:
            if body.role is not None:
                change_role(connection, user, body.role, actor)
            if body.changes_limits:
                known = read_user(connection, user).limits
                change_limits(connection, user, _changed(body, known), actor)
            if hashed is not None:
                change_password(connection, user, hashed, actor)
            return read_user(connection, user)

        changed = store.transact(work)
        access_of(request).gate.forget()
        return UserShape.of(changed)

    @router.delete("/{user}", status_code=204)
    def delete_user(user: str, request: Request) -> None:
        """Remove a user: their sessions end, their tokens are revoked."""
        actor = actor_of(request)
        store.transact(lambda connection: remove_user(connection, user, actor))
        access_of(request).gate.forget()

    return router


def build_audit_router(store: Store) -> APIRouter:
    """Return the route of the audit log."""
    router = APIRouter(tags=["admin"], route_class=AccessRoute)

    @router.get("/v1/admin/audit")
    def get_audit(
        subject: Annotated[str | None, Query(description="Such as `token ID`.")] = None,
        before: Annotated[int | None, Query(description="`next` of the page before.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AuditPage:
        """Return who did what to whom and from where, newest first; never a secret."""
        with store.read() as connection:
            found = read_audit(connection, limit + 1, before=before, subject=subject)
        entries = [AuditShape.of(entry) for entry in found[:limit]]
        following = str(entries[-1].id) if len(found) > limit else None
        return AuditPage(entries=entries, next=following)

    return router


def _changed(body: UserChange, known: Limits) -> Limits:
    named = body.model_fields_set
    return Limits(
        body.monthly_quota if "monthly_quota" in named else known.monthly_quota,
        body.rate_per_s if "rate_per_s" in named else known.rate_per_s,
    )
