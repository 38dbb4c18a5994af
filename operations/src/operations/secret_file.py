"""The compose stack's passwords: generated once into `.env`, and kept."""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

from operations.settings import read_dotenv

#: Alphanumeric, because they pass through shells, URLs, SQL and JSON.
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 32

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
)


def ensure_secrets(path: Path) -> dict[str, str]:
    """Return every secret of the stack, having added those that `.env` lacked.

    What the file holds already is kept, byte by byte. Its mode becomes 600.
    """
    known = read_dotenv(path)
    missing = [name for name in GENERATED if not known.get(name)]
    made = {name: generate_secret() for name in missing}
    if made:
        text = path.read_text() if path.is_file() else ""
        _replace(path, text + _section(made, separate=bool(text)))
    path.chmod(0o600)
    return {name: made.get(name) or str(known[name]) for name in GENERATED}


def generate_secret() -> str:
    """Return 32 random letters and digits: about 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def _section(made: dict[str, str], *, separate: bool) -> str:
    head = "# Made by setup.sh for the compose stack. They belong to its volumes: keep them.\n"
    lines = "".join(f"{name}={value}\n" for name, value in made.items())
    return ("\n" if separate else "") + head + lines


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    # Never readable by others, not even for a moment.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
    draft.replace(path)
