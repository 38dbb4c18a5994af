"""Fetching files of the public archive, each proved by its checksum."""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple, TypeVar

import httpx
import stamina

from market.errors import ChecksumMismatch, DataError, ExchangeUnavailable
from populate_base import metrics
from populate_base.archive_file import ArchiveFile
from populate_base.archive_listing import ArchiveObject, ListingPage, parse_listing
from populate_base.archive_zip import max_file_bytes
from populate_base.quarantine import Quarantine

_CHECKSUM = re.compile(rb"\s*([0-9a-fA-F]{64})\b")
_MAX_CHECKSUM_BYTES = 4096
#: A page holds a thousand keys; the longest ones make it 400 kB.
_MAX_LISTING_BYTES = 4 << 20
#: Larger downloads wait on the disk: a month of minutes has three megabytes, one of seconds
#: more than a hundred, and several wait at a time.
_MEMORY_BYTES = 1 << 20
#: A body that comes no faster for so long is given up: the time-out is only that between
#: two bytes, and others wait for their turn.
_LEAST_BYTES_PER_S = 8_000
_PATIENCE_S = 20.0
_Answer = TypeVar("_Answer")


class Download(NamedTuple):
    """A proved file, to be closed: its bytes, whence, its SHA-256 in hex and its ETag."""

    content: IO[bytes]
    url: str
    sha256: str
    etag: str | None


class Archive:
    """The public archive. Safe to share between threads; closes with `close`.

    Where its own host does not answer, files come from the bucket that lists them.
    """

    def __init__(
        self,
        archive_url: str,
        listing_url: str | None = None,
        *,
        quarantine: Quarantine | None = None,
        connections: int = 4,
        attempts: int = 4,
    ) -> None:
        self.archive_url = archive_url.rstrip("/")
        self.listing_url = (listing_url or archive_url).rstrip("/")
        self._hosts = list(dict.fromkeys([self.archive_url, self.listing_url]))
        self._quarantine = quarantine
        self._attempts = attempts
        limits = httpx.Limits(max_connections=connections)
        timeout = httpx.Timeout(8.0, pool=None)
        self._client = httpx.Client(limits=limits, timeout=timeout, follow_redirects=True)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch(self, file: ArchiveFile) -> Download | None:
        """Return a file, or `None` where the archive does not have it (yet).

        Raises:
            ChecksumMismatch: the bytes were not those its checksum names.
            DataError: the checksum is none, or the file is too large to be one of that range.
            ExchangeUnavailable: the archive does not answer.
        """
        hosts = list(self._hosts)
        for host in hosts:
            try:
                return self._fetch_from(f"{host}/{file.path}", file)
            except ExchangeUnavailable:
                if host == hosts[-1]:
                    raise
                # The next file asks the host that may answer first.
                self._hosts = [*hosts[1:], hosts[0]]
        raise AssertionError("the last host returns or raises")

    def reject(self, download: Download, file: ArchiveFile, reason: str) -> None:
        """Put a file that turned out to be damaged into quarantine."""
        if self._quarantine is not None:
            self._quarantine.put(
                download.content,
                name=file.name,
                url=download.url,
                sha256=download.sha256,
                reason=reason,
            )

    def iter_objects(self, prefix: str, after: str = "") -> Iterator[ArchiveObject]:
        """Yield what the bucket has below a prefix, in the order of keys from `after` on.

        Raises:
            DataError, ExchangeUnavailable: the listing cannot be had; probe instead.
        """
        for page in self._iter_pages(prefix, after):
            yield from page.objects

    def iter_folders(self, prefix: str) -> Iterator[str]:
        """Yield the folders right below a prefix, such as those of all symbols ever listed.

        Raises: as `iter_objects`.
        """
        for page in self._iter_pages(prefix, ""):
            yield from page.folders

    def _iter_pages(self, prefix: str, after: str) -> Iterator[ListingPage]:
        marker: str | None = after
        while marker is not None:
            query = {"delimiter": "/", "prefix": prefix, "marker": marker}
            url = str(httpx.URL(f"{self.listing_url}/", params=query))
            content = self._patiently(lambda url=url: self._read(url, _MAX_LISTING_BYTES))  # type: ignore[misc]  # the loop's own url
            if content is None:
                raise DataError(f"{self.listing_url} has no listing")
            page = parse_listing(content)
            yield page
            if page.next_marker is not None and page.next_marker <= marker:
                raise DataError(f"the archive's listing does not get past {marker!r}")
            marker = page.next_marker

    def _fetch_from(self, url: str, file: ArchiveFile) -> Download | None:
        published = self._patiently(lambda: self._read(f"{url}.CHECKSUM", _MAX_CHECKSUM_BYTES))
        if published is None:
            return None
        match = _CHECKSUM.match(published)
        if match is None:
            raise DataError(f"{file.name}.CHECKSUM holds no SHA-256: {published[:80]!r}")
        download = self._patiently(lambda: self._download(url, max_file_bytes(file)))
        if download is None:
            return None
        expected = match[1].decode().lower()
        if download.sha256 != expected:
            reason = f"{file.name} has the SHA-256 {download.sha256}, its CHECKSUM names {expected}"
            self.reject(download, file, reason)
            download.content.close()
            raise ChecksumMismatch(reason)
        return download

    def _patiently(self, ask: Callable[[], _Answer]) -> _Answer:
        for attempt in stamina.retry_context(
            on=ExchangeUnavailable, attempts=self._attempts, timeout=60.0, wait_initial=0.2
        ):
            with attempt:
                return ask()
        raise AssertionError("the last attempt returns or raises")

    def _read(self, url: str, max_bytes: int) -> bytes | None:
        content = bytearray()
        headers = self._stream(url, max_bytes, content.extend)
        return None if headers is None else bytes(content)

    def _download(self, url: str, max_bytes: int) -> Download | None:
        content = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115  its reader closes it
        digest = hashlib.sha256()

        def keep(chunk: bytes) -> None:
            digest.update(chunk)
            try:
                content.write(chunk)
            except OSError as error:
                raise DataError(f"{url} cannot be kept while it is loaded: {error}") from error

        try:
            headers = self._stream(url, max_bytes, keep)
        except BaseException:
            content.close()
            raise
        if headers is None:
            content.close()
            return None
        etag = headers.get("etag", "").removeprefix("W/").strip('"')
        return Download(content, url, digest.hexdigest(), etag or None)

    def _stream(
        self, url: str, max_bytes: int, keep: Callable[[bytes], None]
    ) -> httpx.Headers | None:
        """Hand an answer's bytes to `keep`; `None` for what does not exist."""
        try:
            with self._client.stream("GET", url) as response:
                metrics.REQUESTS.labels("archive", str(response.status_code)).inc()
                if response.status_code == 404:
                    return None
                if response.status_code != 200:
                    raise ExchangeUnavailable(f"{url} was answered with {response.status_code}")
                received, started_s = 0, time.monotonic()
                for chunk in response.iter_bytes():
                    received += len(chunk)
                    if received > max_bytes:
                        raise DataError(f"{url} is larger than {max_bytes} bytes")
                    _check_pace(url, received, time.monotonic() - started_s)
                    keep(chunk)
                metrics.BYTES.labels("archive").inc(received)
                return response.headers
        except httpx.HTTPError as error:
            metrics.REQUESTS.labels("archive", "unreachable").inc()
            reason = str(error) or type(error).__name__
            raise ExchangeUnavailable(f"{url} cannot be read: {reason}") from error


def _check_pace(url: str, received: int, seconds: float) -> None:
    if seconds > _PATIENCE_S and received < _LEAST_BYTES_PER_S * seconds:
        raise ExchangeUnavailable(f"{url} came too slowly: {received} bytes in {seconds:.0f} s")
