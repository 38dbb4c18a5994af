"""The services of an installation: their names, what they are, where their health is."""

from __future__ import annotations

from dataclasses import dataclass

from operations.settings import OperateSettings


@dataclass(frozen=True, slots=True)
class Service:
    """One of Klinecast's processes, by the name it has in up/Procfile and up/compose.yaml.

    Attributes:
        port: where it answers /readyz on the loopback; None for one that serves nothing.
        port_variable: the setting of that port.
        starts_with: "always", or only in the "demo", or only with an "index" (Elasticsearch).
    """

    name: str
    title: str
    port: int | None
    port_variable: str
    starts_with: str = "always"

    @property
    def health_url(self) -> str | None:
        """Where the service says whether it is ready."""
        return None if self.port is None else f"http://127.0.0.1:{self.port}/readyz"


def list_services(settings: OperateSettings, *, demo: bool, index: bool) -> list[Service]:
    """Return the services an installation runs, in the order they are started.

    Args:
        demo: whether the exchange is the simulator.
        index: whether there is an Elasticsearch to write to.
    """
    wanted = {"always": True, "demo": demo, "index": index}
    everything = [
        Service(
            "simulator", "simulated exchange", settings.simulator_port, "OPERATE_SIMULATOR_PORT",
            "demo",
        ),
        Service("history", "history API and page", settings.history_port, "HISTORY_PORT"),
        Service("populator", "populator", settings.populate_port, "POPULATE_PORT"),
        Service("models", "model API", settings.models_port, "MODELS_PORT"),
        Service("trainer", "training worker", settings.models_work_port, "MODELS_WORK_PORT"),
        Service("sink", "Elasticsearch sink", settings.sink_port, "SINK_PORT", "index"),
    ]  # fmt: skip
    return [service for service in everything if wanted[service.starts_with]]
