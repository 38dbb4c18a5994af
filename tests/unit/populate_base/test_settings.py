"""The populator's settings."""

from __future__ import annotations

import pytest

from market.errors import SettingsError
from market.interval import Interval
from market.settings import load_settings
from market.times import parse_time_ms
from populate_base.settings import PopulateSettings


def test_defaults_need_nothing() -> None:
    settings = load_settings(PopulateSettings)

    assert settings.since == parse_time_ms("since", "2020-01-01")
    assert settings.intervals == (Interval.H1, Interval.D1)
    assert settings.port == 8003


def test_since_is_read_as_a_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POPULATE_SINCE", "2022-03-04")

    assert load_settings(PopulateSettings).since == parse_time_ms("since", "2022-03-04")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POPULATE_SINCE", "soon"),
        ("POPULATE_PORT", "70000"),
        ("POPULATE_DOWNLOADS", "0"),
        ("KLINECAST_INTERVALS", "7m"),
        ("KLINECAST_SYMBOLS", ","),
    ],
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=variable):
        load_settings(PopulateSettings)
