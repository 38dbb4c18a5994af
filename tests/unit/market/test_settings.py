from __future__ import annotations

import pytest
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from market.errors import SettingsError
from market.interval import Interval
from market.selection import SymbolSelection
from market.settings import (
    BinanceSettings,
    HistoryClientSettings,
    StoreSettings,
    UniverseSettings,
    load_settings,
    variable_name,
)


class Settings(StoreSettings, BinanceSettings, UniverseSettings, HistoryClientSettings):
    """All the parts, as a service composes them."""

    model_config = SettingsConfigDict(env_prefix="SHOP_")

    port: int = 1234
    password: SecretStr = SecretStr("")


def test_defaults_need_no_environment() -> None:
    settings = load_settings(Settings)

    assert settings.symbols == SymbolSelection(("BTCUSDT", "ETHUSDT"))
    assert settings.intervals == (Interval.H1, Interval.D1)
    assert settings.demo is False
    assert settings.port == 1234


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "KLINECAST_SYMBOLS": " btcusdt, ARBUSDT,,BTCUSDT ",
        "KLINECAST_INTERVALS": "1M, 1m",
        "KLINECAST_STORE_URL": "mysql://a:b@c/d",
        "KLINECAST_HISTORY_URL": "http://history:8000/",
        "KLINECAST_BINANCE_STREAM_URL": "ws://127.0.0.1:8010",
        "KLINECAST_DEMO": "true",
        "SHOP_PORT": "99",
        "PORT": "1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    settings = load_settings(Settings)

    assert settings.symbols == SymbolSelection(("BTCUSDT", "ARBUSDT"))
    assert settings.intervals == (Interval.MO1, Interval.M1)
    assert settings.store_url.get_secret_value() == "mysql://a:b@c/d"
    assert settings.history_url == "http://history:8000"
    assert settings.stream_url == "ws://127.0.0.1:8010"
    assert (settings.demo, settings.port) == (True, 99)


def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINECAST_SYMBOLS", "")
    monkeypatch.setenv("SHOP_PORT", "")

    assert load_settings(Settings) == Settings()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("KLINECAST_SYMBOLS", ".*USDT", "between slashes such as /^(BTC|ETH)USDT$/"),
        ("KLINECAST_SYMBOLS", "/^(BTC/", "a regular expression that can be read"),
        ("KLINECAST_SYMBOLS", ", ,", "symbols such as BTCUSDT or quote:USDT"),
        ("KLINECAST_INTERVALS", "1h,7m", "one of 1s 1m 3m"),
        ("KLINECAST_LOG_LEVEL", "loud", "'DEBUG', 'INFO'"),
        ("KLINECAST_DEMO", "perhaps", "boolean"),
        ("KLINECAST_BINANCE_REST_URL", "binance", "http://host:port"),
        ("KLINECAST_BINANCE_STREAM_URL", "http://host", "ws://host:port"),
        ("KLINECAST_HISTORY_URL", "ftp://host", "http://host:port"),
        ("SHOP_PORT", "eighty", "integer"),
    ],
)
def test_wrong_value_is_named_with_what_is_valid(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as caught:
        load_settings(Settings)

    assert caught.value.detail.startswith(f"{variable} was {value!r}; expected ")
    assert expected in caught.value.detail
    assert "\n" not in caught.value.detail


def test_password_inside_a_wrong_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLINECAST_HISTORY_URL", "gopher://user:hunter2@host")

    with pytest.raises(SettingsError) as caught:
        load_settings(Settings)

    assert "hunter2" not in str(caught.value)


def test_secrets_are_not_shown_by_printing() -> None:
    settings = Settings(password=SecretStr("hunter2"))

    assert "hunter2" not in repr(settings) + str(settings)


def test_variables_are_named_by_field_and_by_alias() -> None:
    assert variable_name(Settings, "store_url") == "KLINECAST_STORE_URL"
    assert variable_name(Settings, "port") == "SHOP_PORT"
    assert variable_name(Settings, "KLINECAST_SYMBOLS") == "KLINECAST_SYMBOLS"
