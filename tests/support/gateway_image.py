"""The image of the compose stack's S3 server: the published one, or one built around a
program of this machine where no registry has it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import yaml
from docker.errors import APIError, BuildError, ImageNotFound

from support.installation import ROOT
from support.servers import NotHere

_MODULE = "github.com/versity/versitygw"
#: The published image is Alpine's: its tools are busybox's.
_DOCKERFILE = """\
FROM python:3.12-slim-bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends busybox \\
    && ln -s /bin/busybox /usr/local/bin/wget
COPY versitygw /usr/local/bin/
ENTRYPOINT ["versitygw"]
"""


def gateway_name() -> str:
    """Return the image's name and tag, as the compose file has them."""
    compose = yaml.safe_load((ROOT / "up" / "compose.yaml").read_text())
    return str(compose["services"]["objects"]["image"])


@contextmanager
def gateway_image(client: docker.DockerClient) -> Iterator[None]:
    """Let the engine have the image; one that was built here is removed afterwards.

    Raises:
        NotHere: no registry gives the image, and this machine has no program of its version.
    """
    name = gateway_name()
    if _is_there(client, name):
        yield
        return
    _build(client, name, _find_program(name.rpartition(":")[2]))
    try:
        yield
    finally:
        client.images.remove(name, force=True)


def _is_there(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        try:
            client.images.pull(name)
        except (APIError, OSError):  # refused, or not reached in time
            return False
    return True


def _find_program(version: str) -> Path:
    # Where Go installs to need not be on the PATH.
    places = os.pathsep.join((os.environ.get("PATH", ""), str(Path.home() / "go" / "bin")))
    found = shutil.which("versitygw", path=places)
    # Go writes into a program which versions of which modules it is made of.
    if found is None or f"{_MODULE}\t{version}".encode() not in Path(found).read_bytes():
        raise NotHere(
            f"{gateway_name()} can't be pulled, and versitygw {version} is not on this machine:"
            f" `CGO_ENABLED=0 go install {_MODULE}/cmd/versitygw@{version}` brings it (minutes)"
        )
    return Path(found)


def _build(client: docker.DockerClient, name: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="klinecast-gateway-") as folder:
        (Path(folder) / "Dockerfile").write_text(_DOCKERFILE)
        shutil.copy2(program, Path(folder) / "versitygw")
        try:
            client.images.build(path=folder, tag=name, rm=True)
        except BuildError as error:
            raise NotHere(f"no image could be built around {program}: {error}") from None
