"""The Docker engine, asked through its SDK."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import DockerException
from docker.models.containers import Container

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What an engine says of itself: its version, and the memory it may use in bytes."""

    version: str
    memory: int


def connect() -> docker.DockerClient | None:
    """Return a client of the engine that the `docker` command would use, None without one."""
    try:
        if os.environ.get("DOCKER_HOST"):
            client = docker.from_env(timeout=20)
        else:
            context = docker.ContextAPI.get_current_context()
            host = None if context is None else context.Host
            client = docker.DockerClient(base_url=host or None, timeout=20)
        client.ping()
    except (DockerException, OSError):
        return None
    return client


def engine_answers() -> bool:
    """Tell whether a Docker engine can be reached."""
    client = connect()
    if client is None:
        return False
    client.close()
    return True


def read_facts() -> EngineFacts | None:
    """Return what the engine says of itself, None without one."""
    client = connect()
    if client is None:
        return None
    try:
        facts: dict[str, Any] = client.info()
    finally:
        client.close()
    return EngineFacts(str(facts["ServerVersion"]), int(facts["MemTotal"]))


def list_containers(project: str) -> list[Container]:
    """Return the containers of a compose project, running or not; none without an engine."""
    client = connect()
    if client is None:
        return []
    found: list[Container] = client.containers.list(
        all=True, filters={"label": f"{PROJECT_LABEL}={project}"}
    )
    return found


def service_of(container: Container) -> str:
    """Return the compose service a container belongs to."""
    return str(container.labels[SERVICE_LABEL])


def health_of(container: Container) -> str | None:
    """Return "healthy", "unhealthy" or "starting"; None for a container without a check."""
    health = container.attrs["State"].get("Health")
    return None if health is None else str(health["Status"])


def exit_status(container: Container) -> int:
    """Return how a container ended last."""
    return int(container.attrs["State"]["ExitCode"])


def restarts_of(container: Container) -> int:
    """Return how often the engine brought a container back."""
    return int(container.attrs["RestartCount"])
