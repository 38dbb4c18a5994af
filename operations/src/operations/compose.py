"""The docker mode: the compose stack, started by `docker compose`, watched through the SDK."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from docker.models.containers import Container

from operations.catalogue import Service, list_services
from operations.compose_command import Compose, compose_version
from operations.engine import (
    engine_answers,
    exit_status,
    health_of,
    list_containers,
    read_facts,
    restarts_of,
    service_of,
)
from operations.layout import Layout
from operations.mode import ServiceReport
from operations.preflight import (
    DOCKER_NEEDS,
    Check,
    check_binance,
    check_engine,
    check_machine,
    check_map_count,
    check_ports,
)
from operations.secret_file import SERVICE_TOKEN, ensure_service_token
from operations.settings import OperateSettings
from operations.state import ComposeState, read_state, write_state
from operations.summary import docker_summary
from operations.waiting import Failure, Progress, wait_for_forecast, wait_until_ready

#: Containers that do one thing and end.
_ONE_SHOT = frozenset(
    {"migrate", "accounts", "service-token", "index-accounts", "index-setup", "object-bucket"}
)
_OBJECT_STORAGE = frozenset({"objects", "object-bucket"})


@dataclass(frozen=True, slots=True)
class ComposeMode:
    """The docker mode of an installation."""

    layout: Layout
    settings: OperateSettings

    @property
    def _compose(self) -> Compose:
        return Compose(self.layout, self.settings)

    def is_running(self) -> bool:
        """Tell whether any container of the stack runs."""
        return any(container.status == "running" for container in self._containers())

    def clear_way(self, progress: Progress, *, demo: bool) -> bool:
        """Tell whether exactly this stack runs; compose itself replaces what changed."""
        state = read_state(ComposeState, self.layout.compose_state)
        lasting = [found for found in self._containers() if service_of(found) not in _ONE_SHOT]
        if state is None or not lasting or any(found.status != "running" for found in lasting):
            return False
        if state.fingerprint == self._compose.fingerprint(demo=demo):
            return {service_of(found) for found in lasting} == set(state.services)
        progress.say("settings or code changed: bringing the stack up to date")
        return False

    def examine(self, *, demo: bool) -> list[Check]:
        """Look whether the machine has what a start needs; ports only when nothing runs."""
        checks = check_engine(read_facts(), compose_version(), DOCKER_NEEDS)
        checks += check_machine(self.layout.root, DOCKER_NEEDS)[:1] + check_map_count()
        if not self.is_running():
            checks += check_ports(self._published(demo=demo))
        return checks + ([] if demo else check_binance(self.settings))

    def start(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Build the images and bring the stack up; return what went wrong, if anything did."""
        limit_s = float(self.settings.start_timeout_s)
        os.environ[SERVICE_TOKEN] = ensure_service_token(self.layout.dotenv)
        progress.say("building the images; the first time this downloads packages")
        if self._compose.run("build", "--quiet", demo=demo, timeout_s=limit_s) != 0:
            return Failure(None, "an image could not be built; the lines above tell why")
        progress.say("starting the containers")
        workers = f"trainer={self.settings.training_workers}"
        arguments = ("up", "--detach", "--no-build", "--remove-orphans", "--scale", workers)
        if self._compose.run(*arguments, demo=demo, timeout_s=limit_s) != 0:
            return self._find_failed() or Failure(None, "the stack did not come up")
        _end_unchosen(self._containers(), self.settings)
        names = sorted({service_of(found) for found in self._containers()} - _ONE_SHOT)
        state = ComposeState(fingerprint=self._compose.fingerprint(demo=demo), services=names)
        write_state(self.layout.compose_state, state)
        return None

    def wait(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Wait until all is ready and, in the demo, a forecast is served."""
        limit_s = float(self.settings.start_timeout_s)
        services = self._services(demo=demo)
        failure = wait_until_ready(services, self._restarts, progress, limit_s)
        if failure is None:
            failure = self._wait_for_health(progress, limit_s)
        if failure is None and demo:
            failure = wait_for_forecast(self.history_url(), self._restarts, progress, limit_s)
        return failure

    def summary(self, *, demo: bool) -> list[str]:
        """Return the closing lines of a start."""
        return docker_summary(self._published(demo=demo), self.settings, demo=demo)

    def history_url(self) -> str:
        """Return where the history API answers on this machine."""
        return f"http://127.0.0.1:{self.settings.history_port}"

    def report(self, *, demo: bool) -> list[ServiceReport]:
        """Return how each lasting container is."""
        services = {service.name: service for service in self._published(demo=demo)}
        found = [item for item in self._containers() if service_of(item) not in _ONE_SHOT]
        present = {service_of(container) for container in found}
        reports = [_report(container, services.get(service_of(container))) for container in found]
        return reports + [
            _absent(service) for name, service in services.items() if name not in present
        ]

    def service_names(self) -> list[str]:
        """Return the names that `logs` takes."""
        return sorted({service_of(container) for container in self._containers()})

    def log_lines(self, service: str, count: int) -> list[str]:
        """Return the last log lines of a service's containers."""
        lines: list[str] = []
        for container in self._containers():
            if service_of(container) == service:
                text: bytes = container.logs(tail=count)
                lines += text.decode(errors="replace").splitlines()
        return lines

    def stop(self) -> bool:
        """Remove the containers; volumes and images stay."""
        if not self._containers():
            return False
        self._compose.run("--profile", "*", "down", "--remove-orphans", demo=False)
        return True

    def remove_data(self) -> list[Path | str]:
        """Remove the stack's volumes."""
        self._compose.run("--profile", "*", "down", "--volumes", "--remove-orphans", demo=False)
        self.layout.compose_state.unlink(missing_ok=True)
        return [f"the volumes of the compose project {self._compose.project}"]

    def _containers(self) -> list[Container]:
        return list_containers(self._compose.project)

    def _services(self, *, demo: bool) -> list[Service]:
        services = list_services(self.settings, demo=demo, index=True)
        # There may be many training workers, so none has a port of this machine.
        return [
            replace(service, port=None) if service.name == "trainer" else service
            for service in services
        ]

    def _published(self, *, demo: bool) -> list[Service]:
        servers = [
            Service("mysql", "MySQL", self.settings.mysql_port, "OPERATE_MYSQL_PORT"),
            Service(
                "elasticsearch", "Elasticsearch", self.settings.elasticsearch_port,
                "OPERATE_ELASTICSEARCH_PORT",
            ),
            Service("kibana", "Kibana", self.settings.kibana_port, "OPERATE_KIBANA_PORT"),
        ]  # fmt: skip
        if self.settings.object_storage:
            servers.append(Service("objects", "S3 server", None, ""))
        return self._services(demo=demo) + servers

    def _restarts(self) -> Mapping[str, int] | None:
        containers = self._containers()
        return {service_of(found): restarts_of(found) for found in containers} or None

    def _wait_for_health(self, progress: Progress, limit_s: float) -> Failure | None:
        # Not every container has a port of this machine to be asked on.
        while unwell := [found for found in self._containers() if _is_unwell(found)]:
            if progress.seconds > limit_s:
                return Failure(service_of(unwell[0]), f"not healthy after {limit_s:.0f} s")
            progress.remind(f"waiting for {service_of(unwell[0])}")
            time.sleep(0.5)
        return None

    def _find_failed(self) -> Failure | None:
        for container in self._containers():
            name = service_of(container)
            if container.status == "exited" and exit_status(container) != 0:
                return Failure(name, f"it ended with status {exit_status(container)}")
            if health_of(container) == "unhealthy":
                return Failure(name, "its health check fails")
        return None


def docker_is_usable() -> bool:
    """Tell whether an engine answers and the compose plugin is there."""
    return engine_answers() and compose_version() is not None


def _end_unchosen(containers: Sequence[Container], settings: OperateSettings) -> None:
    # Compose leaves running what a profile started that is not chosen any more.
    for container in containers:
        if service_of(container) in _OBJECT_STORAGE and not settings.object_storage:
            container.stop()
            container.remove()


def _is_unwell(container: Container) -> bool:
    return service_of(container) not in _ONE_SHOT and health_of(container) not in (None, "healthy")


def _report(container: Container, service: Service | None) -> ServiceReport:
    health = health_of(container)
    running = container.status == "running"
    return ServiceReport(
        name=service_of(container),
        title=service_of(container) if service is None else service.title,
        running=running,
        ready=None if health is None else health == "healthy",
        restarts=restarts_of(container),
        port=None if service is None else service.port,
        detail="" if running and health in (None, "healthy") else f"{container.status}, {health}",
    )


def _absent(service: Service) -> ServiceReport:
    return ServiceReport(
        name=service.name,
        title=service.title,
        running=False,
        ready=None,
        restarts=0,
        port=service.port,
        detail="no container",
    )
