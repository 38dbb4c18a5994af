"""What the local mode runs: the services' commands and their environment, decided purely."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from honcho.environ import parse_procfile

from operations.catalogue import Service, list_services
from operations.layout import Layout
from operations.settings import OperateSettings

_OURS = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "SIMULATOR_", "AWS_")


@dataclass(frozen=True, slots=True)
class LocalPlan:
    """One start of the local mode.

    Attributes:
        services: in the order they are started.
        environment: the variables every service gets.
        fingerprint: changes when settings, commands or the code change.
        demo: whether the exchange is the simulator.
    """

    services: tuple[Service, ...]
    environment: Mapping[str, str]
    fingerprint: str
    demo: bool

    @property
    def history_url(self) -> str:
        """The history API and the page."""
        return self.environment["KLINECAST_HISTORY_URL"]


def build_local_plan(
    settings: OperateSettings, layout: Layout, base: Mapping[str, str], *, demo: bool
) -> LocalPlan:
    """Return what a start with these settings runs.

    Args:
        base: the environment to build on; its settings win over the defaults of this mode.
        demo: whether to run the simulator; its address then wins over Binance's.
    """
    index = settings.elasticsearch_url is not None
    services = tuple(list_services(settings, demo=demo, index=index))
    environment = build_environment(settings, layout, base, demo=demo)
    commands = read_commands(layout.procfile)
    shown = [f"{service.name}: {commands[service.name]}" for service in services]
    shown += [f"{name}={value}" for name, value in environment.items() if name.startswith(_OURS)]
    fingerprint = hashlib.sha256("\n".join(sorted(shown)).encode())
    fingerprint.update(code_digest(layout.root))
    return LocalPlan(services, environment, fingerprint.hexdigest()[:16], demo)


def build_environment(
    settings: OperateSettings, layout: Layout, base: Mapping[str, str], *, demo: bool
) -> dict[str, str]:
    """Return the environment of the local mode's services."""
    history_url = f"http://127.0.0.1:{settings.history_port}"
    defaults = {
        "KLINECAST_STORE_URL": f"sqlite:///{layout.store}",
        "KLINECAST_ARTEFACTS_URL": layout.artefacts.as_uri(),
        "KLINECAST_HISTORY_URL": history_url,
        "POPULATE_STATE_DIR": str(layout.populator_state),
        "MODELS_WORK_PORT": str(settings.models_work_port),
        "HISTORY_SEGMENTS_DIR": str(layout.segments),
        "HISTORY_WEB_DIR": str(layout.root / "web"),
    }
    fixed = {
        "KLINECAST_DEMO": "true" if demo else "false",
        "PATH": os.pathsep.join([str(layout.commands), base.get("PATH", os.defpath)]),
    }
    if demo:
        port = settings.simulator_port
        fixed |= {
            "SIMULATOR_PORT": str(port),
            "SIMULATOR_STATE": str(layout.simulator_state),
            "KLINECAST_BINANCE_REST_URL": f"http://127.0.0.1:{port}",
            "KLINECAST_BINANCE_STREAM_URL": f"ws://127.0.0.1:{port}",
            "KLINECAST_BINANCE_ARCHIVE_URL": f"http://127.0.0.1:{port}",
            "KLINECAST_BINANCE_ARCHIVE_LISTING_URL": f"http://127.0.0.1:{port}",
        }
    return {**defaults, **base, **fixed}


def read_commands(procfile: Path) -> dict[str, str]:
    """Return the shell command of each service in a Procfile."""
    return dict(parse_procfile(procfile.read_text()).processes)


def code_digest(root: Path) -> bytes:
    """Return a hash of the code and of the lock file, so that an update is noticed."""
    digest = hashlib.sha256()
    for path in _code_files(root):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def _code_files(root: Path) -> Iterable[Path]:
    yield root / "uv.lock"
    yield from sorted(root.glob("*/src/**/*.py"))
