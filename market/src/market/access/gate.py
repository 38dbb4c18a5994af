"""The gate: who a token or a session stands for, remembered for a few seconds.

A checked credential is taken unchecked that long, and a refused one refused; so a revocation
holds in every process after these seconds, and in the one that made it at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Connection

from market.access.credentials import Credential
from market.access.principal import Account, Principal
from market.access.scopes import parse_role, scopes_of
from market.access.sessions import Session, SessionLimits, prolong_session, read_session
from market.access.threads import InThread
from market.access.token_store import TokenRow, read_token
from market.access.tokens import Token, digest_of, is_same, parse_token
from market.errors import NotFound, Unauthorized
from market.store.engine import Store

_MOST_REMEMBERED = 10_000
_WRONG = "the token is not valid"


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about a credential; `until_s` is of the monotonic clock."""

    principal: Principal | None
    problem: str
    hint: str
    until_s: float


class Gate:
    """Tells who a credential stands for. For one event loop.

    Args:
        cache_s: how long that is remembered.
        session_limits: when sessions end; without them no session is taken.
    """

    def __init__(
        self,
        store: Store,
        in_thread: InThread,
        cache_s: float,
        session_limits: SessionLimits | None,
    ) -> None:
        self._store = store
        self._in_thread = in_thread
        self._cache_s = cache_s
        self._session_limits = session_limits
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[_Known]] = {}

    async def identify(self, credential: Credential) -> Principal:
        """Return who shows this.

        Raises:
            Unauthorized: it is not valid, or not any more.
            StoreUnavailable: that can't be told, as the database does not answer.
        """
        key = credential.key
        known = self._known.get(key)
        if known is None or known.until_s <= time.monotonic():
            known = await self._ask(key, credential)
        if known.principal is None:
            raise Unauthorized(known.problem, hint=known.hint)
        return known.principal

    def forget(self) -> None:
        """Check everybody anew from now on."""
        self._known.clear()
        self._asking.clear()

    async def _ask(self, key: bytes, credential: Credential) -> _Known:
        # Many requests of one client arrive at once: one question is enough.
        asking = self._asking.get(key)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(self._look_up(key, credential))
            self._asking[key] = asking
        return await asyncio.shield(asking)

    async def _look_up(self, key: bytes, credential: Credential) -> _Known:
        asking = self._asking.get(key)
        try:
            known = await self._in_thread(lambda: self._find(credential))
        finally:
            still_asked = self._asking.get(key) is asking
            if still_asked:
                del self._asking[key]
        if still_asked and self._cache_s > 0:  # not where all was to be forgotten meanwhile
            self._known[key] = known
            self._known.move_to_end(key)
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _find(self, credential: Credential) -> _Known:
        try:
            principal, now_ms = self._verify(credential)
        except Unauthorized as error:
            return _Known(None, error.detail, error.hint, time.monotonic() + self._cache_s)
        good_s = self._cache_s
        if principal.expires_ms is not None:
            good_s = min(good_s, (principal.expires_ms - now_ms) / 1_000)
        return _Known(principal, "", "", time.monotonic() + good_s)

    def _verify(self, credential: Credential) -> tuple[Principal, int]:
        if credential.kind == "token":
            token = parse_token(credential.text)
            if token is None:
                raise Unauthorized(_WRONG)
            with self._store.read() as connection:
                return verify_token(connection, token)
        if self._session_limits is None:
            raise Unauthorized("sessions are not taken here", hint="Send a token.")
        digest = digest_of(credential.text)
        with self._store.read() as connection:
            session = read_session(connection, digest, self._session_limits)
        if session is None:
            raise Unauthorized("the session has ended", hint="Sign in again.")
        if session.is_stale:
            self._store.transact(lambda connection: prolong_session(connection, digest))
        return _session_principal(session), session.now_ms


def verify_token(connection: Connection, token: Token) -> tuple[Principal, int]:
    """Return who a token stands for, and the time by the database's clock.

    Only who knows a token's secret learns that it has ended.

    Raises:
        Unauthorized: it does not exist, or has ended.
    """
    try:
        row = read_token(connection, token.public_id)
    except NotFound:
        raise Unauthorized(_WRONG) from None
    is_current = is_same(token.digest, row.hash)
    is_previous = is_same(token.digest, row.previous_hash)
    if not is_current and not is_previous:
        raise Unauthorized(_WRONG)
    if row.state != "active":
        ended = "has expired" if row.state == "expired" else "was revoked"
        raise Unauthorized(f"the token {ended}", hint="Ask for a new one.")
    ends = [row.expires_ms]
    if not is_current:
        ends.append(row.previous_until_ms)
        if (row.previous_until_ms or 0) <= row.now_ms:
            raise Unauthorized("the token was rotated", hint="Use the secret it got instead.")
    return _token_principal(row, min((end for end in ends if end), default=None)), row.now_ms


def _token_principal(row: TokenRow, expires_ms: int | None) -> Principal:
    accounts = [Account(f"token:{row.public_id}", row.limits)]
    scopes = row.scopes
    if row.user is not None and row.role is not None:
        scopes &= scopes_of(parse_role(row.role))
        accounts.append(Account(f"user:{row.user_id}", row.user_limits))
    return Principal(
        kind="token",
        name=f"token {row.public_id}",
        scopes=scopes,
        accounts=tuple(accounts),
        user=row.user,
        token_id=row.public_id,
        expires_ms=expires_ms,
    )


def _session_principal(session: Session) -> Principal:
    return Principal(
        kind="session",
        name=f"user {session.user}",
        scopes=scopes_of(session.role),
        accounts=(Account(f"user:{session.user_id}", session.limits),),
        user=session.user,
        expires_ms=session.ends_ms,
    )
