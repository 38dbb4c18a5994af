"""From klines to a forecast in the ledger, over real sockets and processes."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from forecasting.registry import REGISTRY
from market.forecast import Forecast
from market.interval import HOUR_MS, Interval
from market.shapes import Job
from market.store.champions import read_champion
from market.store.forecast_ledger import read_forecasts, verify_chain
from market.store.klines import write_klines
from market.store.score_ledger import read_score_cards
from support.history_api import BATCH, add_series, history_api, new_store
from support.klines import make_klines
from support.model_service import Installation, install
from support.processes import wait_until

MODELS = sorted(REGISTRY)
KLINES = make_klines(Interval.H1, 1_801)
STORED, NEXT = KLINES[:-1], KLINES[-1:]
NOW_MS = STORED[-1].close_time_ms + 2_000


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Iterator[Installation]:
    store = new_store(sqlite_url)
    add_series(store, "BTCUSDT", Interval.H1, STORED)
    add_series(store, "ETHUSDT", Interval.H1, STORED[:100])
    with history_api(store, NOW_MS, demo=True) as url:
        yield install(store, sqlite_url, url, tmp_path, KLINECAST_DEMO="true")
    store.close()


def ledger(installation: Installation, limit: int = 100) -> list[Forecast]:
    with installation.store.read() as connection:
        series = find(connection)
        return read_forecasts(connection, series, limit=limit)


def find(connection):
    from market.store.symbols import find_series

    return find_series(connection, "BTCUSDT", Interval.H1)


def test_klines_become_forecasts_by_themselves(installation: Installation) -> None:
    cutoff_ms = STORED[-1].open_time_ms
    with installation.service() as url, installation.worker("worker"):
        wait_until(lambda: len(ledger(installation)) >= len(MODELS), "forecasts", limit_s=240)
        first = ledger(installation)
        with installation.store.read() as connection:
            series = find(connection)
        write_klines(installation.store, series, NEXT, BATCH)
        wait_until(
            lambda: sum(f.cutoff_ms > cutoff_ms for f in ledger(installation)) == len(MODELS),
            "forecasts from the next kline",
            limit_s=60,
        )
        answer = httpx.get(url + "/v1/models", timeout=10).json()["series"][0]

    before = len(ledger(installation))
    assert installation.run("once").returncode == 0  # a new process doesn't forecast it again

    assert len(ledger(installation)) == before
    assert sorted(f.model for f in first) == MODELS
    assert {f.cutoff_ms for f in first} == {cutoff_ms}
    assert all(f.demo and len(f.steps) == 50 for f in first)
    assert answer["champion"]["model"] == "random_walk"
    assert [model["model"] for model in answer["models"] if model["is_champion"]] == ["random_walk"]
    with installation.store.read() as connection:
        cards = read_score_cards(connection, symbol="BTCUSDT", kind="replay")
        assert {card.model for card in cards} == set(MODELS)
        assert all(verify_chain(connection, find(connection), model) == [] for model in MODELS)
        assert read_champion(connection, find(connection)).model == "random_walk"


def test_a_forecast_is_asked_for_and_kept(installation: Installation) -> None:
    done = installation.run("train", "--symbol", "BTCUSDT", "--interval", "1h")
    assert done.returncode == 0, done.stderr
    with installation.service() as url, httpx.Client(base_url=url, timeout=20) as http:
        asked = {"currency": "btc", "compare": "usdt", "interval": "1h", "steps": 3}
        first = http.post("/v1/forecasts", json=asked)
        again = http.post("/v1/forecasts", json=asked)
        ridge = http.post(
            "/v1/forecasts", json={"symbol": "BTCUSDT", "interval": "1h", "model": "ridge"}
        )

    assert first.status_code == 200, first.text
    assert again.content == first.content
    made = Forecast.model_validate_json(first.content)
    assert (made.model, [step.step for step in made.steps]) == ("random_walk", [1, 2, 3])
    assert made.steps[0].target_ms == made.cutoff_ms + 2 * HOUR_MS - 1
    assert made.last_close == pytest.approx(float(STORED[-1].close))
    assert ridge.json()["model"] == "ridge"
    kept = {forecast.forecast_id: forecast for forecast in ledger(installation)}
    assert kept[made.forecast_id].steps[:3] == made.steps
    assert len(kept[made.forecast_id].steps) == 50
    assert len(kept) == len(ledger(installation))


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/forecasts", {"symbol": "XXXUSDT", "interval": "1h"}, 404, "not known"),
        ("/v1/forecasts", {"symbol": "BTCUSDT", "interval": "7m"}, 422, "'7m'"),
        ("/v1/forecasts", {"symbol": "BTCUSDT", "interval": "1h"}, 404, "no trained random_walk"),
        (
            "/v1/forecasts",
            {"symbol": "BTCUSDT", "interval": "1h", "model": "lstm"},
            422,
            "one or more of random_walk drift",
        ),
        (
            "/v1/forecasts",
            {"symbol": "BTCUSDT", "interval": "1h", "steps": 51},
            422,
            "was 51",
        ),
        ("/v1/forecasts", {"interval": "1h"}, 422, "either `symbol`"),
        ("/v1/trainings", {"symbol": "XXXUSDT", "interval": "1h"}, 404, "not known"),
        ("/v1/trainings", {"symbol": "BTCUSDT", "interval": "1h", "models": ["x"]}, 422, "'x'"),
        ("/v1/trainings", {"symbol": "BTCUSDT", "interval": "1h", "modles": []}, 422, "modles"),
    ],
)
def test_bad_requests_get_one_clear_sentence(bare_service: str, path, body, status, words) -> None:
    answer = httpx.post(bare_service + path, json=body, timeout=20)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


@pytest.fixture(scope="module")
def bare_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service without a worker: nothing is ever trained."""
    folder = tmp_path_factory.mktemp("bare")
    store_url = f"sqlite:///{folder / 'store.db'}"
    store = new_store(store_url)
    add_series(store, "BTCUSDT", Interval.H1, STORED[:50])
    with (
        history_api(store, NOW_MS) as history_url,
        install(store, store_url, history_url, folder).service() as url,
    ):
        yield url
    store.close()


def test_the_same_training_is_queued_once(bare_service: str) -> None:
    body = {"symbol": "BTCUSDT", "interval": "1h", "models": ["mlp", "ridge"]}
    turned = {"currency": "BTC", "compare": "USDT", "interval": "1h", "models": ["ridge", "mlp"]}

    first, second = (
        httpx.post(bare_service + "/v1/trainings", json=one, timeout=20) for one in (body, turned)
    )

    assert first.status_code == second.status_code == 202
    assert first.json() == second.json()
    job = Job.model_validate_json(httpx.get(bare_service + first.json()["url"]).content)
    assert (job.id, job.state) == (first.json()["id"], "queued")
    assert httpx.get(bare_service + "/v1/trainings/unheard-of").status_code == 404


def test_too_few_klines_fail_a_training_by_name(installation: Installation) -> None:
    done = installation.run("train", "--symbol", "ETHUSDT", "--interval", "1h")

    assert done.returncode == 1
    assert "has 100 closed klines; training needs 300" in done.stderr


def test_commands_print_one_object(installation: Installation) -> None:
    assert installation.run("once").returncode == 0
    listed = installation.run("list", "--json")
    forecast = installation.run("forecast", "--symbol", "BTCUSDT", "--interval", "1h", "--json")
    scored = installation.run("evaluate", "--model", "ridge", "--json")

    for done in (listed, forecast, scored):
        assert done.returncode == 0, done.stderr
    assert len(orjson.loads(listed.stdout)["series"][0]["models"]) == len(MODELS)
    assert orjson.loads(forecast.stdout)["forecasts"][0]["model"] == "random_walk"
    cards = orjson.loads(scored.stdout)["cards"]
    models = ["random_walk_constant", "random_walk_ewma", "ridge"]
    assert list(dict.fromkeys(card["model"] for card in cards)) == models
    assert [card["step"] for card in cards] == [1, 3, 6, 12, 24, 36, 50] * 3


def test_evaluate_scores_a_span_and_what_it_kept(installation: Installation) -> None:
    url = installation.environment["KLINECAST_HISTORY_URL"]
    folder = installation.folder / "rows"
    span = ("--start", "2024-01-10", "--end", "2024-02-15", "--step", "1", "--step", "6")
    series = ("--symbol", "BTCUSDT", "--interval", "1h", "--history-url", url)
    line = (*series, *span, "--models", "random_walk,ridge", "--json")

    scored = installation.run("evaluate", *line, "--keep", str(folder))
    again = installation.run("evaluate", "--kept", str(folder / "BTCUSDT-1h.npz"), "--json")
    detailed = installation.run(
        "evaluate", "--kept", str(folder / "BTCUSDT-1h.npz"), "--json", "--details"
    )

    assert scored.returncode == 0, scored.stderr
    assert again.stdout == scored.stdout
    cards = orjson.loads(scored.stdout)["cards"]
    assert set(cards[0]) == {
        "symbol", "interval", "model", "step", "n", "n_effective", "pinball",
        "skill_vs_random_walk", "skill_vs_ewma", "dm_p", "coverage_50", "coverage_80",
        "coverage_95", "worst_30d_coverage_80", "mae_ratio", "verdict", "point_verdict",
        "direction_verdict",
    }  # fmt: skip
    assert [(card["model"], card["step"]) for card in cards[4:]] == [
        ("random_walk", 1), ("random_walk", 6), ("ridge", 1), ("ridge", 6),
    ]  # fmt: skip
    assert cards[4]["mae_ratio"] == 1.0
    assert len(orjson.loads(detailed.stdout)["details"]) == len(cards)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["forecast", "--interval", "7m"], "'7m'"),
        (["train", "--model", "oracle"], "'oracle'"),
        (["evaluate", "--model", "oracle"], "'oracle'"),
        (["evaluate", "--step", "51"], "1 to 50"),
        (["evaluate", "--start", "yesterday"], "'yesterday'"),
    ],
)
def test_a_wrong_line_is_refused(installation: Installation, arguments, words) -> None:
    done = installation.run(*arguments)

    assert done.returncode == 2
    assert words in done.stderr


def test_a_training_runs_on_mysql(mysql_url: str, tmp_path: Path) -> None:
    # The driver's C extension is lost where scikit-learn or xgboost is imported before it.
    store = new_store(mysql_url)
    add_series(store, "BTCUSDT", Interval.H1, STORED[:900])
    with history_api(store, NOW_MS) as url:
        mysql = install(store, mysql_url, url, tmp_path)
        done = mysql.run("train", "--model", "xgboost", "--model", "ridge")
        made = mysql.run("forecast", "--model", "xgboost", "--json")
    store.close()

    assert done.returncode == 0, done.stderr
    assert made.returncode == 0, made.stderr
    assert orjson.loads(made.stdout)["forecasts"][0]["model"] == "xgboost"


def test_a_wrong_schema_ends_the_service_in_one_line(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    store = new_store(f"sqlite:///{tmp_path / 'other.db'}")
    nowhere = install(store, url, "http://127.0.0.1:1", tmp_path)

    done = nowhere.run("serve")

    assert done.returncode == 1
    assert "schema" in done.stderr.splitlines()[-2]
    store.close()


def test_the_lab_shows_leaks_on_stored_klines(installation: Installation) -> None:
    found = installation.run("lab", "leak", "--symbol", "BTCUSDT", "--interval", "1h", "--json")
    short = installation.run("lab", "leak", "--symbol", "ETHUSDT", "--interval", "1h")

    assert found.returncode == 0, found.stderr
    answer = orjson.loads(found.stdout)
    assert (answer["series"], answer["rows"]) == ("BTCUSDT 1h", 1_800)
    assert len(answer["leaks"]) == 6
    assert all(one["caught"] and not one["honest_caught"] for one in answer["leaks"])
    assert short.returncode == 1
    assert "has 100 klines; the lab needs 1000" in short.stderr
