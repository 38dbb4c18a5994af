"""The generated secrets of the compose stack."""

from __future__ import annotations

import stat
from pathlib import Path

from market.access.tokens import parse_token
from operations.secret_file import (
    GENERATED,
    SERVICE_TOKEN,
    ensure_secrets,
    ensure_service_token,
    generate_secret,
)
from operations.settings import read_dotenv


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"

    first = ensure_secrets(path)
    second = ensure_secrets(path)

    assert first == second
    assert set(first) == set(GENERATED)
    assert len(set(first.values())) == len(GENERATED)


def test_secrets_pass_through_shells_and_urls() -> None:
    secret = generate_secret()

    assert len(secret) == 32
    assert secret.isalnum()
    assert secret.isascii()


def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("KLINECAST_SYMBOLS=BTCUSDT\n")
    path.chmod(0o644)

    ensure_secrets(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_the_file_holds_is_kept(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    mine = "# mine\nKLINECAST_SYMBOLS=BTCUSDT\nMYSQL_ROOT_PASSWORD=chosen\n"
    path.write_text(mine)

    secrets = ensure_secrets(path)

    assert path.read_text().startswith(mine)
    assert secrets["MYSQL_ROOT_PASSWORD"] == "chosen"
    assert read_dotenv(path)["KLINECAST_SYMBOLS"] == "BTCUSDT"


def test_emptied_secret_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("ELASTIC_PASSWORD=\n")

    secrets = ensure_secrets(path)

    assert len(secrets["ELASTIC_PASSWORD"]) == 32
    assert read_dotenv(path)["ELASTIC_PASSWORD"] == secrets["ELASTIC_PASSWORD"]


def test_local_mode_needs_the_services_token_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"

    token = ensure_service_token(path)

    assert parse_token(token) is not None
    assert read_dotenv(path) == {SERVICE_TOKEN: token}
    assert ensure_secrets(path)[SERVICE_TOKEN] == token
