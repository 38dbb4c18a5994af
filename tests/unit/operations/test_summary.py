"""The closing text of a start."""

from __future__ import annotations

from operations.catalogue import list_services
from operations.settings import OperateSettings
from operations.summary import docker_summary, list_missing, local_summary


def test_bare_local_mode_names_every_missing_part() -> None:
    missing = list_missing(OperateSettings())

    assert [part.part for part in missing] == ["MySQL", "Elasticsearch", "Kibana"]
    assert all(part.remedy for part in missing)


def test_named_servers_are_not_missing() -> None:
    settings = OperateSettings(
        store_url="mysql://a:b@127.0.0.1/c",
        elasticsearch_url="http://127.0.0.1:9200",
        kibana_url="http://127.0.0.1:5601",
    )

    assert list_missing(settings) == []


def test_kibana_needs_an_elasticsearch() -> None:
    missing = list_missing(OperateSettings(kibana_url="http://127.0.0.1:5601"))

    assert "Kibana" in [part.part for part in missing]


def test_summary_ends_with_three_commands_on_the_real_port() -> None:
    settings = OperateSettings(history_port=8123)

    lines = local_summary(list_services(settings, demo=True, index=False), settings, demo=True)

    assert lines[-4] == "Try:"
    assert sum(":8123/" in line for line in lines[-3:]) == 2
    assert "DEMO" in lines[0]


def test_summary_never_shows_a_password() -> None:
    settings = OperateSettings(
        store_url="mysql://a:hidden@127.0.0.1/c", elasticsearch_url="http://u:hidden@127.0.0.1:9200"
    )
    services = list_services(settings, demo=False, index=True)

    assert "hidden" not in "\n".join(local_summary(services, settings, demo=False))
    assert "hidden" not in "\n".join(docker_summary(services, settings, demo=False))
