"""What goes wrong outside: one clear line, the right status, nothing half-written."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.engine import make_url

from market.interval import Interval
from support.databases import connect
from support.file_server import serving_files
from support.klines import make_klines
from support.populator import HOURS, opened_store, run_populator, stored_klines, stored_series
from support.simulator import Simulator, run_simulator
from support.stores import count

BACKFILL = ["backfill", "--symbol", "BTCUSDT", "--interval", "1h", "--start", "2024-01-01"]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator for the module: each start takes seconds."""
    from support.archive import write_archive_months

    folder = tmp_path_factory.mktemp("simulator")
    write_archive_months(folder / "archive", "BTCUSDT", "1h", HOURS)
    write_archive_months(folder / "archive", "BTCUSDT", "1m", make_klines(Interval.M1, 1440 * 31))
    options = ["--now", "2024-02-29T12:00:00Z", "--speed", "0"]
    with run_simulator(folder / "archive", folder / "log", options) as simulator:
        yield simulator


def check(done: subprocess.CompletedProcess[str], status: int, said: str) -> None:
    """Check that a command failed with one clear line, and a hint at most beside it."""
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 or status == 2, done.stderr
    assert said in done.stderr
    assert done.returncode == status
    assert done.stdout == ""


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small disk needs root, to mount a tmpfs")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["verify", "--interval", "7m"], 2, "interval was '7m'"),
        (["verify", "--start", "2024-02-01", "--end", "2024-01-01"], 2, "a time after start"),
        (["verify", "--sample", "0.1", "--whole"], 2, "either --sample or --whole"),
        (["repair", "--sample", "1.5"], 2, "a fraction above 0, at most 1"),
        (["repair", "--start", "yesterday"], 2, "start was 'yesterday'"),
        (["verify", "--start", "2030-01-01"], 1, "which is in the future"),
        (["verify", "--symbol", "NOPEUSDT"], 1, "symbol 'NOPEUSDT' is not known here"),
        (["symbols", "--as-of", "someday"], 2, "as-of was 'someday'"),
        ([*BACKFILL, "--symbol", "NOPEUSDT"], 1, "Binance does not know the symbol 'NOPEUSDT'"),
        ([*BACKFILL[:-1], "2030-01-01"], 1, "which is in the future"),
    ],
)
def test_wrong_arguments(
    simulator: Simulator, sqlite_url: str, arguments: list[str], status: int, said: str
) -> None:
    with opened_store(sqlite_url) as store:
        check(run_populator(arguments, sqlite_url, simulator.environment), status, said)
        assert count(store, "klines") == 0
        assert count(store, "ingest_batches") == 0


def test_a_full_disk(simulator: Simulator, tmp_path: Path) -> None:
    arguments = ["backfill", "--symbol", "BTCUSDT", "--interval", "1m", "--start", "2024-01-01"]
    with small_disk(tmp_path / "disk", "4m") as folder:
        url = f"sqlite:///{folder / 'store.db'}"
        with opened_store(url):
            pass
        done = run_populator(arguments, url, simulator.environment)
        check(done, 1, "full")
        with opened_store(url) as store:
            stored = count(store, "klines")
            batches = count(store, "ingest_batches")

    # A file is stored as a whole or not at all.
    assert (stored == 0) == (batches == 0)


def test_a_read_only_disk(simulator: Simulator, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as folder:
        url = f"sqlite:///{folder / 'store.db'}"
        with opened_store(url):
            pass
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        done = run_populator(BACKFILL, url, simulator.environment)

    check(done, 1, "KLINECAST_STORE_URL")


def test_a_user_that_may_only_read(simulator: Simulator, mariadb_url: str) -> None:
    # On MariaDB: not every MySQL that is offered to tests lets them make users.
    parsed = make_url(mariadb_url)
    name = f"r_{hashlib.sha256(mariadb_url.encode()).hexdigest()[:16]}"
    reader = parsed.set(username=name, password="read")
    owner = connect(mariadb_url)
    try:
        with owner.cursor() as cursor, opened_store(mariadb_url) as store:
            cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'read'")
            cursor.execute(f"GRANT SELECT ON {parsed.database}.* TO '{name}'@'%'")
            url = reader.render_as_string(hide_password=False)
            done = run_populator(BACKFILL, url, simulator.environment)
            check(done, 1, "a user with the right to do this")
            assert count(store, "symbols") == 0
    finally:
        with owner.cursor() as cursor:
            cursor.execute(f"DROP USER IF EXISTS '{name}'@'%'")
        owner.close()


def test_a_wrong_password_is_not_shown(simulator: Simulator, mysql_url: str) -> None:
    url = make_url(mysql_url).set(password="hunter2-not-it")

    done = run_populator(BACKFILL, url.render_as_string(hide_password=False), simulator.environment)

    check(done, 1, "Access denied")
    assert "hunter2" not in done.stderr


def test_a_certificate_that_nobody_signed(sqlite_url: str, tmp_path: Path) -> None:
    with opened_store(sqlite_url) as store, untrusted_server(tmp_path) as url:
        environment = {
            "KLINECAST_BINANCE_REST_URL": url,
            "KLINECAST_BINANCE_ARCHIVE_URL": url,
        }
        done = run_populator(BACKFILL, sqlite_url, environment)
        check(done, 1, "cannot be reached")
        assert count(store, "klines") == 0


@contextmanager
def untrusted_server(folder: Path) -> Iterator[str]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-keyout", str(key), "-out", str(certificate)],
        capture_output=True,
        check=False,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip("openssl cannot make a certificate here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def test_a_zip_bomb_brings_nothing(simulator: Simulator, sqlite_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "files/data/spot/monthly/klines/BTCUSDT/1h"
    folder.mkdir(parents=True)
    bomb = folder / "BTCUSDT-1h-2024-01.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as zipped,
        zipped.open("BTCUSDT-1h-2024-01.csv", "w", force_zip64=True) as member,
    ):
        for _ in range(64):
            member.write(bytes(1 << 20))
    digest = hashlib.sha256(bomb.read_bytes()).hexdigest()
    bomb.with_name(f"{bomb.name}.CHECKSUM").write_text(f"{digest}  {bomb.name}\n")

    with opened_store(sqlite_url) as store, serving_files(tmp_path / "files") as url:
        environment = {
            **simulator.environment,
            "KLINECAST_BINANCE_ARCHIVE_URL": url,
            "POPULATE_STATE_DIR": str(tmp_path / "state"),
        }
        done = run_populator([*BACKFILL, "--end", "2024-02-01"], sqlite_url, environment)
        stored = stored_klines(store, stored_series(store, Interval.H1))

    warnings = [line for line in done.stdout.splitlines() if "warning: " in line]
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert len([line for line in warnings if "BTCUSDT-1h-2024-01.zip" in line]) == 1
    assert stored == HOURS[: 31 * 24]
