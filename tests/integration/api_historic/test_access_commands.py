"""`klinecast-history tokens` and `users`, and that docs/access.md tells what works."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from market.access.audit import read_audit
from market.access.tokens import draw_token
from market.store import Store
from support.access import PASSWORD
from support.history_api import new_store
from support.history_process import PROGRAM, serving

DOCUMENT = Path(__file__).parents[3] / "docs" / "access.md"
OTHERS = "http://127.0.0.1:8000"
#: What a person would type.
ANSWER = f"echo '{PASSWORD}'"


@pytest.fixture
def store(sqlite_url: str) -> Store:
    return new_store(sqlite_url)


def run(url: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KLINECAST_STORE_URL": url}
    return subprocess.run(
        [PROGRAM, *arguments],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_commands_of_the_document_work(store: Store, sqlite_url: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    environment = {"KLINECAST_STORE_URL": sqlite_url, "KLINECAST_AUTH": "required"}

    with serving(tmp_path / "log", **environment) as (api, _):
        script = "\n".join(["set -eu", *blocks]).replace(OTHERS, api)
        script = re.sub(r"(klinecast-history users (?:create|password))", rf"{ANSWER} | \1", script)
        done = subprocess.run(
            ["sh", "-c", script],
            env={**os.environ, **environment, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    assert len(blocks) >= 5
    with store.read() as connection:
        actions = {entry.action for entry in read_audit(connection, 100)}
    assert actions == {
        "token.create", "token.rotate", "token.revoke", "user.create", "user.role",
        "user.password", "user.remove",
    }  # fmt: skip


def test_token_is_shown_once_and_only_on_stdout(store: Store, sqlite_url: str) -> None:
    made = run(sqlite_url, "tokens", "create", "--label", "x", "--scope", "read", "--json")
    listed = run(sqlite_url, "tokens", "list", "--json")

    token = json.loads(made.stdout)
    assert token["token"] not in made.stderr
    assert token["token"].rpartition("_")[2] not in listed.stdout + listed.stderr
    assert [one["id"] for one in json.loads(listed.stdout)["tokens"]] == [token["id"]]


def test_password_comes_from_stdin_and_stands_nowhere(store: Store, sqlite_url: str) -> None:
    made = run(sqlite_url, "users", "create", "anna", "--json", given=f"{PASSWORD}\n")
    refused = run(sqlite_url, "users", "password", "anna", given="hunter2\n")

    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["role"] == "viewer"
    assert refused.returncode == 2
    said = made.stdout + made.stderr + refused.stdout + refused.stderr
    assert PASSWORD not in said
    assert "hunter2" not in said


def test_adopted_token_can_be_adopted_again(store: Store, sqlite_url: str) -> None:
    token = draw_token()
    adopt = ("tokens", "adopt", "--label", "services", "--scope", "read", "--json")

    answers = [json.loads(run(sqlite_url, *adopt, given=token.text).stdout) for _ in range(2)]
    other = run(sqlite_url, *adopt, given=draw_token(token.public_id).text)
    nonsense = run(sqlite_url, *adopt, given="klc_nonsense")

    assert [answer["new"] for answer in answers] == [True, False]
    assert (other.returncode, nonsense.returncode) == (1, 2)
    assert "klc_nonsense" not in nonsense.stderr


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("tokens", "create", "--label", "x", "--scope", "reed"), 2),
        (("tokens", "create", "--label", "x", "--scope", "read", "--days", "0"), 2),
        (("tokens", "create", "--label", "x", "--scope", "read", "--user", "nobody"), 1),
        (("tokens", "revoke", "nosuch"), 1),
        (("users", "role", "nobody", "admin"), 1),
        (("users", "role", "nobody", "emperor"), 2),
    ],
)
def test_wrong_command_changes_nothing(
    store: Store, sqlite_url: str, arguments: tuple[str, ...], status: int
) -> None:
    done = run(sqlite_url, *arguments)

    assert done.returncode == status
    assert done.stderr.startswith("error: ")
    with store.read() as connection:
        assert read_audit(connection, 1) == []
