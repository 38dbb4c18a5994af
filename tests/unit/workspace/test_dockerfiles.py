"""Five images, one way to build them: what their Dockerfiles share must not drift apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.workspace import ROOT

DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))
#: How the lines begin that all of them have.
SHARED = (
    "# syntax",
    "FROM",
    "ENV UV_",
    "WORKDIR",
    "COPY up/build",
    "COPY pyproject.toml",
    "RUN useradd",
    "COPY --from=build",
    "ENV PATH",
    "USER",
)


def instructions(path: Path) -> list[str]:
    """Return the instructions, continued lines joined."""
    return path.read_text().replace("\\\n", " ").splitlines()


def shared(path: Path) -> list[str]:
    pins = re.findall(r"pip install --quiet \S+", path.read_text())
    return [line for line in instructions(path) if line.startswith(SHARED)] + pins


def test_every_service_has_an_image() -> None:
    assert [path.parent.name for path in DOCKERFILES] == [
        "api_historic", "elasticsearch", "models", "populate_base", "simulator",
    ]  # fmt: skip


@pytest.mark.parametrize("path", DOCKERFILES[1:], ids=lambda path: path.parent.name)
def test_what_the_images_share_is_the_same_everywhere(path: Path) -> None:
    assert len(shared(path)) == 13
    assert shared(path) == shared(DOCKERFILES[0])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_the_exposed_port_is_the_one_that_is_asked_for_health(path: Path) -> None:
    text = path.read_text()
    (exposed,) = re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)

    assert f"http://127.0.0.1:{exposed}/readyz" in text
    assert "HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=12" in text
