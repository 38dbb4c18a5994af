"""A real S3 server, and a fresh bucket on it for every test."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import obstore
import pytest
from obstore.store import S3Store

from support.ports import free_port
from support.processes import StartFailed, running, wait_until
from support.servers import NotHere, first_server, from_docker, from_environment, from_tools

_REGION = "us-east-1"
_KEYS = {"MINIO_ROOT_USER": "market", "MINIO_ROOT_PASSWORD": "market-secret"}


def s3_environment(url: str, prefix: str = "artefacts") -> dict[str, str]:
    """Return the settings that make an `s3_url` the place of artefacts."""
    parsed = httpx.URL(url)
    return {
        "KLINECAST_ARTEFACTS_URL": f"s3:/{parsed.path}/{prefix}",
        "AWS_ENDPOINT_URL": f"{parsed.scheme}://{parsed.host}:{parsed.port}",
        "AWS_ACCESS_KEY_ID": parsed.username,
        "AWS_SECRET_ACCESS_KEY": parsed.password,
        "AWS_REGION": _REGION,
        "AWS_ALLOW_HTTP": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
    }


def _signed(method: str, url: httpx.URL, path: str) -> int:
    """Send an empty request signed as AWS wants it (Signature Version 4); return its status."""
    moment = datetime.now(UTC)
    stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
    nothing = hashlib.sha256(b"").hexdigest()
    host = f"{url.host}:{url.port}"
    names = "host;x-amz-content-sha256;x-amz-date"
    headers = f"host:{host}\nx-amz-content-sha256:{nothing}\nx-amz-date:{stamp}\n"
    request = "\n".join((method, path, "", headers, names, nothing))
    scope = f"{day}/{_REGION}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = ("AWS4" + url.password).encode()
    for part in (*scope.split("/"), "\n".join(("AWS4-HMAC-SHA256", stamp, scope, digest))):
        signature = hmac.new(key, part.encode(), "sha256")
        key = signature.digest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={url.username}/{scope},"
        f" SignedHeaders={names}, Signature={signature.hexdigest()}"
    )
    return httpx.request(
        method,
        f"{url.scheme}://{host}{path}",
        headers={
            "authorization": authorization,
            "x-amz-content-sha256": nothing,
            "x-amz-date": stamp,
        },
    ).status_code


def _is_up(address: str) -> bool:
    url = httpx.URL(address)
    try:
        health = f"{url.scheme}://{url.host}:{url.port}/minio/health/ready"
        return httpx.get(health).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def _local_minio() -> Iterator[str]:
    program = shutil.which("minio")
    if program is None:
        raise NotHere("minio is not installed")
    with tempfile.TemporaryDirectory(prefix="klinecast-s3-") as folder:
        port = free_port()
        url = f"http://market:market-secret@127.0.0.1:{port}"
        log = Path(folder) / "minio.log"
        address = f"127.0.0.1:{port}"
        command = [program, "server", "--quiet", "--address", address, f"{folder}/data"]
        with running(command, log, environment=_KEYS) as process:
            try:
                wait_until(lambda: _is_up(url), "minio", process=process, log=log)
            except StartFailed as error:
                raise NotHere(str(error)) from None
            yield url


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """An S3 server: `http://key:secret@host:port`."""
    docker = from_docker(
        os.environ.get("KLINECAST_TEST_S3_IMAGE", "minio/minio"),
        9000,
        "http://market:market-secret@127.0.0.1:{port}",
        _is_up,
        environment=_KEYS,
        command="server /data",
    )
    providers = [
        from_environment("KLINECAST_TEST_S3_URL"),
        from_tools("minio_server.sh", only_running=True),
        docker,
        _local_minio,
    ]
    with first_server("S3 server", providers) as url:
        yield url


@pytest.fixture
def s3_url(s3_server: str) -> Iterator[str]:
    """An empty bucket, `http://key:secret@host:port/bucket`, removed afterwards.

    `s3_environment(s3_url)` gives the settings for it.
    """
    server = httpx.URL(s3_server)
    bucket = f"klinecast-{secrets.token_hex(6)}"
    assert _signed("PUT", server, f"/{bucket}") == 200
    try:
        yield f"{s3_server}/{bucket}"
    finally:
        _empty(server, bucket)
        assert _signed("DELETE", server, f"/{bucket}") == 204


def _empty(server: httpx.URL, bucket: str) -> None:
    store = S3Store(
        bucket,
        endpoint=f"{server.scheme}://{server.host}:{server.port}",
        access_key_id=server.username,
        secret_access_key=server.password,
        region=_REGION,
        client_options={"allow_http": True},
        virtual_hosted_style_request=False,
    )
    for page in obstore.list(store):
        obstore.delete(store, [entry["path"] for entry in page])
