"""The MySQL users of the compose stack: each may do what its service does, no more.

On MariaDB, where the tests' own account may make users; the words are the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mysql.connector
import pytest
from sqlalchemy.engine import make_url

from market.access.audit import Actor
from market.access.gate import verify_token
from market.access.passwords import hash_password
from market.access.principal import Account, Limits
from market.access.sessions import SessionLimits
from market.access.sign_in import Attempt, sign_in
from market.access.token_store import TokenWish, create_token, revoke_token
from market.access.usage import take_requests
from market.access.users import create_user, remove_user
from market.store import Store, open_store
from market.store.access_tables import audit, sessions, users
from market.store.schema import migrate
from support.databases import connect

SCRIPT = Path(__file__).parents[3] / "up" / "mysql" / "accounts.sh"
SERVICES = ("populator", "history", "models", "sink")
ACCESS = ("users", "api_tokens", "api_usage", "sessions", "sign_in_failures", "audit")
ME = Actor("test", "here")


@pytest.fixture
def stack(mariadb_url: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database whose users the script has made."""
    client = shutil.which("mysql")
    if client is None:
        pytest.skip("no mysql client on this machine")
    store = open_store(mariadb_url)
    migrate(store)
    store.close()
    _run_script(mariadb_url, tmp_path, client)
    yield mariadb_url
    connection = connect(mariadb_url)
    with connection.cursor() as cursor:
        for name in SERVICES:
            cursor.execute(f"DROP USER '{name}'@'%'")
    connection.close()


def _run_script(url: str, folder: Path, client: str) -> None:
    """Run the script against this database, its secrets and its server's name replaced."""
    parsed = make_url(url)
    for name in ("root", *SERVICES):
        secret = parsed.password if name == "root" else f"{name}password"
        (folder / f"mysql_{name}_password").write_text(str(secret))
    text = SCRIPT.read_text().replace("/run/secrets", str(folder))
    script = folder / "accounts.sh"
    server = f"-h {parsed.host} -P {parsed.port} --protocol=TCP -u {parsed.username}"
    text = text.replace("mysql -h mysql -u root", f"{client} {server}")
    script.write_text(text.replace("klinecast", str(parsed.database)))
    for _ in range(2):  # repeating it is safe
        subprocess.run(["sh", str(script)], check=True, env={"PATH": os.environ["PATH"]})


def as_user(url: str, name: str) -> Store:
    """Open the store as a service does."""
    parsed = make_url(url).set(username=name, password=f"{name}password")
    return open_store(parsed.render_as_string(hide_password=False))


@pytest.mark.parametrize("name", ["populator", "sink"])
def test_who_lets_nobody_in_reads_nothing_of_access(stack: str, name: str) -> None:
    parsed = make_url(stack).set(username=name, password=f"{name}password")
    connection = connect(parsed.render_as_string(hide_password=False))

    for table in ACCESS:
        with connection.cursor() as cursor, pytest.raises(mysql.connector.Error, match="denied"):
            cursor.execute(f"SELECT * FROM {table}")

    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM symbols")
        assert cursor.fetchone() == (0,)
    connection.close()


def test_history_keeps_users_and_tokens_but_can_not_change_the_audit_log(stack: str) -> None:
    store, limits = as_user(stack, "history"), SessionLimits(60, 60)
    hashed = hash_password("correct horse battery")
    store.transact(lambda each: create_user(each, "anna", "admin", hashed, Limits(), ME))
    wish = TokenWish("test", frozenset({"read"}))
    token = store.transact(lambda each: create_token(each, wish, ME))
    sign_in(store, Attempt("anna", "correct horse battery", "127.0.0.1"), limits)
    store.transact(lambda each: revoke_token(each, token.public_id, ME))
    store.transact(lambda each: remove_user(each, "anna", ME))

    for change in (audit.update().values(actor="nobody"), audit.delete()):
        with pytest.raises(Exception, match="denied"), store.begin() as connection:
            connection.execute(change)

    store.close()


def test_models_checks_tokens_but_reads_no_password(stack: str) -> None:
    owner, store = open_store(stack), as_user(stack, "models")
    wish = TokenWish("test", frozenset({"read"}))
    token = owner.transact(lambda each: create_token(each, wish, ME))

    with store.read() as connection:
        principal, _ = verify_token(connection, token)
    taken, _ = take_requests(store, Account(f"token:{token.public_id}", Limits(5, 5)), 1)

    assert principal.scopes == {"read"}
    assert taken
    for query in (users.select(), sessions.select(), audit.select()):
        with pytest.raises(Exception, match="denied"), store.read() as connection:
            connection.execute(query)
    owner.close()
    store.close()
