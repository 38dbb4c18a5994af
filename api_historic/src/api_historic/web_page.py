"""The web page: static files of one folder at `/`, never anything outside it."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

#: Not every machine's table knows them, and a browser runs no module of another type.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


#: What lies below belongs to the APIs, whether they have it or not.
_API_PATHS = ("/v1/", "/api/")


class PageMount(Mount):
    """Where the page lies: behind the APIs' routes, who tell by themselves what they take."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match GET and HEAD outside the APIs; other methods only where nothing else does."""
        match, child_scope = super().matches(scope)
        if scope["type"] != "http" or scope["path"].startswith(_API_PATHS):
            return Match.NONE, {}
        if match is Match.FULL and scope["method"] not in ("GET", "HEAD"):
            return Match.PARTIAL, child_scope
        return match, child_scope


class WebPage(StaticFiles):
    """Serves the page's files; each is checked again by its ETag, so an update shows at once."""

    def __init__(self, folder: Path) -> None:
        for suffix, kind in _TYPES.items():
            mimetypes.add_type(kind, suffix)
        super().__init__(directory=folder, html=True, check_dir=False)
        self._folder = folder

    async def check_config(self) -> None:
        """Look for the folder on each request instead: the API runs without a page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file of that path, or a 404 that names what is missing."""
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if not self._folder.is_dir():
            raise HTTPException(
                404,
                f"there is no web page here: the folder {self._folder.name!r} does not exist;"
                " set HISTORY_WEB_DIR to the folder that holds index.html",
            )
        # A dot file or a null byte is never part of a page.
        if "\0" in path or any(part.startswith(".") for part in path.split("/") if part != "."):
            raise HTTPException(404, "there is no such page")
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404:
                raise
            raise HTTPException(404, f"there is no page at {scope['path']!r}") from None
        response.headers["Cache-Control"] = "no-cache"
        return response
