"""Where an installation keeps its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from market.errors import Conflict


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of the installation in a folder; nothing of it need exist yet.

    Attributes:
        root: the project's folder, absolute.
    """

    root: Path

    @property
    def state_dir(self) -> Path:
        """What this machine runs: state, pids, logs and, by default, the data."""
        return self.root / ".klinecast"

    @property
    def logs(self) -> Path:
        """One file per service of the local mode."""
        return self.state_dir / "logs"

    @property
    def store(self) -> Path:
        """The embedded store of the local mode."""
        return self.state_dir / "klinecast.db"

    @property
    def artefacts(self) -> Path:
        """The published models of the local mode."""
        return self.state_dir / "artefacts"

    @property
    def populator_state(self) -> Path:
        """What the populator keeps beside the store: its spool, and files in quarantine."""
        return self.state_dir / "populator"

    @property
    def segments(self) -> Path:
        """The closed months that the history API keeps ready to be sent."""
        return self.state_dir / "segments"

    @property
    def simulator_state(self) -> Path:
        """The demo's clock."""
        return self.state_dir / "simulator.json"

    @property
    def run_state(self) -> Path:
        """What the supervisor says it runs."""
        return self.state_dir / "state.json"

    @property
    def installation(self) -> Path:
        """What kind of installation this is: its mode, and whether it is a demo."""
        return self.state_dir / "installation.json"

    @property
    def compose_state(self) -> Path:
        """What the compose stack was brought up with."""
        return self.state_dir / "compose.json"

    @property
    def operate_lock(self) -> Path:
        """Held by whoever starts, stops or resets the installation."""
        return self.state_dir / "operate.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.state_dir / "supervisor.lock"

    @property
    def procfile(self) -> Path:
        """The commands of the local mode's services."""
        return self.root / "up" / "Procfile"

    @property
    def compose_file(self) -> Path:
        """The compose stack."""
        return self.root / "up" / "compose.yaml"

    @property
    def compose_gpu_file(self) -> Path:
        """What the compose stack adds for training on a GPU."""
        return self.root / "up" / "compose.gpu.yaml"

    @property
    def dotenv(self) -> Path:
        """Settings and generated secrets."""
        return self.root / ".env"

    @property
    def commands(self) -> Path:
        """The virtual environment's console commands."""
        return self.root / ".venv" / "bin"


def find_layout(folder: Path) -> Layout:
    """Return the layout of the installation in a folder.

    Raises:
        Conflict: the folder is not Klinecast's.
    """
    layout = Layout(folder.resolve())
    if not layout.procfile.is_file():
        raise Conflict(
            f"{folder} is not Klinecast's folder: it has no up/Procfile",
            hint="Run `sh setup.sh` from the folder it lies in.",
        )
    return layout
