"""Forecasts, scores, champions and jobs are served as the store holds them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import httpx
import pytest

from market.forecast import (
    QUANTILE_LEVELS,
    Forecast,
    ForecastPage,
    ScoreCard,
    ScorePage,
    Signal,
    Step,
    forecast_id,
)
from market.interval import HOUR_MS, Interval
from market.shapes import ChampionPage, Job, JobPage
from market.store.champions import write_champion
from market.store.forecast_ledger import append_forecast
from market.store.jobs import submit_job
from market.store.score_ledger import write_score_cards
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

BTC = "symbol=BTCUSDT&interval=1h"


def make_forecast(model: str, version: str, hour: int) -> Forecast:
    cutoff_ms = START_MS + hour * HOUR_MS
    steps = [
        Step(
            step=h,
            target_ms=cutoff_ms + (h + 1) * HOUR_MS - 1,
            point=42_000.0 + h,
            sigma=0.01,
            quantiles={level: 42_000.0 + float(level) for level in QUANTILE_LEVELS},
        )
        for h in range(1, 51)
    ]
    return Forecast(
        forecast_id=forecast_id("BTCUSDT", "1h", version, cutoff_ms),
        symbol="BTCUSDT",
        interval="1h",
        model=model,
        version=version,
        cutoff_ms=cutoff_ms,
        made_at_ms=cutoff_ms + HOUR_MS,
        last_close=42_000.0,
        verdict="none",
        point_verdict="none",
        direction_verdict="coin_flip",
        state="fresh",
        signal=Signal(action="HOLD", reason="no skill"),
        demo=False,
        steps=steps,
    )


def make_card(model: str, kind: str) -> ScoreCard:
    words = {"symbol": "BTCUSDT", "interval": "1h", "model": model, "version": f"{model}-1"}
    verdicts = {"verdict": "none", "point_verdict": "none", "direction_verdict": "coin_flip"}
    given = {**words, **verdicts, "kind": kind, "step": 1}
    numbers = {name: 1 for name in ScoreCard.model_fields if name not in given}
    return ScoreCard.model_validate({**given, **numbers})


#: What the ledger holds: two versions of ridge share a cutoff, the champion is ridge.
FORECASTS = [
    make_forecast("ridge", "ridge-1", 1),
    make_forecast("ridge", "ridge-1", 2),
    make_forecast("ridge", "ridge-2", 2),
    make_forecast("ridge", "ridge-2", 3),
    make_forecast("xgboost", "xgboost-1", 4),
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a store with forecasts, scores, a champion and a job."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    series = add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    for forecast in FORECASTS:
        append_forecast(store, forecast)
    with store.begin() as connection:
        write_champion(connection, series, "ridge", "ridge-2", 7, "lowest pinball loss")
    old = make_card("ridge", "replay").model_copy(update={"version": "ridge-0", "to_ms": 0})
    write_score_cards(store, [make_card("ridge", "replay"), make_card("xgboost", "live"), old])
    submit_job(store, "training", {"symbol": "BTCUSDT"}, 7)
    with history_api(store, START_MS + 5 * HOUR_MS) as url:
        yield url


def forecasts(api: str, query: str = "") -> ForecastPage:
    response = httpx.get(f"{api}/v1/forecasts?{BTC}&{query}")
    return ForecastPage.model_validate_json(response.content)


def test_champions_newest_forecast_is_the_default(api: str) -> None:
    assert forecasts(api).forecasts == [FORECASTS[3]]


def test_pair_names_the_same_series(api: str) -> None:
    response = httpx.get(f"{api}/v1/forecasts?currency=btc&compare=usdt&interval=1h")

    assert response.json() == forecasts(api).model_dump()


def test_model_and_cutoff_choose_a_forecast(api: str) -> None:
    assert forecasts(api, "model=xgboost").forecasts == [FORECASTS[4]]
    cutoff_ms = FORECASTS[0].cutoff_ms
    assert forecasts(api, f"cutoff_ms={cutoff_ms}").forecasts == [FORECASTS[0]]


def test_horizon_cuts_the_steps(api: str) -> None:
    assert forecasts(api, "horizon=3").forecasts[0].steps == FORECASTS[3].steps[:3]


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_hold_each_forecast_once(api: str, limit: int) -> None:
    page = forecasts(api, f"limit={limit}")
    found = list(page.forecasts)
    while page.next is not None:
        page = forecasts(api, f"limit={limit}&cursor={page.next}")
        found += page.forecasts
        assert len(found) <= len(FORECASTS)  # else pages would never end

    assert [forecast.version for forecast in found] == ["ridge-2", "ridge-2", "ridge-1", "ridge-1"]
    assert [forecast.cutoff_ms for forecast in found] == [
        START_MS + hour * HOUR_MS for hour in (3, 2, 2, 1)
    ]


@pytest.mark.parametrize(
    ("query", "models"),
    [
        ("", ["ridge", "xgboost"]),
        ("?model=ridge", ["ridge"]),
        ("?kind=live", ["xgboost"]),
        ("?symbol=btcusdt&interval=1h", ["ridge", "xgboost"]),
        ("?interval=1d", []),
    ],
)
def test_scores_are_filtered(api: str, query: str, models: list[str]) -> None:
    page = ScorePage.model_validate_json(httpx.get(f"{api}/v1/scores{query}").content)

    assert [card.model for card in page.scores] == models


def test_champion_tells_since_when_and_why(api: str) -> None:
    page = ChampionPage.model_validate_json(httpx.get(f"{api}/v1/champions?{BTC}").content)

    assert [(c.version, c.since_ms, c.reason) for c in page.champions] == [
        ("ridge-2", 7, "lowest pinball loss")
    ]


def test_jobs_are_listed_and_shown(api: str) -> None:
    page = JobPage.model_validate_json(httpx.get(f"{api}/v1/jobs?kind=training").content)
    job = Job.model_validate_json(httpx.get(f"{api}/v1/jobs/{page.jobs[0].id}").content)

    assert page.jobs == [job]
    assert httpx.get(f"{api}/v1/jobs?kind=backfill").json() == {"jobs": []}


def test_truth_is_told_once_it_is_stored(api: str) -> None:
    page = forecasts(api, "limit=9")

    # Klines of hours 0 to 4 are stored: a cutoff at hour h has 4 - h steps that came true.
    told = {key: [one.step for one in steps] for key, steps in page.truth.items()}
    assert told == {
        FORECASTS[3].forecast_id: [1],
        FORECASTS[2].forecast_id: [1, 2],
        FORECASTS[1].forecast_id: [1, 2],
        FORECASTS[0].forecast_id: [1, 2, 3],
    }
    klines, made = make_klines(Interval.H1, 5), FORECASTS[0]
    for truth, kline in zip(page.truth[made.forecast_id], klines[2:], strict=True):
        quantiles = made.steps[truth.step - 1].quantiles
        close = float(kline.close)
        assert truth.actual == close
        assert truth.error == pytest.approx(math.log(close / made.steps[truth.step - 1].point))
        assert truth.in_95 == (quantiles["0.025"] <= close <= quantiles["0.975"])
        assert truth.in_50 == (quantiles["0.25"] <= close <= quantiles["0.75"])
    assert forecasts(api, "horizon=1&model=ridge&limit=9").truth.keys() == told.keys()
    assert forecasts(api, "model=xgboost").truth == {}


def test_cutoffs_of_a_range_and_of_several_models(api: str) -> None:
    def found(query: str) -> list[Forecast]:
        return forecasts(api, f"limit=9&{query}").forecasts

    newest_first = [FORECASTS[n] for n in (4, 3, 2, 1, 0)]
    assert found("model=all") == newest_first
    assert found("model=ridge,xgboost") == newest_first
    two_ms, four_ms = (START_MS + hour * HOUR_MS for hour in (2, 4))
    assert found(f"model=all&start={two_ms}&end={four_ms}") == newest_first[1:4]
    assert found(f"model=all&start={two_ms}&end={four_ms}&cutoff_ms={two_ms}") == newest_first[2:4]

    pages = [forecasts(api, f"model=all&limit=2&end={four_ms}")]
    while pages[-1].next is not None:
        query = f"model=all&limit=2&end={four_ms}&cursor={pages[-1].next}"
        pages.append(forecasts(api, query))
    assert [one for page in pages for one in page.forecasts] == newest_first[1:]


def test_scores_are_of_a_step_a_range_or_every_version(api: str) -> None:
    def found(query: str) -> list[tuple[str, str]]:
        answer = httpx.get(f"{api}/v1/scores?{query}")
        page = ScorePage.model_validate_json(answer.content)
        return [(card.version, card.kind) for card in page.scores]

    ridge, xgboost = ("ridge-1", "replay"), ("xgboost-1", "live")
    assert found("versions=all") == [ridge, ("ridge-0", "replay"), xgboost]
    assert found("") == [ridge, xgboost]
    assert found("end=1") == [("ridge-0", "replay")]
    assert found("start=1&kind=live") == [xgboost]
    assert found("step=1") == [ridge, xgboost]
    assert found("step=2") == []
