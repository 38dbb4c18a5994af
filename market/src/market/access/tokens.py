"""What a token looks like: `klc_ID_SECRET`. Pure but for the drawing of random ones.

The id is public: it finds the token's row and stands in lists and in the audit log. The
secret has 256 bits, so its plain SHA-256 is no easier to guess than the secret itself.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from typing import NamedTuple

PREFIX = "klc"
_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 10
_ALPHABET = string.ascii_letters + string.digits
#: 43 of 62 letters: 256.03 bits.
_LENGTH = 43
_TOKEN = re.compile(rf"{PREFIX}_([a-z0-9]{{{_ID_LENGTH}}})_([A-Za-z0-9]{{{_LENGTH}}})")
_ID = re.compile(rf"[a-z0-9]{{{_ID_LENGTH}}}")
LONGEST = len(PREFIX) + _ID_LENGTH + _LENGTH + 2


class Token(NamedTuple):
    """A token whole. It is shown once and kept nowhere."""

    public_id: str
    secret: str

    @property
    def text(self) -> str:
        """What its holder sends."""
        return f"{PREFIX}_{self.public_id}_{self.secret}"

    @property
    def digest(self) -> str:
        """The SHA-256 of the secret, in hexadecimal: what is stored."""
        return digest_of(self.secret)

    def __repr__(self) -> str:
        return f"Token({self.public_id})"


def draw_token(public_id: str | None = None) -> Token:
    """Return a new token, of an id that exists already where one is given."""
    drawn = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return Token(public_id or drawn, secret)


def parse_token(text: str) -> Token | None:
    """Return the parts of a token, `None` where the text has not the form of one."""
    if len(text) != LONGEST:
        return None
    match = _TOKEN.fullmatch(text)
    return None if match is None else Token(match[1], match[2])


def is_token_id(text: str) -> bool:
    """Tell whether a text has the form of a token's public id."""
    return _ID.fullmatch(text) is not None


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_same(digest: str, stored: str | None) -> bool:
    """Compare two digests in a time that does not tell where they differ."""
    return hmac.compare_digest(digest.encode(), (stored or "").encode())
