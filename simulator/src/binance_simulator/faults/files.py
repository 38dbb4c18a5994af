"""Faults of archive files: damaged ones, odd ones, and ones that are not there."""

from __future__ import annotations

from dataclasses import dataclass

from binance_simulator.faults.parameters import moment, number, one_of, parameter


class Damage:
    """A fault that changes an object's bytes on their way."""

    def damage(self, content: bytes) -> bytes:
        """Return the bytes that are sent."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class CorruptZip(Damage):
    """One byte in the middle of the zip is another."""

    def damage(self, content: bytes) -> bytes:
        """Return the content with that byte changed."""
        middle = len(content) // 2
        return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@dataclass(frozen=True, kw_only=True)
class TruncatedZip(Damage):
    """The zip ends early, and its Content-Length says so too."""

    keep: float = parameter(number(0, 0.999), 0.5)

    def damage(self, content: bytes) -> bytes:
        """Return the beginning of the content."""
        return content[: int(len(content) * self.keep)]


@dataclass(frozen=True, kw_only=True)
class BadChecksum(Damage):
    """The .CHECKSUM names another SHA-256."""

    def damage(self, content: bytes) -> bytes:
        """Return the line with its first digit changed."""
        first = b"0" if content[:1] != b"0" else b"1"
        return first + content[1:]


@dataclass(frozen=True, kw_only=True)
class MissingFile:
    """Files whose day or month begins in [start, end) are neither there nor listed."""

    start: int = parameter(moment, 0)
    end: int = parameter(moment, 1 << 62)


@dataclass(frozen=True, kw_only=True)
class LatePublication:
    """Files appear that many hours after the end of their day or month."""

    hours: float = parameter(number(0, 24 * 366), 6.0)


@dataclass(frozen=True, kw_only=True)
class HeaderRow:
    """Files begin with the names of the columns."""


@dataclass(frozen=True, kw_only=True)
class TimeUnit:
    """Files are in this unit; `mixed` changes from row to row."""

    unit: str = parameter(one_of("ms", "us", "mixed"))


Odd = HeaderRow | TimeUnit
"""A fault that shows in the text of a file."""
