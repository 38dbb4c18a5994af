"""The installation's own secrets: generated once into `.env`, and kept."""

from __future__ import annotations

import os
import secrets
import string
from collections.abc import Iterable
from pathlib import Path

from market.access.tokens import draw_token
from operations.settings import read_dotenv

#: Alphanumeric, because they pass through shells, URLs, SQL and JSON.
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32

#: What the services read the history API with, and `status` too; of both modes.
SERVICE_TOKEN = "MODELS_HISTORY_TOKEN"
GENERATED = (
    "MYSQL_ROOT_PASSWORD",
    "MYSQL_OWNER_PASSWORD",
    "MYSQL_POPULATOR_PASSWORD",
    "MYSQL_HISTORY_PASSWORD",
    "MYSQL_MODELS_PASSWORD",
    "MYSQL_SINK_PASSWORD",
    "ELASTIC_PASSWORD",
    "KIBANA_SYSTEM_PASSWORD",
    "KIBANA_ENCRYPTION_KEY",
    "SINK_USER_PASSWORD",
    "OBJECTS_ACCESS_KEY",
    "OBJECTS_SECRET_KEY",
    SERVICE_TOKEN,
)


def ensure_secrets(path: Path) -> dict[str, str]:
    """Return every secret of the stack, having added those that `.env` lacked.

    What the file holds already is kept, byte by byte. Its mode becomes 600.
    """
    return _ensure(path, GENERATED)


def ensure_service_token(path: Path) -> str:
    """Return the token of the installation's services, having added it where `.env` lacked it.

    The store still has to be told of it: `klinecast-history tokens adopt`.
    """
    return _ensure(path, [SERVICE_TOKEN])[SERVICE_TOKEN]


def _ensure(path: Path, names: Iterable[str]) -> dict[str, str]:
    known = read_dotenv(path)
    made = {name: _generate(name) for name in names if not known.get(name)}
    if made:
        text = path.read_text() if path.is_file() else ""
        _replace(path, text + _section(made, separate=bool(text)))
    path.chmod(0o600)
    return {name: made.get(name) or str(known[name]) for name in names}


def _generate(name: str) -> str:
    return draw_token().text if name == SERVICE_TOKEN else generate_secret()


def generate_secret() -> str:
    """Return 32 random letters and digits: about 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _section(made: dict[str, str], *, separate: bool) -> str:
    head = "# Made by setup.sh. They belong to the data of this installation: keep them.\n"
    lines = "".join(f"{name}={value}\n" for name, value in made.items())
    return ("\n" if separate else "") + head + lines


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    # Never readable by others, not even for a moment.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(path)
