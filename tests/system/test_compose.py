"""The compose stack, for real: built, populated, killed container by container, removed.

Runs where KLINECAST_TEST_COMPOSE is set, which says that a Docker engine answers and has, or
may pull, the images of MySQL, Elasticsearch, Kibana and Python. The tests share one stack and
run in their order.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from typing import Any

import docker
import httpx
import pytest
from docker.models.containers import Container

from operations.engine import PROJECT_LABEL, service_of
from operations.settings import read_dotenv
from support.installation import Copy, Installation, copy_project, free_ports
from support.processes import wait_until

pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not os.environ.get("KLINECAST_TEST_COMPOSE"),
        reason="the compose stack: set KLINECAST_TEST_COMPOSE=1 where a Docker engine answers",
    ),
]

LASTING = [
    "simulator", "history", "populator", "models", "trainer", "sink", "mysql", "elasticsearch",
    "kibana",
]  # fmt: skip
OURS = LASTING[:6]


class Stack(Installation):
    """The compose stack under trial."""

    def __init__(self, copy: Copy, client: docker.DockerClient) -> None:
        super().__init__(copy, copy.setup("--docker", "--demo", timeout_s=1400))
        self.client = client
        self.secrets = read_dotenv(copy.folder / ".env")

    def containers(self) -> list[Container]:
        """Return every container of the project."""
        project = self.copy.environment["COMPOSE_PROJECT_NAME"]
        found: list[Container] = self.client.containers.list(
            all=True, filters={"label": f"{PROJECT_LABEL}={project}"}
        )
        return found

    def container(self, service: str) -> Container:
        """Return the one container of a service."""
        (found,) = [one for one in self.containers() if service_of(one) == service]
        return found

    def starts(self) -> dict[str, str]:
        """Return when each lasting container was started."""
        return {
            service_of(one): one.attrs["State"]["StartedAt"]
            for one in self.containers()
            if service_of(one) in LASTING
        }

    def query(self, user: str, sql: str) -> subprocess.CompletedProcess[str]:
        """Run a statement as one of the MySQL users, inside the server's container."""
        return subprocess.run(
            [
                *("docker", "exec", "-e", "MYSQL_PWD", self.container("mysql").id),
                *("mysql", "-h", "127.0.0.1", "-u", user, "-N", "-e", sql, "klinecast"),
            ],
            env={**os.environ, "MYSQL_PWD": self.secrets[f"MYSQL_{user.upper()}_PASSWORD"]},
            capture_output=True,
            text=True,
            check=False,
        )

    def indexed(self) -> int:
        """Return how many documents of forecasts Elasticsearch holds."""
        url = f"{self.url('OPERATE_ELASTICSEARCH_PORT')}/klinecast-forecasts/_count"
        answer = httpx.get(url, auth=("elastic", self.secrets["ELASTIC_PASSWORD"]), timeout=30)
        return int(answer.raise_for_status().json()["count"])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A demo of the compose stack, started from nothing under a name of its own."""
    settings = {
        "COMPOSE_PROJECT_NAME": f"klinecast-trial-{os.getpid()}",
        "KLINECAST_TAG": "trial",
        "ELASTICSEARCH_HEAP": "512m",
        **free_ports(
            "HISTORY_PORT", "MODELS_PORT", "SINK_PORT", "POPULATE_PORT", "OPERATE_SIMULATOR_PORT",
            "OPERATE_MYSQL_PORT", "OPERATE_ELASTICSEARCH_PORT", "OPERATE_KIBANA_PORT",
        ),
    }  # fmt: skip
    if bundle := os.environ.get("OPERATE_CA_BUNDLE"):
        settings["OPERATE_CA_BUNDLE"] = bundle
    copy = copy_project(tmp_path_factory.mktemp("stack") / "klinecast", settings)
    client = docker.from_env()
    try:
        yield Stack(copy, client)
    finally:
        copy.setup("reset", "--yes")
        client.close()


def test_stack_comes_up_with_a_forecast(stack: Stack) -> None:
    assert stack.started.returncode == 0, stack.started.stderr
    assert "DEMO" in stack.started.stdout
    forecast = stack.history("/v1/forecasts", **stack.series)["forecasts"][0]
    assert len(forecast["steps"]) == 50


def test_every_part_is_up_and_ready(stack: Stack) -> None:
    status = json.loads(stack.copy.setup("status", "--json").stdout)

    assert status["well"] is True
    assert {service["name"] for service in status["services"]} == set(LASTING)
    assert all(service["ready"] for service in status["services"])


def test_mysql_is_populated(stack: Stack) -> None:
    counted = stack.query("history", "SELECT COUNT(*) FROM historical_klines")

    assert int(counted.stdout) > 60_000
    stack.assert_store_equals_exchange()


def test_forecasts_reach_the_index(stack: Stack) -> None:
    wait_until(lambda: stack.indexed() >= 50, "forecasts in the index", limit_s=120)


def test_dashboards_are_imported(stack: Stack) -> None:
    found: Any = httpx.get(
        f"{stack.url('OPERATE_KIBANA_PORT')}/api/saved_objects/_find",
        params={"type": "dashboard"},
        auth=("elastic", stack.secrets["ELASTIC_PASSWORD"]),
        headers={"kbn-xsrf": "trial"},
        timeout=30,
    ).json()

    assert found["total"] >= 1
    assert "DEMO" in found["saved_objects"][0]["attributes"]["title"]


def test_secrets_are_the_owners_alone(stack: Stack) -> None:
    path = stack.copy.folder / ".env"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = stack.started.stdout + stack.started.stderr
    assert not any(secret in said for secret in stack.secrets.values())


@pytest.mark.parametrize("service", OURS)
def test_our_containers_run_without_root(stack: Stack, service: str) -> None:
    assert stack.container(service).attrs["Config"]["User"] == "10001"


@pytest.mark.parametrize(
    ("user", "sql"),
    [
        ("history", "DELETE FROM klines"),
        ("populator", "DELETE FROM klines"),
        ("populator", "DELETE FROM forecasts"),
        ("models", "UPDATE forecasts SET payload = ''"),
        ("models", "UPDATE klines SET volume = 0"),
        ("sink", "DELETE FROM forecasts"),
        ("sink", "DROP TABLE outbox"),
    ],
)
def test_mysql_users_may_do_their_own_work_only(stack: Stack, user: str, sql: str) -> None:
    refused = stack.query(user, sql)

    assert refused.returncode != 0
    assert "denied" in refused.stderr


def test_second_start_changes_nothing_and_says_so(stack: Stack) -> None:
    before = stack.starts()

    again = stack.copy.setup("--docker", "--demo")

    assert again.returncode == 0, again.stderr
    assert "nothing was changed" in again.stdout
    assert stack.starts() == before


@pytest.mark.parametrize("service", LASTING)
def test_killed_container_comes_back_and_nothing_is_lost_or_doubled(
    stack: Stack, service: str
) -> None:
    forecasts = stack.forecast_ids()
    before = stack.container(service)
    try:
        # From outside: the engine takes its own `kill` for a wish, and brings nothing back.
        os.kill(before.attrs["State"]["Pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pytest.skip("containers cannot be killed from outside: their processes are not ours")

    started = before.attrs["State"]["StartedAt"]
    wait_until(lambda: stack.starts()[service] > started, f"{service} again", limit_s=60)
    wait_until(stack.is_well, "all is well", limit_s=240)
    after = stack.forecast_ids()
    assert set(forecasts) <= set(after)
    assert len(after) == len(set(after))
    stack.assert_store_equals_exchange()


def test_down_keeps_the_data_and_reset_removes_them(stack: Stack) -> None:
    project = stack.copy.environment["COMPOSE_PROJECT_NAME"]
    owned = {"label": f"{PROJECT_LABEL}={project}"}

    assert stack.copy.setup("down").returncode == 0
    assert stack.containers() == []
    assert stack.client.volumes.list(filters=owned) != []

    assert stack.copy.setup("reset", "--yes").returncode == 0
    assert stack.client.volumes.list(filters=owned) == []
