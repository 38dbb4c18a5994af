"""Installing on a real Elasticsearch: the first time, again, and where something is in the way."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from elasticsearch import BadRequestError, Elasticsearch

from forecast_sink.cluster import open_cluster
from forecast_sink.indices import FORECASTS
from forecast_sink.installation import install_indices, installed_problem
from market.errors import Conflict, ServiceUnavailable
from support.ports import free_port
from support.recording_server import recording
from support.sink import run_sink


def state_of(client: Elasticsearch) -> Any:
    return (
        client.cluster.get_component_template(name="klinecast-*").body,
        client.indices.get_index_template(name="klinecast-*").body,
        client.indices.get(index="klinecast-*").body,
    )


def test_install_creates_everything_once(client: Elasticsearch) -> None:
    first = install_indices(client)
    state = state_of(client)

    second = install_indices(client)

    assert set(first.values()) == {"created"}
    assert set(second.values()) == {"unchanged"}
    assert state_of(client) == state
    assert installed_problem(client) is None


def test_index_is_the_templates_and_refuses_unknown_fields(client: Elasticsearch) -> None:
    install_indices(client)

    made = client.indices.get(index="klinecast-forecasts")["klinecast-forecasts-000001"]
    assert made["aliases"] == {"klinecast-forecasts": {"is_write_index": True}}
    assert made["mappings"]["_meta"] == {"managed_by": "klinecast", "version": FORECASTS.version}
    assert made["settings"]["index"]["auto_expand_replicas"] == "0-1"
    with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
        client.index(index="klinecast-forecasts", document={"surprise": 1})


def test_install_updates_templates_and_names_outdated_indices(client: Elasticsearch) -> None:
    install_indices(client)
    old = {"managed_by": "klinecast", "version": 0}
    client.indices.put_mapping(index="klinecast-klines", meta=old)
    client.cluster.put_component_template(
        name="klinecast-settings", template={"settings": {}}, meta=old
    )

    done = install_indices(client)

    assert done["index klinecast-klines"] == "outdated"
    assert done["component template klinecast-settings"] == "updated"
    assert set(done.values()) == {"outdated", "updated", "unchanged"}
    assert "klinecast-klines is not installed" in str(installed_problem(client))


def test_install_leaves_a_newer_version_alone(client: Elasticsearch) -> None:
    install_indices(client)
    newer = {"managed_by": "klinecast", "version": 99}
    client.indices.put_mapping(index="klinecast-klines", meta=newer)

    with pytest.raises(Conflict, match="index klinecast-klines has version 99"):
        install_indices(client)


def test_install_refuses_an_index_in_place_of_the_alias(client: Elasticsearch) -> None:
    client.indices.create(index="klinecast-klines")

    with pytest.raises(Conflict, match="an index is named klinecast-klines"):
        install_indices(client)


def test_install_refuses_a_strangers_template(client: Elasticsearch) -> None:
    client.cluster.put_component_template(name="klinecast-settings", template={"settings": {}})

    with pytest.raises(Conflict, match="exists and is not Klinecast's"):
        install_indices(client)


def test_install_names_a_server_that_does_not_answer() -> None:
    client = open_cluster(f"http://127.0.0.1:{free_port()}")

    with pytest.raises(ServiceUnavailable, match="does not answer"):
        install_indices(client)
    client.close()


def test_install_command_tells_what_it_did(client: Elasticsearch, elasticsearch_url: str) -> None:
    environment = {"KLINECAST_ELASTICSEARCH_URL": elasticsearch_url}

    first = run_sink(environment, "install", "--json")
    second = run_sink(environment, "install")

    assert (first.returncode, second.returncode) == (0, 0)
    assert orjson.loads(first.stdout)["index klinecast-forecasts"] == "created"
    assert "index klinecast-forecasts: unchanged" in second.stderr


def test_install_command_gives_up_with_one_line() -> None:
    environment = {"KLINECAST_ELASTICSEARCH_URL": f"http://u:secret@127.0.0.1:{free_port()}"}

    done = run_sink(environment, "install", "--wait", "0")

    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "does not answer" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("version", "problem"),
    [("7.17.0", "with version 7.17.0"), ("10.0.0", "with version 10.0.0"), ("x", "version x")],
)
def test_server_of_another_age_is_refused(version: str, problem: str) -> None:
    with recording() as server:
        server.answer("GET /", (200, {"version": {"number": version}}))

        done = run_sink({"KLINECAST_ELASTICSEARCH_URL": server.url}, "install", "--wait", "0")

    assert done.returncode == 1
    assert problem in done.stderr
    assert "expected an Elasticsearch from 8.12 to 9" in done.stderr
