"""The compose stack, for real: built, populated, killed container by container, removed.

Runs where KLINECAST_TEST_COMPOSE is set, which says that a Docker engine answers and has, or
may pull, the images of MySQL, Elasticsearch, Kibana and Python. Where the S3 server's image can
be had too, models are published there, else in a volume. The tests share one stack and run in
their order.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import docker
import httpx
import pytest

from operations.engine import service_of
from support.compose_stack import LASTING, OURS, Stack
from support.gateway_image import gateway_image
from support.installation import Copy, copy_project, free_ports
from support.processes import wait_until
from support.servers import NotHere

#: The S3 server's settings, in a shell that also has an account at AWS.
OBJECT_STORAGE = {
    "OPERATE_OBJECT_STORAGE": "true",
    "AWS_REGION": "eu-central-1",
    "AWS_SESSION_TOKEN": "of an account at AWS",
}
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not os.environ.get("KLINECAST_TEST_COMPOSE"),
        reason="the compose stack: set KLINECAST_TEST_COMPOSE=1 where a Docker engine answers",
    ),
]


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
    folder = tmp_path_factory.mktemp("stack") / "klinecast"
    with ExitStack() as opened:
        client = docker.from_env()
        opened.callback(client.close)
        without_objects = None
        try:
            opened.enter_context(gateway_image(client))
            settings |= OBJECT_STORAGE
        except NotHere as reason:
            without_objects = f"the compose stack's S3 server: {reason}"
        copy = copy_project(folder, settings)
        opened.callback(copy.setup, "reset", "--yes")
        yield Stack(copy, client, without_objects=without_objects)


@pytest.fixture
def objects(stack: Stack) -> None:
    """Skip where the stack has no S3 server of its own."""
    if stack.without_objects is not None:
        pytest.skip(stack.without_objects)


def test_stack_comes_up_with_a_forecast(stack: Stack) -> None:
    assert stack.started.returncode == 0, stack.started.stderr
    assert "DEMO" in stack.started.stdout
    forecast = stack.history("/v1/forecasts", **stack.series)["forecasts"][0]
    assert len(forecast["steps"]) == 50


def test_every_part_is_up_and_ready(stack: Stack) -> None:
    status = json.loads(stack.copy.setup("status", "--json").stdout)

    assert status["well"] is True
    assert {service["name"] for service in status["services"]} == set(stack.lasting)
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


@pytest.mark.usefixtures("objects")
def test_models_are_published_in_the_bucket(stack: Stack) -> None:
    served = stack.history("/v1/forecasts", **stack.series)["forecasts"][0]

    names = stack.published()

    of_the_series = f"artefacts/{stack.symbol}/{stack.interval}/{served['model']}/"
    assert any(name.startswith(of_the_series) for name in names), names


@pytest.mark.usefixtures("objects")
def test_nothing_is_read_from_the_bucket_without_a_key(stack: Stack) -> None:
    published = stack.published()[0]

    assert stack.status_without_key("klinecast") == 403
    assert stack.status_without_key(f"klinecast/{published}") == 403


@pytest.mark.usefixtures("objects")
def test_keys_of_the_bucket_are_with_who_needs_them(stack: Stack) -> None:
    keys = {stack.secrets["OBJECTS_ACCESS_KEY"], stack.secrets["OBJECTS_SECRET_KEY"]}

    knowing = {
        service_of(one)
        for one in stack.containers()
        if any(key in json.dumps(one.attrs) for key in keys)
    }
    assert knowing == {"objects", "object-bucket", "models", "trainer"}


def test_every_volume_has_a_name_that_reset_knows(stack: Stack) -> None:
    known = {volume.name for volume in stack.volumes()}
    mounts = [mount for container in stack.containers() for mount in container.attrs["Mounts"]]

    assert {mount["Name"] for mount in mounts if mount["Type"] == "volume"} <= known


def test_no_log_holds_a_secret(stack: Stack) -> None:
    for container in stack.containers():
        log = container.logs().decode(errors="replace")
        told = [name for name, secret in stack.secrets.items() if secret in log]
        assert told == [], service_of(container)


@pytest.mark.parametrize("service", LASTING)
def test_killed_container_comes_back_and_nothing_is_lost_or_doubled(
    stack: Stack, service: str
) -> None:
    forecasts = stack.forecast_ids()
    _kill(stack, service)

    wait_until(stack.is_well, "all is well", limit_s=240)
    after = stack.forecast_ids()
    assert set(forecasts) <= set(after)
    assert len(after) == len(set(after))
    stack.assert_store_equals_exchange()


@pytest.mark.usefixtures("objects")
def test_forecasting_goes_on_after_the_object_store_was_killed(stack: Stack) -> None:
    published = stack.published()
    newest = _newest_cutoff(stack)

    _kill(stack, "objects")

    wait_until(lambda: _newest_cutoff(stack) > newest, "a later forecast", limit_s=240)
    wait_until(stack.is_well, "all is well", limit_s=240)
    assert set(published) <= set(stack.published())


@pytest.mark.usefixtures("objects")
def test_object_store_ends_when_it_is_not_wanted_any_more(stack: Stack) -> None:
    environment = stack.copy.environment.items()
    without = {name: value for name, value in environment if name not in OBJECT_STORAGE}

    again = Copy(stack.copy.folder, without).setup("--docker", "--demo")

    assert again.returncode == 0, again.stderr
    assert "objects" not in {service_of(container) for container in stack.containers()}
    assert any(volume.name.endswith("_objects") for volume in stack.volumes())


def _kill(stack: Stack, service: str) -> None:
    try:
        stack.kill(service)
    except (PermissionError, ProcessLookupError):
        pytest.skip("containers cannot be killed from outside: their processes are not ours")


def _newest_cutoff(stack: Stack) -> int:
    (newest,) = stack.history("/v1/forecasts", **stack.series, limit=1)["forecasts"]
    return int(newest["cutoff_ms"])


def test_down_keeps_the_data_and_reset_removes_them(stack: Stack) -> None:
    assert stack.copy.setup("down").returncode == 0
    assert stack.containers() == []
    assert stack.volumes() != []

    assert stack.copy.setup("reset", "--yes").returncode == 0
    assert stack.volumes() == []
