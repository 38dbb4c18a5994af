"""The compose stack on a GPU: the image with CUDA, and GPUs for the containers that train."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from operations.compose_command import Compose, compose_version
from operations.layout import Layout
from operations.settings import OperateSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    shutil.copytree(ROOT / "up", tmp_path / "up")
    return Layout(tmp_path)


def read_services(
    layout: Layout, capfd: pytest.CaptureFixture[str], settings: OperateSettings
) -> dict[str, Any]:
    """Return the stack's services as compose itself understands them."""
    if compose_version() is None:
        pytest.skip("no docker compose: its plugin is not installed")
    capfd.readouterr()
    status = Compose(layout, settings).run("config", "--format", "json", demo=False)
    said = capfd.readouterr().err
    assert status == 0, said
    services: dict[str, Any] = json.loads(said[said.index("{") :])["services"]
    return services


def with_gpus(services: dict[str, Any]) -> list[str]:
    """Return the services that reserve a GPU."""
    return [
        name
        for name, service in services.items()
        for device in service.get("deploy", {})
        .get("resources", {})
        .get("reservations", {})
        .get("devices", [])
        if "gpu" in device["capabilities"]
    ]


def test_no_gpu_is_asked_for_by_default(
    layout: Layout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODELS_DEVICE", raising=False)
    services = read_services(layout, capfd, OperateSettings())

    assert with_gpus(services) == []
    assert services["models"]["build"]["args"] == {"MODELS_DEVICE": "cpu"}


def test_only_what_trains_gets_the_gpus(
    layout: Layout, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELS_DEVICE", "gpu")
    services = read_services(layout, capfd, OperateSettings())

    assert with_gpus(services) == ["trainer"]
    assert services["trainer"]["environment"]["MODELS_DEVICE"] == "gpu"
    assert services["models"]["build"]["args"] == {"MODELS_DEVICE": "gpu"}
