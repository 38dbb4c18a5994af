"""The MySQL driver and the memory files, as the store uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mysql.connector
import pytest

from market.store import bulk, open_store


def test_driver_has_its_c_extension() -> None:
    assert mysql.connector.HAVE_CEXT


def test_store_asks_for_the_c_extension_by_name() -> None:
    """Where another library's TLS took its place, the driver then fails instead of crawling."""
    program = (
        "import sys; sys.modules['_mysql_connector'] = None\n"
        "from market.store import open_store\n"
        "open_store('mysql://a:b@127.0.0.1:1/c').ping()"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert "ImportError" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("has_memfd", [True, False])
def test_content_gets_a_path_with_and_without_memory_files(
    monkeypatch: pytest.MonkeyPatch, has_memfd: bool
) -> None:
    if not has_memfd:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memory files (memfd)")

    with bulk._readable(b"a\tb\n") as path:
        assert Path(path).read_bytes() == b"a\tb\n"
        assert path.startswith("/proc/self/fd/") is has_memfd

    assert has_memfd or not Path(path).exists()


def test_opening_a_store_makes_no_connection(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'deep' / 'store.db'}")
    store.close()

    assert list((tmp_path / "deep").iterdir()) == []
