"""Fetching files of the public archive, each proved by its checksum."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

import httpx
import stamina

from market.errors import ChecksumMismatch, DataError, ExchangeUnavailable
from market.kline import Kline
from populate_base import metrics
from populate_base.archive_file import ArchiveFile
from populate_base.parse import max_file_bytes, parse_archive_zip

_CHECKSUM = re.compile(rb"\s*([0-9a-fA-F]{64})\b")
_MAX_CHECKSUM_BYTES = 4096


class Download(NamedTuple):
    """A proved file: its klines, where it came from and its SHA-256 in hex."""

    klines: list[Kline]
    url: str
    sha256: str


class Archive:
    """The public archive. Safe to share between threads; closes with `close`."""

    def __init__(self, archive_url: str, *, connections: int = 4, attempts: int = 4) -> None:
        self.archive_url = archive_url.rstrip("/")
        self._attempts = attempts
        limits = httpx.Limits(max_connections=connections)
        timeout = httpx.Timeout(8.0, pool=None)
        self._client = httpx.Client(limits=limits, timeout=timeout, follow_redirects=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch(self, file: ArchiveFile) -> Download | None:
        """Return a file's klines, or `None` where the archive does not have it (yet).

        Raises:
            ChecksumMismatch: twice the bytes were not those its checksum names.
            DataError: the zip is damaged or holds something else than it should.
            ExchangeUnavailable: the archive does not answer.
        """
        try:
            return self._fetch_once(file)
        except DataError:
            # A transfer may have been cut, or the file just been replaced: look once more.
            return self._fetch_once(file)

    def _fetch_once(self, file: ArchiveFile) -> Download | None:
        url = f"{self.archive_url}/{file.path}"
        published = self._get(f"{url}.CHECKSUM", _MAX_CHECKSUM_BYTES)
        if published is None:
            return None
        match = _CHECKSUM.match(published)
        if match is None:
            raise DataError(f"{file.name}.CHECKSUM holds no SHA-256: {published[:80]!r}")
        content = self._get(url, max_file_bytes(file))
        if content is None:
            return None
        expected, found = match[1].decode().lower(), hashlib.sha256(content).hexdigest()
        if found != expected:
            raise ChecksumMismatch(
                f"{file.name} has the SHA-256 {found}, its CHECKSUM names {expected}"
            )
        return Download(parse_archive_zip(content, file), url, found)

    def _get(self, url: str, max_bytes: int) -> bytes | None:
        for attempt in stamina.retry_context(
            on=ExchangeUnavailable, attempts=self._attempts, timeout=60.0, wait_initial=0.2
        ):
            with attempt:
                return self._ask(url, max_bytes)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, url: str, max_bytes: int) -> bytes | None:
        try:
            with self._client.stream("GET", url) as response:
                metrics.REQUESTS.labels("archive", str(response.status_code)).inc()
                if response.status_code == 404:
                    return None
                if response.status_code != 200:
                    raise ExchangeUnavailable(f"{url} was answered with {response.status_code}")
                return _read_bounded(response, url, max_bytes)
        except httpx.HTTPError as error:
            metrics.REQUESTS.labels("archive", "unreachable").inc()
            reason = str(error) or type(error).__name__
            raise ExchangeUnavailable(f"{url} cannot be read: {reason}") from error


def _read_bounded(response: httpx.Response, url: str, max_bytes: int) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > max_bytes:
            raise DataError(f"{url} is larger than {max_bytes} bytes")
    return bytes(content)
