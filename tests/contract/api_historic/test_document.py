"""schemathesis believes `/openapi.json` and tries the API by it, right and wrong calls alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from market.access.audit import Actor
from market.access.scopes import SCOPES
from market.access.token_store import TokenWish, create_token
from market.store import Store
from support.databases import fresh_database
from support.history_api import history_api
from support.seed import NOW_MS, seed_market

PROGRAM = Path(sys.executable).with_name("schemathesis")
#: Answers that end only when the client goes are tried elsewhere.
ENDLESS = "/v1/stream"


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """A seeded store on two engines: klines, forecasts, score cards."""
    if request.param == "sqlite":
        yield seed_market(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue("mysql_server")) as url:
        yield seed_market(url)


@pytest.fixture(scope="module")
def api(store: Store) -> Iterator[str]:
    """The API over that store."""
    with history_api(store, NOW_MS) as url:
        yield url


@pytest.fixture(scope="module")
def token(store: Store) -> str:
    """A token that may do all."""
    with store.begin() as connection:
        wish = TokenWish("schemathesis", frozenset(SCOPES))
        return create_token(connection, wish, Actor("test", "test")).text


#: Calls drawn freely name no symbol that exists: others keep to one that does.
STORED = '[parameters]\n"query.symbol" = "BTCUSDT"\n"query.interval" = "1h"\n'
#: Routes of accounts are fuzzed, but not tried rule by rule: that would take minutes.
ACCOUNTS = "^/v1/(admin|session|tokens)"
#: What covers every rule of the document is tried on one engine.
PHASES = {"any": "fuzzing", "stored": "examples,coverage"}


@pytest.mark.parametrize("drawn", PHASES)
def test_api_is_what_its_document_says(
    api: str, token: str, tmp_path: Path, drawn: str, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "schemathesis.toml").write_text(STORED if drawn == "stored" else "")
    (tmp_path / "openapi.json").write_bytes(httpx.get(f"{api}/openapi.json", timeout=60).content)
    is_sqlite = "sqlite" in request.node.callspec.id
    checks = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    )
    phases = "examples" if is_sqlite and drawn == "stored" else PHASES[drawn]
    command = [
        *(PROGRAM, "run", "openapi.json", "--url", api, "--checks", ",".join(checks)),
        *("--phases", phases, "--max-examples", "6", "--seed", "1"),
        *("--header", f"Authorization: Bearer {token}"),
        *("--exclude-path", ENDLESS, "--request-timeout", "60", "--no-color"),
        *("--generation-database", "none"),
        *(("--exclude-path-regex", ACCOUNTS) if drawn == "stored" else ()),
    ]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": "", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def test_every_operation_is_described(api: str) -> None:
    paths = httpx.get(f"{api}/openapi.json", timeout=60).json()["paths"]

    for path, operations in paths.items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert operation["responses"], where
            for parameter in operation.get("parameters", ()):
                assert parameter["schema"], f"{where}: {parameter['name']}"
