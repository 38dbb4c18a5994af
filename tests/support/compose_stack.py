"""The compose stack as one installation: its containers, its stores, what it wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import docker
import httpx
from docker.models.containers import Container
from docker.models.volumes import Volume

from operations.engine import PROJECT_LABEL, service_of
from operations.settings import read_dotenv
from support.installation import Copy, Installation
from support.processes import wait_until

#: Services that stay up.
LASTING = [
    "simulator", "history", "populator", "models", "trainer", "sink", "mysql", "elasticsearch",
    "kibana",
]  # fmt: skip
OURS = LASTING[:6]

_LIST_BUCKET = """
import json, obstore
from obstore.store import from_url
store = from_url("s3://klinecast", region="us-east-1", client_options={"allow_http": True})
print(json.dumps([entry["path"] for page in obstore.list(store) for entry in page]))
"""
_ASK_WITHOUT_KEY = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://objects:7070/{path}", timeout=10).status)
except urllib.error.HTTPError as refusal:
    print(refusal.code)
"""


class Stack(Installation):
    """The compose stack under trial.

    Attributes:
        without_objects: why it has no S3 server of its own; None when it has.
        lasting: the services that stay up.
    """

    def __init__(
        self, copy: Copy, client: docker.DockerClient, *, without_objects: str | None
    ) -> None:
        super().__init__(copy, copy.setup("--docker", "--demo", timeout_s=1400))
        self.client = client
        self.secrets = read_dotenv(copy.folder / ".env")
        self.without_objects = without_objects
        self.lasting = [*LASTING, "objects"] if without_objects is None else LASTING

    @property
    def _owned(self) -> dict[str, str]:
        return {"label": f"{PROJECT_LABEL}={self.copy.environment['COMPOSE_PROJECT_NAME']}"}

    def containers(self) -> list[Container]:
        """Return every container of the project."""
        found: list[Container] = self.client.containers.list(all=True, filters=self._owned)
        return found

    def volumes(self) -> list[Volume]:
        """Return every volume of the project."""
        found: list[Volume] = self.client.volumes.list(filters=self._owned)
        return found

    def container(self, service: str) -> Container:
        """Return the one container of a service."""
        (found,) = [one for one in self.containers() if service_of(one) == service]
        return found

    def starts(self) -> dict[str, str]:
        """Return when each lasting container was started."""
        return {
            service_of(one): one.attrs["State"]["StartedAt"]
            for one in self.containers()
            if service_of(one) in self.lasting
        }

    def kill(self, service: str) -> None:
        """Kill a container's process, and wait until the engine has started it again.

        Raises:
            PermissionError, ProcessLookupError: its processes are not this machine's.
        """
        before = self.container(service).attrs["State"]
        # From outside: the engine takes its own `kill` for a wish, and brings nothing back.
        os.kill(before["Pid"], signal.SIGKILL)
        wait_until(
            lambda: self.starts()[service] > before["StartedAt"], f"{service} again", limit_s=60
        )

    def run_python(
        self, service: str, program: str, environment: dict[str, str] | None = None
    ) -> Any:
        """Run a program inside a service's container; return the JSON that it prints."""
        container = self.container(service)
        status, said = container.exec_run(["python", "-c", program], environment=environment)
        assert status == 0, said.decode()
        return json.loads(said)

    def published(self) -> list[str]:
        """Return the names of the objects in the bucket, read with the generated keys."""
        keys = {
            "AWS_ACCESS_KEY_ID": self.secrets["OBJECTS_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": self.secrets["OBJECTS_SECRET_KEY"],
        }
        names: list[str] = self.run_python("models", _LIST_BUCKET, keys)
        return names

    def status_without_key(self, path: str) -> int:
        """Return the status the S3 server answers a neighbour with that has no key."""
        return int(self.run_python("history", _ASK_WITHOUT_KEY.format(path=path)))

    def query(self, user: str, sql: str) -> subprocess.CompletedProcess[str]:
        """Run a statement as one of the MySQL users, inside the server's container."""
        return subprocess.run(
            [
                *("docker", "exec", "-e", "MYSQL_PWD", self.container("mysql").id),
                *("mysql", "-h", "127.0.0.1", "-u", user, "-N", "-e", sql, "klinecast"),
            ],
            env={**os.environ, "MYSQL_PWD": self.secrets[f"MYSQL_{user.upper()}_PASSWORD"]},
            capture_output=True,
            text=True,
            check=False,
        )

    def indexed(self) -> int:
        """Return how many documents of forecasts Elasticsearch holds."""
        url = f"{self.url('OPERATE_ELASTICSEARCH_PORT')}/klinecast-forecasts/_count"
        answer = httpx.get(url, auth=("elastic", self.secrets["ELASTIC_PASSWORD"]), timeout=30)
        return int(answer.raise_for_status().json()["count"])
