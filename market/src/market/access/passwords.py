"""Passwords: their rules, and argon2id hashes of them. Needs the extra `passwords`."""

from __future__ import annotations

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from market.errors import InvalidParameter

SHORTEST = 12
LONGEST = 256
#: RFC 9106, section 4, second recommended option: 64 MiB, 3 passes; one lane, since the sign-ins
#: of a process are verified one at a time and a server has better uses for its other cores.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


def check_password(password: str, user: str) -> None:
    """Check that a password may be one; how good it is, is its owner's business.

    Raises:
        InvalidParameter: it is too short or too long, or the user's name. It is not repeated.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        size = f"{len(password)} characters long"
        raise InvalidParameter("password", size, f"{SHORTEST} to {LONGEST} characters")
    if password.casefold() == user.casefold():
        raise InvalidParameter("password", "(hidden)", "another text than the name of the user")


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with its salt and its costs."""
    return _HASHER.hash(password)


def is_password(password: str, stored: str | None) -> bool:
    """Tell whether a password is the one of a hash; of no hash it is as slow to say no."""
    nobodys = _nobodys()  # in any case: the first time it takes as long as a look
    try:
        _HASHER.verify(stored or nobodys, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_outdated(stored: str) -> bool:
    """Tell whether a hash was made with other costs than today's."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobodys() -> str:
    """Return the hash of a password that nobody knows."""
    return _HASHER.hash(secrets.token_urlsafe())
