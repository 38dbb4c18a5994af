"""The `docker compose` command: how it is called, with which environment."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from market.errors import ServiceUnavailable
from operations.layout import Layout
from operations.local_plan import code_digest
from operations.secret_file import ensure_secrets
from operations.settings import OperateSettings, read_dotenv

_DEFAULT_PROJECT = "klinecast"


@dataclass(frozen=True, slots=True)
class Compose:
    """One compose project: the stack of this installation."""

    layout: Layout
    settings: OperateSettings

    @property
    def project(self) -> str:
        """The project's name, which its containers and volumes begin with."""
        named = os.environ.get("COMPOSE_PROJECT_NAME")
        return named or read_dotenv(self.layout.dotenv).get(
            "COMPOSE_PROJECT_NAME", _DEFAULT_PROJECT
        )

    def run(self, *arguments: str, demo: bool, timeout_s: float | None = None) -> int:
        """Run a compose command with its progress on our stderr; return its exit status.

        Raises:
            ServiceUnavailable: it did not end in time.
        """
        try:
            done = subprocess.run(
                self._command(*arguments, demo=demo),
                cwd=self.layout.root,
                env=self.environment(demo=demo),
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired:
            raise ServiceUnavailable(
                f"`docker compose {arguments[0]}` took longer than {timeout_s:.0f} s",
                hint="Give it more time with OPERATE_START_TIMEOUT_S.",
            ) from None
        return done.returncode

    def environment(self, *, demo: bool) -> dict[str, str]:
        """Return the environment the compose file is read with."""
        secrets = ensure_secrets(self.layout.dotenv)
        return {
            **os.environ,
            **secrets,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_ANSI": "never",
            **_exchange_variables(demo=demo),
            **_artefact_variables(self.settings, os.environ, secrets),
        }

    def fingerprint(self, *, demo: bool) -> str:
        """Return a hash of all that a start depends on: compose files, settings, code."""
        digest = hashlib.sha256(code_digest(self.layout.root))
        for path in sorted(self.layout.compose_file.parent.rglob("*")):
            if path.is_file():
                digest.update(path.read_bytes())
        ours = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "OPERATE_", "AWS_")
        secrets = tuple(ensure_secrets(self.layout.dotenv))
        for name, value in sorted(self.environment(demo=demo).items()):
            if name.startswith(ours) or name in secrets:
                digest.update(f"{name}={value}\n".encode())
        return digest.hexdigest()[:16]

    def _command(self, *arguments: str, demo: bool) -> list[str]:
        profiles = [("demo", demo), ("object-storage", self.settings.object_storage)]
        chosen = [part for name, on in profiles if on for part in ("--profile", name)]
        if self.settings.models_device == "gpu":
            chosen = ["--file", str(self.layout.compose_gpu_file), *chosen]
        return [
            *("docker", "compose"),
            *("--env-file", str(self.layout.dotenv)),
            *("--file", str(self.layout.compose_file)),
            *chosen,
            *arguments,
        ]


def compose_version() -> str | None:
    """Return the version of the compose plugin, None without one."""
    try:
        done = subprocess.run(
            ["docker", "compose", "version", "--short"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return done.stdout.strip().removeprefix("v") if done.returncode == 0 else None


def _exchange_variables(*, demo: bool) -> dict[str, str]:
    if not demo:
        return {"KLINECAST_DEMO": "false"}
    return {
        "KLINECAST_DEMO": "true",
        "KLINECAST_BINANCE_REST_URL": "http://simulator:8010",
        "KLINECAST_BINANCE_STREAM_URL": "ws://simulator:8010",
        "KLINECAST_BINANCE_ARCHIVE_URL": "http://simulator:8010",
        "KLINECAST_BINANCE_ARCHIVE_LISTING_URL": "http://simulator:8010",
    }


def _artefact_variables(
    settings: OperateSettings, environment: Mapping[str, str], secrets: Mapping[str, str]
) -> dict[str, str]:
    if settings.object_storage:
        return {
            "KLINECAST_ARTEFACTS_URL": "s3://klinecast/artefacts",
            "AWS_ENDPOINT_URL": "http://objects:7070",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": secrets["OBJECTS_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": secrets["OBJECTS_SECRET_KEY"],
            # What the shell says of an account at AWS would not be understood here.
            "AWS_REGION": "us-east-1",
            "AWS_SESSION_TOKEN": "",
        }
    named = environment.get("KLINECAST_ARTEFACTS_URL", "")
    # A folder of this machine means nothing inside a container; there it is a volume.
    return {"KLINECAST_ARTEFACTS_URL": named if named.startswith("s3://") else "file:///artefacts"}
