"""The sink's settings and the URLs in them."""

from __future__ import annotations

import pytest

from forecast_sink.cluster import address_of, open_cluster
from forecast_sink.kibana import Kibana
from forecast_sink.settings import InstallSettings, SinkSettings
from market.errors import SettingsError
from market.settings import load_settings


def test_settings_read_steps_and_an_empty_kibana(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_STEPS", "1,24")
    monkeypatch.setenv("KLINECAST_KIBANA_URL", "")

    settings = load_settings(SinkSettings)

    assert settings.steps.steps == {1, 24}
    assert settings.kibana_url is None


def test_settings_name_the_variable_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINK_STEPS", "1,99")

    with pytest.raises(SettingsError, match="SINK_STEPS was '1,99'; expected default, all, or"):
        load_settings(SinkSettings)


def test_settings_hide_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINECAST_ELASTICSEARCH_URL", "http://elastic:secret@localhost:9200")

    assert "secret" not in repr(load_settings(InstallSettings))


@pytest.mark.parametrize("url", ["localhost:9200", "ftp://host", "http://", "http://host:0"])
def test_cluster_refuses_what_is_no_url(url: str) -> None:
    with pytest.raises(SettingsError, match="KLINECAST_ELASTICSEARCH_URL was"):
        open_cluster(url)


def test_cluster_address_never_shows_the_password() -> None:
    client = open_cluster("https://elastic:s%40cret@search.example/path")

    assert address_of(client) == "https://search.example:443/path"
    with pytest.raises(SettingsError) as raised:
        open_cluster("ftp://elastic:secret@host:9200")
    assert "secret" not in raised.value.detail


def test_kibana_keeps_its_base_path_and_account() -> None:
    kibana = Kibana.at("http://elastic:a%2Fb@localhost:5601/s/crypto/")

    assert kibana == Kibana("http://localhost:5601/s/crypto", ("elastic", "a/b"))
