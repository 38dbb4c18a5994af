"""The local mode: one virtual environment, the services under our supervisor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from market.errors import ServiceUnavailable
from operations.catalogue import Service
from operations.layout import Layout
from operations.local_plan import LocalPlan, build_local_plan, read_commands
from operations.mode import ServiceReport
from operations.preflight import (
    LOCAL_NEEDS,
    Check,
    check_binance,
    check_elasticsearch,
    check_machine,
    check_ports,
    check_processors,
)
from operations.probe import Health, ask_health
from operations.processes import ProcessId, end_processes, identify, is_alive
from operations.secret_file import SERVICE_TOKEN, ensure_service_token
from operations.settings import OperateSettings
from operations.state import RunState, ServiceState, lock_is_held, read_state
from operations.summary import local_summary
from operations.supervisor import GRACE_S
from operations.waiting import Failure, Progress, wait_for_forecast, wait_until_ready

_SUPERVISOR_START_S = 20.0
ADOPT_TOKEN = ("klinecast-history", "tokens", "adopt", "--label", "services", "--scope", "read")


@dataclass(frozen=True, slots=True)
class LocalMode:
    """The local mode of an installation."""

    layout: Layout
    settings: OperateSettings

    def is_running(self) -> bool:
        """Tell whether the supervisor lives."""
        return lock_is_held(self.layout.supervisor_lock)

    def plan(self, *, demo: bool) -> LocalPlan:
        """Return what a start with these settings runs."""
        return build_local_plan(self.settings, self.layout, os.environ, demo=demo)

    def clear_way(self, progress: Progress, *, demo: bool) -> bool:
        """End what runs with other settings or code, and what outlived its supervisor."""
        if self._runs(self.plan(demo=demo)):
            return True
        if self.is_running():
            progress.say("settings or code changed: starting again")
        self.stop()
        return False

    def examine(self, *, demo: bool) -> list[Check]:
        """Look whether the machine has what a start needs; ports only when nothing runs."""
        checks = check_machine(self.layout.root, LOCAL_NEEDS) + check_processors()
        if not self.is_running():
            checks += check_ports(self.plan(demo=demo).services)
        checks += check_elasticsearch(self.settings)
        return checks + ([] if demo else check_binance(self.settings))

    def start(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Prepare store and index, then start the supervisor; its services come up by themselves.

        Raises:
            ServiceUnavailable: a preparing step or the supervisor itself failed.
        """
        token = ensure_service_token(self.layout.dotenv)
        os.environ[SERVICE_TOKEN] = token  # for the services, and for what we ask them
        plan = self.plan(demo=demo)
        progress.say("bringing the store's schema up to date")
        self._prepare(plan, "klinecast-market", "migrate")
        self._prepare(plan, *ADOPT_TOKEN, given=token)
        if self.settings.elasticsearch_url is not None:
            progress.say("installing index templates and dashboards")
            self._prepare(plan, "forecast-sink", "install")
        progress.say("starting " + ", ".join(service.name for service in plan.services))
        self._spawn_supervisor(plan)
        return None

    def wait(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Wait until all is ready and, in the demo, a forecast is served."""
        services = self.plan(demo=demo).services
        limit_s = float(self.settings.start_timeout_s)
        failure = wait_until_ready(services, self._restarts, progress, limit_s)
        if failure is None and demo:
            failure = wait_for_forecast(self.history_url(), self._restarts, progress, limit_s)
        return failure

    def summary(self, *, demo: bool) -> list[str]:
        """Return the closing lines of a start."""
        return local_summary(self.plan(demo=demo).services, self.settings, demo=demo)

    def history_url(self) -> str:
        """Return where the history API answers on this machine."""
        return f"http://127.0.0.1:{self.settings.history_port}"

    def report(self, *, demo: bool) -> list[ServiceReport]:
        """Return how each service is: its process, its restarts, its /readyz."""
        state = self._run_state()
        seen = {} if state is None else state.services
        services = self.plan(demo=demo).services
        reports = [_report(service, seen.get(service.name, ServiceState())) for service in services]
        return [self._supervisor_report(), *reports]

    def _supervisor_report(self) -> ServiceReport:
        running = self.is_running()
        return ServiceReport(
            name="supervisor",
            title="supervisor",
            running=running,
            ready=None,
            restarts=0,
            port=None,
            detail="" if running else "services that fall stay down; run setup.sh again",
        )

    def service_names(self) -> list[str]:
        """Return the names that `logs` takes."""
        return [*read_commands(self.layout.procfile), "supervisor"]

    def log_lines(self, service: str, count: int) -> list[str]:
        """Return the last log lines of a service."""
        return last_lines(self.layout.logs / f"{service}.log", count)

    def remove_data(self) -> list[Path | str]:
        """Remove the embedded store, what services keep beside it, and the logs."""
        database = self.layout.store
        targets = [database, database.with_name(f"{database.name}-wal")]
        targets += [database.with_name(f"{database.name}-shm"), self.layout.artefacts]
        targets += [self.layout.populator_state, self.layout.simulator_state, self.layout.logs]
        removed: list[Path | str] = [target for target in targets if target.exists()]
        for target in targets:
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)
        return removed

    def stop(self) -> bool:
        """End supervisor and services; return whether there was something to end."""
        running = self.is_running()
        if running:
            state = self._run_state()
            supervisor = identify(state.supervisor) if state is not None else None
            if supervisor is not None:
                # The supervisor gives its services their grace before it ends itself.
                end_processes([supervisor], grace_s=GRACE_S + 5)
        return self._end_leftovers() or running

    def _end_leftovers(self) -> bool:
        # Services go on when their supervisor is killed.
        if self.is_running():
            return False
        state = self._run_state()
        if state is None:
            return False
        found: list[ProcessId] = [
            service.process
            for service in state.services.values()
            if service.process is not None and is_alive(service.process)
        ]
        end_processes(found, grace_s=GRACE_S)
        self.layout.run_state.unlink(missing_ok=True)
        return bool(found)

    def _run_state(self) -> RunState | None:
        return read_state(RunState, self.layout.run_state)

    def _runs(self, plan: LocalPlan) -> bool:
        state = self._run_state()
        return self.is_running() and state is not None and state.fingerprint == plan.fingerprint

    def _prepare(self, plan: LocalPlan, *command: str, given: str = "") -> None:
        done = subprocess.run(
            command,
            cwd=self.layout.root,
            env=dict(plan.environment),
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-8:]
            raise ServiceUnavailable(f"`{' '.join(command)}` failed:\n" + "\n".join(said))

    def _spawn_supervisor(self, plan: LocalPlan) -> None:
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        names = [part for service in plan.services for part in ("--service", service.name)]
        with (self.layout.logs / "supervisor.log").open("ab") as output:
            process = subprocess.Popen(
                [*_operate_command(), "supervise", "--fingerprint", plan.fingerprint, *names],
                cwd=self.layout.root,
                env=dict(plan.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SUPERVISOR_START_S
        while self._run_state() is None:
            if process.poll() is not None or time.monotonic() > deadline:
                lines = "\n".join(last_lines(self.layout.logs / "supervisor.log"))
                raise ServiceUnavailable(f"the supervisor did not start:\n{lines}")
            time.sleep(0.1)

    def _restarts(self) -> Mapping[str, int] | None:
        state = self._run_state()
        if state is None or not self.is_running():
            return None
        return {name: service.restarts for name, service in state.services.items()}


def _report(service: Service, state: ServiceState) -> ServiceReport:
    running = state.process is not None and is_alive(state.process)
    health = ask_health(service) if running else Health(False, _end_of(state))
    return ServiceReport(
        name=service.name,
        title=service.title,
        running=running,
        ready=health.ready if running and service.port is not None else None,
        restarts=state.restarts,
        port=service.port,
        detail=health.reason,
    )


def _end_of(state: ServiceState) -> str:
    return "not running" if state.ended is None else f"ended with status {state.ended}"


def _operate_command() -> list[str]:
    return [sys.executable, "-m", "operations"]


def last_lines(path: Path, count: int = 20) -> list[str]:
    """Return the last lines of a log; none when there is no such file."""
    try:
        with path.open("rb") as log_file:
            log_file.seek(0, os.SEEK_END)
            log_file.seek(max(0, log_file.tell() - 400 * count))
            text = log_file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-count:]
