"""The environment that the compose file is read with."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.compose_command import Compose
from operations.layout import Layout
from operations.settings import OperateSettings, read_dotenv


def test_own_object_store_is_reached_with_its_keys_whatever_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "of an account at AWS")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("KLINECAST_ARTEFACTS_URL", "s3://elsewhere/models")
    compose = Compose(Layout(tmp_path), OperateSettings(object_storage=True))

    environment = compose.environment(demo=True)

    secrets = read_dotenv(tmp_path / ".env")
    assert {name: environment[name] for name in environment if name.startswith("AWS_")} == {
        "AWS_ENDPOINT_URL": "http://objects:7070",
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": secrets["OBJECTS_ACCESS_KEY"],
        "AWS_SECRET_ACCESS_KEY": secrets["OBJECTS_SECRET_KEY"],
        "AWS_SESSION_TOKEN": "",
    }
    assert environment["KLINECAST_ARTEFACTS_URL"] == "s3://klinecast/artefacts"


def test_object_store_of_ones_own_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("KLINECAST_ARTEFACTS_URL", "s3://elsewhere/models")
    compose = Compose(Layout(tmp_path), OperateSettings())

    environment = compose.environment(demo=True)

    assert environment["KLINECAST_ARTEFACTS_URL"] == "s3://elsewhere/models"
    assert environment["AWS_REGION"] == "eu-west-1"
