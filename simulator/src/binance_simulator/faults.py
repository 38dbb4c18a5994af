"""Faults on demand: what the next requests suffer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from market.errors import InvalidParameter

KINDS = ("status", "corrupt_zip", "drop_streams", "reset")


@dataclass
class Fault:
    """Answer the next `count` requests whose path begins with `path` in a wrong way."""

    kind: str
    count: int = 1
    status: int = 500
    path: str = "/"


class Faults:
    """The faults that wait, in the order they were asked for."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self.drop_streams = asyncio.Event()

    def add(self, asked: Mapping[str, object]) -> None:
        """Take one fault: `{"kind": …, "count": 1, "status": 500, "path": "/api/v3/klines"}`.

        Raises:
            InvalidParameter: the fault is not one the simulator has.
        """
        fault = _read_fault(asked)
        if fault.kind == "reset":
            self.waiting.clear()
        elif fault.kind == "drop_streams":
            # Every open connection waits for this event; later ones wait for the next.
            self.drop_streams.set()
            self.drop_streams = asyncio.Event()
        else:
            self.waiting.append(fault)

    def take(self, kind: str, path: str) -> Fault | None:
        """Return the first fault of that kind for the path, and count it as used."""
        for fault in self.waiting:
            if fault.kind == kind and path.startswith(fault.path):
                fault.count -= 1
                if fault.count == 0:
                    self.waiting.remove(fault)
                return fault
        return None


def _read_fault(asked: Mapping[str, object]) -> Fault:
    unknown = set(asked) - {"kind", "count", "status", "path"}
    if unknown:
        raise InvalidParameter("fault", sorted(unknown), "kind, count, status and path")
    kind, path = asked.get("kind"), asked.get("path", "/")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidParameter("kind", kind, "one of " + " ".join(KINDS))
    if not isinstance(path, str) or not path.startswith("/"):
        raise InvalidParameter("path", path, "the beginning of a path, such as /api/v3/klines")
    count = _read_number(asked, "count", 1, range(1, 1_000_001))
    status = _read_number(asked, "status", 500, range(400, 600))
    return Fault(kind, count, status, path)


def _read_number(asked: Mapping[str, object], name: str, default: int, valid: range) -> int:
    value = asked.get(name, default)
    if not isinstance(value, int) or value not in valid:
        raise InvalidParameter(name, value, f"an integer from {valid.start} to {valid.stop - 1}")
    return value


def corrupt(content: bytes) -> bytes:
    """Return the content with one byte in its middle changed."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
