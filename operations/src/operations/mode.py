"""What the two ways of running an installation have in common, and which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from market.errors import Conflict, InvalidParameter
from operations.preflight import Check
from operations.state import Installation, Mode
from operations.waiting import Failure, Progress


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service as `status` shows it.

    Attributes:
        running: whether its process or container lives.
        ready: whether it answers 200 on /readyz; None for one that is not asked.
        detail: why it is not ready, or what happened to it; may be empty.
    """

    name: str
    title: str
    running: bool
    ready: bool | None
    restarts: int
    port: int | None
    detail: str


class Platform(Protocol):
    """A way of running an installation."""

    def is_running(self) -> bool:
        """Tell whether anything of it runs."""
        ...

    def clear_way(self, progress: Progress, *, demo: bool) -> bool:
        """End what must not go on running; return whether what is meant runs already."""
        ...

    def examine(self, *, demo: bool) -> list[Check]:
        """Look whether the machine has what a start needs."""
        ...

    def start(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Start what does not run yet; return what went wrong, if anything did."""
        ...

    def wait(self, progress: Progress, *, demo: bool) -> Failure | None:
        """Wait until all is ready; return what stands in the way."""
        ...

    def summary(self, *, demo: bool) -> list[str]:
        """Return the closing lines of a start."""
        ...

    def report(self, *, demo: bool) -> list[ServiceReport]:
        """Return how each service is."""
        ...

    def history_url(self) -> str:
        """Return where the history API answers on this machine."""
        ...

    def service_names(self) -> Sequence[str]:
        """Return the names that `logs` takes."""
        ...

    def log_lines(self, service: str, count: int) -> list[str]:
        """Return the last log lines of a service."""
        ...

    def stop(self) -> bool:
        """Stop everything; return whether anything ran."""
        ...

    def remove_data(self) -> list[Path | str]:
        """Remove what the installation stored; return what was removed."""
        ...


def choose_mode(asked: Mode | None, installation: Installation, *, engine: bool) -> Mode:
    """Return the mode a start means: the one asked for, else the one in use, else the best.

    Args:
        asked: by --local or --docker, if by either.
        engine: whether a Docker engine answers.
    """
    if asked is not None:
        return asked
    return installation.mode or ("docker" if engine else "local")


def check_demo(installation: Installation, mode: Mode, *, demo: bool) -> None:
    """Hold demo data and live data apart.

    Raises:
        Conflict: the data stored in this mode are of the other kind.
    """
    stored = installation.demo.get(mode)
    if stored is None or stored == demo:
        return
    kind, option = ("a demo", " --demo") if stored else ("live data", "")
    raise Conflict(
        f"this installation holds {kind}, and the two never mix in one store",
        hint=f"Run `sh setup.sh{option}` to go on with it, or `sh setup.sh reset` to start anew.",
    )


def check_service_name(name: str, known: Sequence[str]) -> str:
    """Return the name of a service if there is one.

    Raises:
        InvalidParameter: there is none.
    """
    if name not in known:
        raise InvalidParameter("service", name, "one of " + ", ".join(known))
    return name
