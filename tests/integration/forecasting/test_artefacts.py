"""Published bundles on a real disk and on a real S3 server."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from forecasting.artefacts import KEPT, Artefacts
from forecasting.bundle import pack_bundle
from market.errors import ChecksumMismatch, NotFound, ServiceUnavailable, SettingsError
from market.interval import Interval
from support.object_storage import s3_environment
from support.panels import make_bundle, make_panel, make_reference, small_dataset
from support.ports import free_port

DATASET = small_dataset(make_panel(900))
BUNDLE = make_bundle(DATASET, "ridge")
VERSION, CONTENT = pack_bundle(BUNDLE, make_reference(DATASET, BUNDLE))


@pytest.fixture(params=["file", "s3"])
def artefacts(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artefacts:
    if request.param == "file":
        return Artefacts((tmp_path / "with a space").as_uri())
    settings = s3_environment(request.getfixturevalue("s3_url"))
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return Artefacts(settings["KLINECAST_ARTEFACTS_URL"])


def publish(artefacts: Artefacts, trained_to_ms: int, version: str = VERSION):
    return artefacts.publish("BTCUSDT", Interval.H1, trained_to_ms, version, CONTENT)


def test_a_published_bundle_is_found_and_loaded(artefacts: Artefacts) -> None:
    published = publish(artefacts, 1_000)

    assert artefacts.newest("BTCUSDT", Interval.H1) == {"ridge": published}
    assert artefacts.load(published).spec == BUNDLE.spec
    artefacts.ping()


def test_nothing_is_published_at_first(artefacts: Artefacts) -> None:
    assert artefacts.newest("BTCUSDT", Interval.H1) == {}


def test_files_of_others_are_passed_over(tmp_path: Path) -> None:
    artefacts = Artefacts(tmp_path.as_uri())
    published = publish(artefacts, 1_000)
    for name in ("notes.txt", "soon-ridge-0.zip", "\N{SUPERSCRIPT TWO}-ridge-0.zip"):
        (tmp_path / "BTCUSDT" / "1h" / "ridge" / name).touch()

    assert artefacts.list_bundles("BTCUSDT", Interval.H1) == [published]


def test_publishing_again_changes_nothing(artefacts: Artefacts) -> None:
    assert publish(artefacts, 1_000) == publish(artefacts, 1_000)
    assert len(artefacts.list_bundles("BTCUSDT", Interval.H1)) == 1


def test_the_newest_of_each_model_is_told_by_its_newest_kline(artefacts: Artefacts) -> None:
    for trained_to_ms in (9_000, 10_000, 2_000):
        publish(artefacts, trained_to_ms)
    publish(artefacts, 1_000, "mlp-0123456789ab")
    artefacts.publish("BTCUSDT", Interval.D1, 99_000, VERSION, CONTENT)

    newest = artefacts.newest("BTCUSDT", Interval.H1)

    assert {model: one.trained_to_ms for model, one in newest.items()} == {
        "ridge": 10_000,
        "mlp": 1_000,
    }


def test_pruning_keeps_the_newest_and_the_champion(artefacts: Artefacts) -> None:
    versions = [f"ridge-{place:012x}" for place in range(KEPT + 3)]
    for place, version in enumerate(versions):
        publish(artefacts, 1_000 + place, version)

    artefacts.prune("BTCUSDT", Interval.H1, versions[1])

    kept = [bundle.version for bundle in artefacts.list_bundles("BTCUSDT", Interval.H1)]
    assert kept == [*reversed(versions[-KEPT:]), versions[1]]


def test_bytes_under_another_name_are_refused(artefacts: Artefacts) -> None:
    published = publish(artefacts, 1_000, "ridge-000000000000")

    with pytest.raises(ChecksumMismatch, match="ridge-000000000000 was changed"):
        artefacts.load(published)


def test_a_bundle_that_was_removed_is_not_found(artefacts: Artefacts) -> None:
    gone = publish(artefacts, 1_000)._replace(path=f"BTCUSDT/1h/ridge/{5:015d}-{VERSION}.zip")

    with pytest.raises(NotFound, match="does not exist any more"):
        artefacts.load(gone)


def test_a_store_that_is_away_can_be_asked_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")

    with pytest.raises(ServiceUnavailable, match="s3://nowhere/at-all does not answer"):
        Artefacts("s3://nowhere/at-all").ping()


def test_an_empty_region_is_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    signatures: list[str] = []

    class Refusing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            signatures.append(self.headers["Authorization"])
            self.send_error(403)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
        monkeypatch.setenv("AWS_REGION", "")
        serving = Thread(target=server.handle_request)
        serving.start()
        with pytest.raises(ServiceUnavailable):
            Artefacts("s3://bucket/artefacts").ping()
        serving.join()

    assert "/us-east-1/s3/aws4_request" in signatures[0]


@pytest.mark.parametrize("url", ["", "artefacts", "ftp://host/path", "s3://", "file:///dev/null/x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="KLINECAST_ARTEFACTS_URL"):
        Artefacts(url)
