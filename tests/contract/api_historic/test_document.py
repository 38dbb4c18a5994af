"""schemathesis believes `/openapi.json` and tries the API by it, right and wrong calls alike."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

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


#: Calls drawn freely name no symbol that exists: others keep to one that does.
STORED = '[parameters]\n"query.symbol" = "BTCUSDT"\n"query.interval" = "1h"\n'


@pytest.mark.parametrize(
    ("settings", "phases"), [("", "fuzzing"), (STORED, "examples,coverage")], ids=["any", "stored"]
)
def test_api_is_what_its_document_says(
    api: str, tmp_path: Path, settings: str, phases: str, request: pytest.FixtureRequest
) -> None:
    if settings and "sqlite" in request.node.callspec.id:
        phases = "examples"  # what covers every rule of the document is tried on one engine
    (tmp_path / "schemathesis.toml").write_text(settings)
    checks = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
    )
    command = [
        *(PROGRAM, "run", f"{api}/openapi.json", "--checks", ",".join(checks)),
        *("--phases", phases, "--max-examples", "10", "--seed", "1"),
        *("--exclude-path", ENDLESS, "--request-timeout", "20", "--no-color"),
        *("--generation-database", "none"),
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
    paths = httpx.get(f"{api}/openapi.json").json()["paths"]

    for path, operations in paths.items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["description"], where
            assert operation["responses"], where
            for parameter in operation.get("parameters", ()):
                assert parameter["schema"], f"{where}: {parameter['name']}"
