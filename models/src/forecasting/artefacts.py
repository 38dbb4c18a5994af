"""Published bundles on local disk or any object store, by obstore.

A bundle is one object, `SYMBOL/INTERVAL/MODEL/TRAINED_TO_MS-VERSION.zip`, put only if
absent and never changed: nobody sees half of one, two publishers can't disturb each other,
and the newest is the last by name.
"""

from __future__ import annotations

from typing import NamedTuple

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError

from forecasting.bundle import Bundle, unpack_bundle
from market.errors import NotFound, ServiceUnavailable
from market.interval import Interval
from market.object_store import open_objects

#: Bundles of one series and model that are kept; older ones are removed on publishing.
KEPT = 5


class Published(NamedTuple):
    """A published bundle: of which model, in which version, trained up to which kline."""

    model: str
    version: str
    trained_to_ms: int
    path: str


class Artefacts:
    """The published bundles of an installation. Safe to share between threads.

    Every call may raise `ServiceUnavailable`: the object store does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = open_objects("KLINECAST_ARTEFACTS_URL", url)

    def publish(
        self, symbol: str, interval: Interval, trained_to_ms: int, version: str, content: bytes
    ) -> Published:
        """Put a bundle where it is not yet; the same content again changes nothing."""
        model = model_of(version)
        path = f"{symbol}/{interval}/{model}/{trained_to_ms:015d}-{version}.zip"
        try:
            obstore.put(self._store, path, content, mode="create")
        except AlreadyExistsError:
            pass  # the name holds the content's hash: what is there is the same
        except BaseError as error:
            raise self._away(error) from error
        return Published(model, version, trained_to_ms, path)

    def list_bundles(
        self, symbol: str, interval: Interval, model: str | None = None
    ) -> list[Published]:
        """Return the bundles of a series, of each model the newest first."""
        prefix = f"{symbol}/{interval}/" + (f"{model}/" if model else "")
        try:
            pages = list(obstore.list(self._store, prefix))
        except NotFoundError:
            return []
        except BaseError as error:
            raise self._away(error) from error
        found = [_parse(str(item["path"])) for page in pages for item in page]
        known = [bundle for bundle in found if bundle is not None]
        return sorted(known, key=lambda bundle: (bundle.model, bundle.path), reverse=True)

    def newest(self, symbol: str, interval: Interval) -> dict[str, Published]:
        """Return the newest bundle of each model that has one."""
        newest: dict[str, Published] = {}
        for bundle in self.list_bundles(symbol, interval):
            newest.setdefault(bundle.model, bundle)
        return newest

    def load(self, published: Published) -> Bundle:
        """Read a bundle and check it.

        Raises:
            NotFound: it was removed.
            DataError: it is damaged, or does not reproduce its reference.
        """
        try:
            content = bytes(obstore.get(self._store, published.path).bytes())
        except (NotFoundError, FileNotFoundError) as error:
            raise NotFound(f"artefact {published.version} does not exist any more") from error
        except BaseError as error:
            raise self._away(error) from error
        return unpack_bundle(published.version, content)

    def prune(self, symbol: str, interval: Interval, keep_version: str | None) -> None:
        """Remove all but the newest few bundles of each model, and but the version to keep."""
        seen: dict[str, int] = {}
        for bundle in self.list_bundles(symbol, interval):
            seen[bundle.model] = seen.get(bundle.model, 0) + 1
            if seen[bundle.model] > KEPT and bundle.version != keep_version:
                try:
                    obstore.delete(self._store, bundle.path)
                except NotFoundError:
                    continue  # another publisher removed it first
                except BaseError as error:
                    raise self._away(error) from error

    def ping(self) -> None:
        """Ask the object store for a sign of life."""
        self.list_bundles("-", Interval.D1)

    def _away(self, error: Exception) -> ServiceUnavailable:
        words = str(error).strip().splitlines() or [type(error).__name__]
        return ServiceUnavailable(
            f"the artefact store at {self._url} does not answer: {words[0]}",
            hint="Start it, or correct KLINECAST_ARTEFACTS_URL and the AWS_ variables.",
        )


def model_of(version: str) -> str:
    """Return the model that a version is of."""
    return version.rpartition("-")[0]


def _parse(path: str) -> Published | None:
    # LocalStore gives "a/b.zip", S3 may give the same below its prefix: take the last parts.
    parts = path.split("/")
    trained_to, _, version = parts[-1].removesuffix(".zip").partition("-")
    if not trained_to.isdecimal() or not version or len(parts) < 4:
        return None
    return Published(model_of(version), version, int(trained_to), "/".join(parts[-4:]))
