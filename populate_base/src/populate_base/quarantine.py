"""Keeping damaged files of the archive for whoever wants to know what was wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import orjson

from market.log import get_logger

log = get_logger()

#: Files kept, the newest ones; and bytes kept of one, for a bomb may be a gigabyte.
_MOST_FILES = 20
_MOST_BYTES = 64 << 20


class Quarantine:
    """A folder of damaged files, each beside a JSON that says what, whence, when and why.

    A file that is damaged in the same way again is kept once. That the folder cannot be
    written is logged and stops nothing.
    """

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        self.folder = folder
        self._now_ms = now_ms

    def put(self, content: IO[bytes], *, name: str, url: str, sha256: str, reason: str) -> None:
        """Keep the content, at most its first 64 MB."""
        path = self.folder / f"{sha256[:12]}-{name}"
        told = {"url": url, "sha256": sha256, "reason": reason, "quarantined_at_ms": self._now_ms()}
        beside = path.with_name(f"{path.name}.json")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            content.seek(0)
            with path.open("wb") as file:
                _copy(content, file)
            beside.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
            self._drop_oldest()
        except OSError as error:
            log.warning("quarantine_not_written", folder=str(self.folder), detail=str(error))
            for part in (path, beside):
                with suppress(OSError):
                    part.unlink()

    def _drop_oldest(self) -> None:
        kept = sorted(self.folder.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
        for beside in kept[:-_MOST_FILES]:
            beside.with_suffix("").unlink(missing_ok=True)
            beside.unlink()


def _copy(content: IO[bytes], file: IO[bytes]) -> None:
    left = _MOST_BYTES
    while left and (chunk := content.read(min(left, 1 << 20))):
        file.write(chunk)
        left -= len(chunk)
