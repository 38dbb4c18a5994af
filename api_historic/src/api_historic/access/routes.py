"""All routes of access, for the app."""

from __future__ import annotations

from fastapi import APIRouter

from api_historic.access.session import build_session_router
from api_historic.access.tokens import build_admin_token_router, build_own_token_router
from api_historic.access.users import build_audit_router, build_user_router
from market.access.sessions import SessionLimits
from market.store import Store


def build_access_routers(store: Store, limits: SessionLimits) -> list[APIRouter]:
    """Return the routers of sessions, tokens, users and the audit log."""
    return [
        build_session_router(store, limits),
        build_own_token_router(store),
        build_admin_token_router(store),
        build_user_router(store),
        build_audit_router(store),
    ]
