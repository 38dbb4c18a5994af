"""The page's pure modules, run where they live: in the browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

Call = Callable[..., Any]
Open = Callable[..., Any]
NBSP = "\u00a0"


@pytest.fixture(scope="module")
def call(market_url: str, browser: Any) -> Iterator[Call]:
    """Calls a function of one of the page's modules: `call("format", "duration", 5000)`."""
    page = browser.new_page()
    page.goto(f"{market_url}/")

    def call_(module: str, function: str, *arguments: Any) -> Any:
        script = "([m, f, a]) => import(`/js/${m}.js`).then((module) => module[f](...a))"
        return page.evaluate(script, [module, function, list(arguments)])

    yield call_
    page.close()


def _forecast(**changes: Any) -> dict[str, Any]:
    quantiles = {"0.025": 95, "0.1": 97, "0.25": 98, "0.5": 100, "0.75": 102, "0.9": 103}
    steps = [
        {"step": h, "target_ms": h, "point": 101, "quantiles": quantiles | {"0.975": 105}}
        for h in (1, 2, 3)
    ]
    base = {"symbol": "X", "interval": "1h", "model": "m", "version": "m-1", "last_close": 100}
    return base | {"direction_verdict": "coin_flip", "steps": steps} | changes


def _card(**changes: Any) -> dict[str, Any]:
    base = {"model": "m", "version": "m-1", "kind": "replay", "step": 1, "interval": "1h"}
    return base | {"verdict": "skill", "skill_ewma": 0.02, "p_ewma": 0.02, "n": 1234} | changes


@pytest.mark.parametrize(
    ("interval", "steps", "words"),
    [
        ("1h", 24, "24 h"),
        ("1d", 1, "1 day"),
        ("1d", 50, "50 days"),
        ("15m", 10, "2 h 30 min"),
        ("5m", 6, "30 min"),
        ("1s", 50, "50 s"),
        ("4h", 6, "24 h"),
        ("1w", 2, "2 weeks"),
        ("1M", 3, "3 months"),
    ],
)
def test_span_is_said_in_the_units_people_use(
    call: Call, interval: str, steps: int, words: str
) -> None:
    assert call("interval", "spanInWords", interval, steps) == words


def test_steps_of_calendar_months_fall_on_first_days(call: Call) -> None:
    january, april = 1_704_067_200_000, 1_711_929_600_000

    assert call("interval", "addSteps", january, "1M", 3) == april
    assert call("interval", "addSteps", january, "1h", 2) == january + 7_200_000


@pytest.mark.parametrize(
    ("function", "arguments", "text"),
    [
        ("change", [0.031], f"+3.1{NBSP}%"),
        ("change", [-0.0042], f"−0.42{NBSP}%"),
        ("change", [0], f"0.00{NBSP}%"),
        ("change", [-0.00001], f"0.00{NBSP}%"),
        ("percent", [0.506], f"50.6{NBSP}%"),
        ("integer", [8700], "8,700"),
        ("exact", ["64123.45000000"], "64,123.45"),
        ("exact", ["0.00001234"], "0.00001234"),
        ("exact", ["64123.40000000", 2], "64,123.40"),
        ("exact", ["1234567.00000000"], "1,234,567"),
        ("decimalsOf", [["0.00001230", "1.5"]], 7),
        ("decimalsOf", [["65690.00000000"]], 2),
        ("pValue", [0.0004], f"p{NBSP}<{NBSP}0.001"),
        ("pValue", [0.004], f"p{NBSP}<{NBSP}0.01"),
        ("pValue", [0.34], f"p{NBSP}={NBSP}0.34"),
        ("pValue", [0.9999], f"p{NBSP}>{NBSP}0.99"),
        ("duration", [34_900], "34 s"),
        ("duration", [720_000], "12 min"),
        ("duration", [11_520_000], "3 h 12 min"),
        ("duration", [5 * 86_400_000], "5 days"),
        ("duration", [-5], "0 s"),
        ("utc", [1_718_719_200_000], "Tue 18 Jun 2024 14:00 UTC"),
        ("soon", [1_718_719_200_000, 1_718_600_000_000], "Tue 14:00 UTC"),
        ("soon", [1_718_719_200_000, 1_710_000_000_000], "18 Jun 2024 14:00 UTC"),
    ],
)
def test_numbers_and_times_are_written_as_people_read_them(
    call: Call, function: str, arguments: list[Any], text: str
) -> None:
    assert call("format", function, *arguments) == text


def test_route_survives_a_round_trip(call: Call) -> None:
    route = {"symbol": "BTCUSDT", "interval": "1M", "horizon": 7}

    assert call("route", "parseRoute", call("route", "buildRoute", route)) == route


@pytest.mark.parametrize(("asked", "horizon"), [("0", 1), ("51", 50), ("-3", 24), ("x", 24)])
def test_impossible_horizon_in_the_address_becomes_a_possible_one(
    call: Call, asked: str, horizon: int
) -> None:
    assert call("route", "parseRoute", f"#/market/X/1h?h={asked}")["horizon"] == horizon


@pytest.mark.parametrize("address", ["", "#/", "#/elsewhere/BTCUSDT/1h", "#/market"])
def test_address_without_a_series_names_none(call: Call, address: str) -> None:
    assert call("route", "parseRoute", address) == {
        "symbol": None,
        "interval": None,
        "horizon": 24,
    }


def test_card_is_the_artefacts_own_replay_of_the_nearest_step(call: Call) -> None:
    cards = [
        _card(step=1),
        _card(step=24),
        _card(step=6, kind="live"),
        _card(step=6, model="other"),
        _card(step=6, version="m-0"),
    ]

    card = call("sentences", "cardFor", cards, _forecast(), 8)

    assert card == _card(step=1)


def test_live_card_speaks_where_nothing_was_replayed(call: Call) -> None:
    assert call("sentences", "cardFor", [_card(kind="live")], _forecast(), 1)["kind"] == "live"
    assert call("sentences", "cardFor", [], _forecast(), 1) is None


def test_direction_with_skill_names_the_side_and_the_majority(call: Call) -> None:
    card = _card(
        direction_verdict="skill",
        direction_accuracy=0.55,
        direction_low=0.53,
        direction_high=0.57,
        direction_majority=0.51,
        n_eff=900,
    )

    text = call("sentences", "directionSentence", _forecast(), card, 1)

    assert text.replace(NBSP, " ") == (
        "Direction: up (55.0 % right, 95 % interval 53.0 % to 57.0 %, n = 900;"
        " the more frequent one 51.0 %)."
    )


def test_model_that_never_calls_a_side_gives_no_accuracy(call: Call) -> None:
    card = _card(direction_verdict="coin_flip", direction_low=0, direction_high=1)

    text = call("sentences", "directionSentence", _forecast(), card, 1)

    assert text == "Direction: coin flip (this model takes no side)."


@pytest.mark.parametrize(
    ("cards", "last"),
    [
        ([_card(step=1), _card(step=3)], 3),
        ([_card(step=1), _card(step=3, verdict="none")], 1),
        ([_card(step=1, verdict="none")], 0),
        ([], None),
    ],
)
def test_skill_ends_at_the_last_measured_step_that_has_it(
    call: Call, cards: list[dict[str, Any]], last: int | None
) -> None:
    assert call("sentences", "lastSkilledStep", cards, _forecast()) == last


@pytest.mark.parametrize(
    ("lag_ms", "level"), [(0, "live"), (7_199_999, "live"), (7_200_000, "late"), (18e6, "stale")]
)
def test_freshness_counts_in_intervals(call: Call, lag_ms: float, level: str) -> None:
    assert call("freshness", "freshness", 1e12, "1h", 1e12 + lag_ms)["level"] == level


def test_demo_at_its_own_speed_does_not_boast(call: Call) -> None:
    status = {"demo": True, "demo_ended": False, "now_ms": 1_718_719_200_000, "rate": 1}

    assert call("freshness", "demoBanner", status) == (
        "DEMO: recorded klines of 2024 replayed at their own speed"
    )


@pytest.mark.parametrize(
    ("interval", "rate", "period_ms"),
    [("1h", 60, 3_000), ("1h", 1, 10_000), ("1s", 1, 2_000), ("1h", 0, 10_000)],
)
def test_looks_come_as_often_as_klines_close(
    call: Call, interval: str, rate: float, period_ms: int
) -> None:
    state = {
        "route": {"interval": interval},
        "clock": {"rate": rate},
        "failure": None,
        "data": {"forecast": {}},
    }

    assert call("feed", "pollPeriodMs", state) == period_ms


def test_chart_keeps_a_slot_for_every_step_and_every_kline(call: Call) -> None:
    kline = {"openMs": 3_600_000, "open": "1", "high": "3", "low": "0.5", "close": "2"}

    rows = call("series", "buildCandles", [kline], [3_600_000, 7_200_000])

    assert rows == [
        {"time": 3600, "open": 1, "high": 3, "low": 0.5, "close": 2},
        {"time": 7200},
    ]


def test_naive_band_is_left_out_where_it_is_the_forecast_itself(call: Call) -> None:
    forecast = _forecast(cutoff_ms=0)
    naive = _forecast(cutoff_ms=0, model="random_walk")

    assert call("series", "buildFan", forecast, forecast, 2)["naive"] is None
    fan = call("series", "buildFan", forecast, naive, 2)

    assert fan["naive"] == {"low": [100, 97, 97], "high": [100, 103, 103]}
    assert fan["times"] == [0, 3_600_000, 7_200_000]
    assert fan["bands"][0] == {"low": [100, 95, 95], "high": [100, 105, 105]}


@pytest.mark.parametrize("state", ["stale", "expired", "fallback"])
def test_state_of_a_forecast_is_told_as_it_was_when_made(call: Call, state: str) -> None:
    known = {"failure": None, "dot": {"level": "live"}, "lastCloseMs": 0, "demoEnded": False}

    (said,) = call("freshness", "warnings", known | {"forecast": {"state": state}})

    # A model that can't be used is no state: its forecast is then the random walk's by name.
    assert "out of service" not in said
    assert ("when it was made" in said) is (state != "fallback")


def test_headline_of_klines_counts_time_and_not_klines(call: Call) -> None:
    close = {"close": "100.00"}
    klines = [{**close, "openMs": n * 3_600_000} for n in range(30) if n not in (10, 11)]

    said = call(
        "view", "klineSentence", {"symbol": "A", "interval": "1h", "klines": klines, "digits": 2}
    )

    assert said.endswith("in 26 h.")


def test_end_of_the_demo_is_no_reason_to_warn_of_old_data(call: Call) -> None:
    dot = {"level": "stale", "text": ""}
    known = {"failure": None, "dot": dot, "lastCloseMs": 0, "forecast": {"state": "expired"}}

    assert call("freshness", "warnings", known | {"demoEnded": True}) == []
    assert len(call("freshness", "warnings", known | {"demoEnded": False})) == 2
