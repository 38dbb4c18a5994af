"""Documents: their ids, their fields, and which steps are indexed."""

from __future__ import annotations

import pytest

from forecast_sink.documents import (
    StepChoice,
    build_forecast_documents,
    build_kline_document,
    build_signal_document,
    group_runs,
    parse_steps,
)
from forecast_sink.indices import FORECASTS, KLINES, SIGNALS, TRUTH
from market.forecast import Action, Signal
from market.interval import HOUR_MS, Interval
from support.forecasts import make_forecast
from support.klines import make_klines

HOURLY = make_klines(Interval.H1, 1)[0]


def test_forecast_document_id_names_the_forecast_and_the_step() -> None:
    forecast = make_forecast("BTCUSDT", Interval.H1, HOURLY)

    documents = build_forecast_documents(forecast, StepChoice(), champion=False)

    assert len(documents) == 50
    assert documents[6].identity == f"BTCUSDT|1h|ridge-0123456789ab|{HOURLY.open_time_ms}|7"


def test_forecast_document_tells_when_the_step_ends() -> None:
    forecast = make_forecast("BTCUSDT", Interval.H1, HOURLY)

    body = build_forecast_documents(forecast, StepChoice(), champion=True)[1].body

    assert body is not None
    assert body["cutoff"] == "2024-01-01T00:00:00.000Z"
    assert body["target_time"] == "2024-01-01T02:59:59.999Z"
    assert (body["step"], body["champion"]) == (2, True)
    assert body["q025"] < body["q10"] < body["q25"] < body["q50"] < body["q75"] < body["q90"]


def test_every_field_of_a_document_is_mapped_and_every_mapping_filled() -> None:
    forecast = make_forecast("BTCUSDT", Interval.H1, HOURLY)
    moved = forecast.steps[0].model_copy(update={"point": forecast.last_close + 1})
    buying = forecast.model_copy(
        update={"steps": [moved], "signal": Signal(action="BUY", reason="because")}
    )
    closes = {moved.target_ms: forecast.last_close + 2}
    (step,) = build_forecast_documents(buying, StepChoice(), champion=False, closes=closes)
    signal = build_signal_document(buying, champion=False, closes=closes)
    kline = build_kline_document("BTCUSDT", Interval.H1, HOURLY)

    assert set(step.body or {}) == set(FORECASTS.properties)
    assert set(signal.body or {}) == set(SIGNALS.properties)
    assert set(kline.body or {}) == set(KLINES.properties)


def test_forecast_document_has_no_truth_before_its_kline_closed() -> None:
    forecast = make_forecast("BTCUSDT", Interval.H1, HOURLY)
    closes = {forecast.steps[0].target_ms: 42_000.0}

    first, second, *_ = build_forecast_documents(
        forecast, StepChoice(), champion=False, closes=closes
    )

    assert set(TRUTH) - set(first.body or {}) == {"direction_hit"}  # its point is the last close
    assert not set(TRUTH) & set(second.body or {})


@pytest.mark.parametrize(
    ("action", "close", "result", "hit"),
    [("BUY", 1.1, 0.1, 1), ("SELL", 1.1, -0.1, 0), ("SELL", 0.9, 0.1, 1), ("HOLD", 1.1, 0.0, None)],
)
def test_signal_earns_what_the_next_kline_makes_of_it(
    action: Action, close: float, result: float, hit: int | None
) -> None:
    forecast = make_forecast("BTCUSDT", Interval.H1, HOURLY)
    told = forecast.model_copy(update={"signal": Signal(action=action, reason="because")})
    closes = {forecast.steps[0].target_ms: forecast.last_close * close}

    body = build_signal_document(told, champion=True, closes=closes).body

    assert body is not None
    assert body["result"] == pytest.approx(result)
    assert body["actual_return"] == pytest.approx(close - 1)
    assert body.get("is_hit") == hit


def test_kline_document_holds_numbers() -> None:
    document = build_kline_document("BTCUSDT", Interval.H1, HOURLY)

    assert document.identity == f"BTCUSDT|1h|{HOURLY.open_time_ms}"
    assert document.body is not None
    assert document.body["close"] == float(HOURLY.close)
    assert document.body["number_of_trades"] == HOURLY.number_of_trades


@pytest.mark.parametrize(
    ("text", "interval", "kept"),
    [
        ("default", Interval.H1, 50),
        ("default", Interval.MO1, 50),
        ("default", Interval.M30, 6),
        ("all", Interval.M1, 50),
        ("1, 2 50", Interval.M1, 3),
        ("1 2 50", Interval.D1, 3),
    ],
)
def test_choice_of_steps_depends_on_setting_and_interval(
    text: str, interval: Interval, kept: int
) -> None:
    choice = parse_steps(text)

    assert sum(choice.keeps(interval, step) for step in range(1, 51)) == kept


@pytest.mark.parametrize("text", ["0", "51", "1,x", "-1"])
def test_choice_of_steps_refuses_what_no_forecast_has(text: str) -> None:
    with pytest.raises(ValueError, match="steps of 1 to 50"):
        parse_steps(text)


def test_runs_are_split_at_wide_holes_only() -> None:
    near, far = [3 * HOUR_MS, 0, HOUR_MS], 500 * HOUR_MS

    assert group_runs([*near, far], 20 * HOUR_MS) == [(0, 3 * HOUR_MS + 1), (far, far + 1)]
