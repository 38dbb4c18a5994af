"""The page's files are served safely; without them the API still runs."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.history_api import history_api, new_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a few files, and a secret beside it."""
    root = tmp_path_factory.mktemp("root")
    page = root / "web"
    (page / "js").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>page</title>" + " " * 2000)
    (page / "js" / "app.mjs").write_text("export const answer = 42;\n" * 100)
    (page / "style.css").write_text("body{}")
    (page / ".hidden").write_text("secret")
    (root / "secret.txt").write_text("secret")
    (page / "link.txt").symlink_to(root / "secret.txt")
    return page


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[str]:
    """The API with a page."""
    with history_api(new_store(f"sqlite:///{folder.parent / 's.db'}"), 1, web_dir=folder) as url:
        yield url


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/", "text/html"), ("/js/app.mjs", "text/javascript"), ("/style.css", "text/css")],
)
def test_files_have_their_types(api: str, path: str, kind: str) -> None:
    response = httpx.get(api + path)

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith(kind)


def test_unchanged_file_is_not_sent_again(api: str) -> None:
    first = httpx.get(f"{api}/")
    again = httpx.get(f"{api}/", headers={"If-None-Match": first.headers["ETag"]})

    assert first.headers["Cache-Control"] == "no-cache"
    assert (again.status_code, again.content) == (304, b"")


def test_page_trusts_only_its_own_origin(api: str) -> None:
    headers = httpx.get(f"{api}/").headers

    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_files_are_compressed_where_accepted(api: str) -> None:
    wanted = {"Accept-Encoding": "gzip"}
    assert httpx.get(f"{api}/js/app.mjs", headers=wanted).headers["Content-Encoding"] == "gzip"
    plain = httpx.get(f"{api}/js/app.mjs", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/js/../../secret.txt",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/link.txt",
        "/.hidden",
        "/index.html%00.txt",
        "/absent.js",
    ],
)
def test_nothing_outside_the_folder_is_served(api: str, path: str) -> None:
    address = httpx.URL(api)
    connection = http.client.HTTPConnection(address.host, address.port or 80)
    connection.request("GET", path)  # httpx would tidy the path up
    response = connection.getresponse()
    body = response.read()
    connection.close()

    assert response.status == 404
    assert b"secret\n" not in body
    assert b"root:" not in body


def test_missing_folder_is_named_and_the_api_runs(tmp_path: Path) -> None:
    store = new_store(f"sqlite:///{tmp_path / 'store.db'}")
    with history_api(store, 1, web_dir=tmp_path / "nowhere") as url:
        page = httpx.get(f"{url}/")
        assert httpx.get(f"{url}/api/v3/ping").content == b"{}"

    assert page.status_code == 404
    assert "'nowhere' does not exist" in page.json()["detail"]
    assert "HISTORY_WEB_DIR" in page.json()["detail"]
