from __future__ import annotations

import pytest
from pydantic import ValidationError

from market.errors import InvalidParameter
from market.forecast import Forecast, forecast_id
from market.shapes import resolve_symbol
from support.ledger_rows import make_card, make_forecast


def test_forecast_survives_json_to_the_last_bit() -> None:
    forecast = make_forecast(steps=50)

    assert Forecast.model_validate_json(forecast.model_dump_json()) == forecast


def test_shapes_refuse_fields_they_do_not_know() -> None:
    with pytest.raises(ValidationError):
        Forecast.model_validate({**make_forecast().model_dump(), "surprise": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_shapes_refuse_what_json_cannot_say(value: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        make_card(skill_ewma=value)


def test_shapes_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        make_card().n = 5  # type: ignore[misc]


def test_identity_names_series_artefact_and_cutoff() -> None:
    assert forecast_id("BTCUSDT", "1h", "ridge-1", 5) == "BTCUSDT|1h|ridge-1|5"


@pytest.mark.parametrize(
    ("given", "symbol"),
    [
        (("btcusdt", None, None), "BTCUSDT"),
        ((None, "btc", "usdt"), "BTCUSDT"),
    ],
)
def test_series_is_named_either_way(
    given: tuple[str | None, str | None, str | None], symbol: str
) -> None:
    assert resolve_symbol(*given) == symbol


@pytest.mark.parametrize(
    "given",
    [
        (None, None, None),
        (None, "btc", None),
        (None, None, "usdt"),
        ("btcusdt", "btc", "usdt"),
        ("btcusdt", None, "usdt"),
    ],
)
def test_half_a_name_is_refused(given: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(InvalidParameter, match="symbol"):
        resolve_symbol(*given)
