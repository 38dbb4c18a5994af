"""A real Elasticsearch node: the fixture, and from a shell one node in a folder.

    PYTHONPATH=tests python -m support.elasticsearch up FOLDER [--port N] [setting=value ...]

prints `ready http://127.0.0.1:PORT`, runs in the foreground until SIGTERM, and keeps its
data in FOLDER. The node is put together from the jars of Maven Central; it is the published
server without the modules that are not published (scripts, x-pack and with it security).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support.processes import StartFailed, running, wait_until
from support.servers import NotHere, first_server, from_docker, from_environment

_IMAGE = "docker.elastic.co/elasticsearch/elasticsearch:8.19.4"
_SOURCE = Path(__file__).parent / "elasticsearch_node"
_CLASS_PATH_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
_OLDEST_JAVA = 17
_HEAP = "512m"


class Node(NamedTuple):
    """A running node: its address, the folder of its data, its process and its log."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def run_node(
    folder: Path, *, port: int = 0, settings: Mapping[str, str] | None = None
) -> Iterator[Node]:
    """Run a node on the data in `folder`, made where it is missing; `settings` are the node's own.

    Raises:
        NotHere: this machine can't run one, or it did not start; the message says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "node.log"
    log.write_bytes(b"")
    with running(_command(folder, port, settings or {}), log) as process:
        try:
            wait_until(
                lambda: _address(log) != "", "the node", process=process, log=log, limit_s=180
            )
        except StartFailed as error:
            raise NotHere(f"Elasticsearch did not start: {error}") from None
        yield Node(_address(log), folder, process, log)


def _command(folder: Path, port: int, settings: Mapping[str, str]) -> list[str]:
    java = _java()
    class_path = _build()
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    chosen = {
        "cluster.name": "klinecast-test",
        "node.name": "klinecast-test-node",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": "0",
        "discovery.type": "single-node",
        # A nearly full disk would make the indices read-only.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        "logger.level": "WARN",
        **settings,
    }
    return [
        java,
        f"-Xms{_HEAP}",
        f"-Xmx{_HEAP}",
        "-XX:+UseSerialGC",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={temporary}",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        *("-cp", class_path),
        "org.elasticsearch.plugins.JarNode",
        str(folder),
        *(f"{name}={value}" for name, value in chosen.items()),
    ]


def _address(log: Path) -> str:
    found = re.search(r"^ready (http\S+)\n", log.read_text(errors="replace"), re.MULTILINE)
    return found.group(1) if found else ""


def _program(name: str) -> str:
    home = os.environ.get("JAVA_HOME")
    where = f"{home}/bin:{os.environ.get('PATH', '')}" if home else None
    program = shutil.which(name, path=where)
    if program is None:
        raise NotHere(f"{name} is not installed")
    return program


def _java() -> str:
    java = _program("java")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version.group(1)) < _OLDEST_JAVA:
        raise NotHere(f"{java} is not Java {_OLDEST_JAVA} or later")
    return java


def _build() -> str:
    """Return the class path, resolved and compiled once for each state of the sources."""
    pom = _SOURCE / "pom.xml"
    source = _SOURCE / "org/elasticsearch/plugins/JarNode.java"
    state = hashlib.sha256(pom.read_bytes() + source.read_bytes()).hexdigest()[:12]
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "klinecast-tests" / f"elasticsearch-node-{state}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        class_path = folder / "class-path"
        jars = class_path.read_text().strip() if class_path.exists() else ""
        if not jars or not all(Path(jar).exists() for jar in jars.split(os.pathsep)):
            jars = _resolve(pom, folder / "resolving")
            _run([_program("javac"), "-nowarn", "-cp", jars, "-d", str(folder), str(source)])
            class_path.write_text(jars)
    return f"{folder}{os.pathsep}{jars}"


def _resolve(pom: Path, answer: Path) -> str:
    _run(
        [
            _program("mvn"),
            *("-q", "-B", "-f", str(pom)),
            _CLASS_PATH_GOAL,
            "-DincludeScope=runtime",
            f"-Dmdep.outputFile={answer}",
        ]
    )
    return answer.read_text().strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=840)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-500:]
        raise NotHere(f"{Path(command[0]).name} failed: {said}")


def is_up(url: str) -> bool:
    """Tell whether a cluster answers there and has its primary shards."""
    try:
        answer = httpx.get(f"{url}/_cluster/health", timeout=5)
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and answer.json()["status"] in ("yellow", "green")


def remove_ours(url: str) -> None:
    """Remove everything named `klinecast-*`: indices, index templates and their components."""
    with httpx.Client(base_url=url, timeout=60) as client:
        # By name: a server may refuse to remove indices by a pattern.
        for index in client.get("/klinecast-*").raise_for_status().json():
            client.delete(f"/{index}").raise_for_status()
        for kind in ("_index_template", "_component_template"):
            removed = client.delete(f"/{kind}/klinecast-*")
            if removed.status_code != 404:
                removed.raise_for_status()


@contextmanager
def _from_jars() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="klinecast-elasticsearch-"))
    try:
        with run_node(folder) as node:
            yield node.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[str]:
    """An Elasticsearch without security: the URL that `elasticsearch_url` gives."""
    docker = from_docker(
        os.environ.get("KLINECAST_TEST_ELASTICSEARCH_IMAGE", _IMAGE),
        9200,
        "http://127.0.0.1:{port}",
        is_up,
        environment={
            "discovery.type": "single-node",
            "xpack.security.enabled": "false",
            "ES_JAVA_OPTS": f"-Xms{_HEAP} -Xmx{_HEAP}",
        },
    )
    providers = [from_environment("KLINECAST_TEST_ELASTICSEARCH_URL"), docker, _from_jars]
    with first_server("Elasticsearch", providers) as url:
        yield url.rstrip("/")


@pytest.fixture(scope="session")
def elasticsearch_url(elasticsearch_server: str) -> str:
    """The URL of a real Elasticsearch. Tests may remove everything named `klinecast-*` there."""
    return elasticsearch_server


def main(arguments: list[str]) -> int:
    """Run one node in the foreground: `up FOLDER [--port N] [setting=value ...]`."""
    if len(arguments) < 2 or arguments[0] != "up":
        sys.stderr.write(f"{__doc__}\n")
        return 2
    rest = arguments[2:]
    port = int(rest[1]) if rest[:1] == ["--port"] else 0
    settings = dict(pair.split("=", 1) for pair in rest if "=" in pair)
    folder = Path(arguments[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        command = _command(folder, port, settings)
    except NotHere as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.flush()
    os.execv(command[0], command)  # signals then reach the node itself


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
