"""The compose file: what the services may be told, and who may be reached from where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from api_historic.settings import HistorySettings
from forecast_sink.settings import InstallSettings, SinkSettings
from forecasting.settings import ModelSettings
from market.settings import SettingsPart, variable_name
from operations.secret_file import GENERATED
from populate_base.settings import PopulateSettings

ROOT = Path(__file__).parents[3]
SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "up" / "compose.yaml").read_text())["services"]
SETTINGS = {
    "populator": PopulateSettings,
    "history": HistorySettings,
    "models": ModelSettings,
    "trainer": ModelSettings,
    "sink": SinkSettings,
    "index-setup": InstallSettings,
}
#: Set in the image, or of another container's business.
ELSEWHERE = {
    "history": {"HISTORY_WEB_DIR"},
    "models": {"MODELS_WORK_HOST", "MODELS_WORK_PORT"},
    "sink": {"KLINECAST_KIBANA_URL"},
}
OURS = ["service-token", "populator", "history", "models", "trainer", "sink", "simulator"]


@pytest.mark.parametrize(("service", "kind"), SETTINGS.items())
def test_service_can_be_told_every_setting_it_knows(service: str, kind: type[SettingsPart]) -> None:
    known = {variable_name(kind, field) for field in kind.model_fields}
    told = set(SERVICES[service]["environment"])

    assert known - told - ELSEWHERE.get(service, set()) == set()


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_the_loopback_only(service: str) -> None:
    for port in SERVICES[service].get("ports", []):
        assert port.startswith("127.0.0.1:${")


@pytest.mark.parametrize("service", OURS)
def test_our_containers_have_no_privileges(service: str) -> None:
    container = SERVICES[service]

    assert container["cap_drop"] == ["ALL"]
    assert container["read_only"] is True
    assert container["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("service", SERVICES)
def test_container_knows_no_secret_but_its_own(service: str) -> None:
    environment = SERVICES[service].get("environment", {})
    named = {
        secret for secret in GENERATED for value in environment.values() if secret in str(value)
    }
    allowed = {
        "migrate": {"MYSQL_OWNER_PASSWORD"},
        "populator": {"MYSQL_POPULATOR_PASSWORD"},
        "history": {"MYSQL_HISTORY_PASSWORD"},
        "service-token": {"MYSQL_HISTORY_PASSWORD", "MODELS_HISTORY_TOKEN"},
        "models": {"MYSQL_MODELS_PASSWORD", "MODELS_HISTORY_TOKEN"},
        "trainer": {"MYSQL_MODELS_PASSWORD", "MODELS_HISTORY_TOKEN"},
        "sink": {"MYSQL_SINK_PASSWORD", "SINK_USER_PASSWORD"},
        "elasticsearch": {"ELASTIC_PASSWORD"},
        "index-accounts": {"ELASTIC_PASSWORD", "KIBANA_SYSTEM_PASSWORD", "SINK_USER_PASSWORD"},
        # Indices of an older version are made anew from the store.
        "index-setup": {"ELASTIC_PASSWORD", "MYSQL_SINK_PASSWORD"},
        "kibana": {"KIBANA_SYSTEM_PASSWORD", "KIBANA_ENCRYPTION_KEY"},
        "objects": {"OBJECTS_ACCESS_KEY", "OBJECTS_SECRET_KEY"},
        "object-bucket": {"OBJECTS_ACCESS_KEY", "OBJECTS_SECRET_KEY"},
    }
    assert named <= allowed.get(service, set())


@pytest.mark.parametrize("service", SERVICES)
def test_images_are_pinned(service: str) -> None:
    image = SERVICES[service]["image"]

    assert ":" in image
    assert not image.endswith(":latest")
