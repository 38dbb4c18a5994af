"""Every index on a real node: filled from the store, with the numbers the store has."""

from __future__ import annotations

from typing import Any

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.documents import StepChoice
from forecast_sink.indices import PLANS
from forecast_sink.installation import install_indices
from forecast_sink.retention import trim_aged
from forecast_sink.sources.scope import Choices
from forecast_sink.watch import Watch
from market.clock import ExchangeClock, Reading
from market.gaps import Cause, Gap
from market.interval import DAY_MS, HOUR_MS, Interval
from market.kline import Kline
from market.shapes import Job, JobStep
from market.store import Store
from market.store import tables as t
from market.store.champions import write_champion
from market.store.gap_ledger import write_gaps
from market.store.jobs import end_job, report_job, submit_job, take_job
from market.store.score_ledger import write_score_cards
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines
from support.klines import START_MS, make_klines
from support.ledger_rows import make_card
from support.sink import deliver_all, documents, relay_of, waiting

NOW_MS = START_MS + 40 * HOUR_MS


@pytest.fixture
def clock() -> ExchangeClock:
    """A clock that stands 40 hours after the first kline."""
    clock = ExchangeClock(lambda: 0.0)
    clock.record(Reading(NOW_MS, 0.0))
    return clock


@pytest.fixture
def klines(store: Store, series: Series, client: Elasticsearch) -> list[Kline]:
    """Klines of 40 hours; forecasts after the first and after the 30th are made at once."""
    install_indices(client)
    made = make_klines(Interval.H1, 40)
    add_klines(store, series, made[:31])
    add_forecasts(store, series, [made[0], made[30]])
    deliver_all(relay_of(store, client))
    return made


def test_truth_arrives_with_the_klines_it_waits_for(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline]
) -> None:
    before = documents(client, "klinecast-forecasts")
    identity = f"BTCUSDT|1h|ridge-0123456789ab|{klines[30].open_time_ms}|"
    assert "actual" not in before[identity + "1"]
    assert sum("actual" in body for body in before.values()) == 30

    add_klines(store, series, klines[31:])
    deliver_all(relay_of(store, client))

    after = documents(client, "klinecast-forecasts")
    assert len(after) == 100
    for step in range(1, 10):
        assert after[f"{identity}{step}"]["actual"] == float(klines[30 + step].close)
    assert "actual" not in after[identity + "10"]
    signals = documents(client, "klinecast-signals")
    assert len(signals) == 2
    returned = float(klines[31].close) / float(klines[30].close) - 1
    assert signals[identity[:-1]]["actual_return"] == pytest.approx(returned)


def test_corrected_kline_corrects_the_truth(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline]
) -> None:
    changed = klines[5]._replace(close="43000.00000000", high="44000.00000000")
    add_klines(store, series, [changed])
    deliver_all(relay_of(store, client))

    found = documents(client, "klinecast-forecasts")
    assert found[f"BTCUSDT|1h|ridge-0123456789ab|{START_MS}|5"]["actual"] == 43000.0


def test_days_are_scored_as_sql_over_the_store_says(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline], clock: ExchangeClock
) -> None:
    add_klines(store, series, klines[31:])
    write_score_cards(store, [make_card()])
    Watch(store, client, clock).look()
    deliver_all(relay_of(store, client))

    found = documents(client, "klinecast-scores")
    daily = [one for one in found.values() if one["kind"] == "daily"]
    with store.read() as connection:
        k = t.klines.c
        closes = dict(
            connection.execute(t.klines.select().with_only_columns(k.open_time_ms, k.close)).all()
        )
    due = [START_MS + HOUR_MS * (first + step) for first in (0, 30) for step in range(1, 51)]
    assert sum(one["n"] for one in daily) == sum(open_ms in closes for open_ms in due)
    third = found[f"BTCUSDT|1h|ridge-0123456789ab|3|{START_MS}"]
    error = abs(float(closes[START_MS + 3 * HOUR_MS]) - float(closes[START_MS]))
    assert third["mae"] == pytest.approx(error)
    assert (third["n"], third["skill"]) == (1, pytest.approx(0))
    card = found["BTCUSDT|1h|ridge-0123456789ab|1|replay"]
    assert (card["kind"], card["coverage_80"], card["n"]) == ("replay", 0.79, 1000)


def test_runs_tell_how_trainings_went(
    store: Store, client: Elasticsearch, clock: ExchangeClock
) -> None:
    install_indices(client)
    request = {"symbol": "BTCUSDT", "interval": "1h", "models": ["ridge"]}
    job, _ = submit_job(store, "training", request, NOW_MS)
    take_job(store, "training", "me", NOW_MS, 10_000)
    steps = [JobStep(name="ridge", detail="fitted on 100 rows")]
    running: Job = job.model_copy(update={"steps": steps, "progress": 0.5})
    report_job(store, running, "me", now_ms=NOW_MS + 1_000, lease_until_ms=NOW_MS + 9_000)
    watch, relay = Watch(store, client, clock), relay_of(store, client, clock)
    watch.look()
    deliver_all(relay)
    half = documents(client, "klinecast-runs")
    end_job(store, job.id, "me", "failed", error="too few rows", now_ms=NOW_MS + 4_000)
    watch.look()
    deliver_all(relay)

    run = documents(client, "klinecast-runs")
    assert (half[job.id]["state"], half[job.id]["progress"]) == ("running", 0.5)
    assert run[job.id]["state"] == "failed"
    assert (run[job.id]["duration"], run[job.id]["is_failed"]) == (4.0, 1)
    assert run[job.id]["error"] == "too few rows"
    assert run[f"{job.id}|1"]["detail"] == "fitted on 100 rows"
    events = documents(client, "klinecast-events")
    assert events[f"job-ended|{job.id}"]["level"] == "error"


def test_health_and_events_tell_of_gaps_and_champions(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline], clock: ExchangeClock
) -> None:
    gap = Gap(START_MS - DAY_MS, START_MS, Cause.REPAIRABLE)
    with store.begin() as connection:
        write_gaps(connection, series, (gap.start_ms, gap.end_ms), [gap], NOW_MS)
        write_champion(connection, series, "ridge", "ridge-1", NOW_MS, "the best of two")
    Watch(store, client, clock).look()
    deliver_all(relay_of(store, client, clock))

    health = documents(client, "klinecast-health")
    mine = health["series|BTCUSDT|1h"]
    assert (mine["open_gaps"], mine["state"]) == (1, "late")
    assert mine["kline_lag"] == pytest.approx(9 * 3600, abs=60)
    assert set(health) == {"series|BTCUSDT|1h", *(f"service|{n}" for n in SERVICES)}
    events = documents(client, "klinecast-events")
    said = {one["event"]: one for one in events.values()}
    assert said["gap-seen"]["level"] == "warning"
    assert said["champion"]["message"] == "ridge-1 is served from now on: the best of two"
    assert list(client.indices.get(index="klinecast-events-202401")) == ["klinecast-events-202401"]


SERVICES = ("populator", "models", "sink")


def test_second_look_announces_health_alone(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline], clock: ExchangeClock
) -> None:
    watch = Watch(store, client, clock)
    assert watch.look() > 4
    deliver_all(relay_of(store, client))

    assert watch.look() == 4
    assert waiting(store) == 4


def test_new_watch_begins_where_the_index_ends(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline], clock: ExchangeClock
) -> None:
    """A sink that was down finds what it missed, and does not score the past once more."""
    Watch(store, client, clock).look()
    deliver_all(relay_of(store, client))
    add_klines(store, series, klines[31:])

    Watch(store, client, clock).look()
    with store.read() as connection:
        rows: Any = connection.execute(t.outbox.select()).all()
    days = {row.key for row in rows if row.index == "scores"}
    assert days == {f"BTCUSDT|1h|{START_MS + DAY_MS * n}" for n in (0, 1)}


def test_retention_removes_what_is_older_than_the_newest_forecast_allows(
    store: Store, series: Series, client: Elasticsearch, klines: list[Kline]
) -> None:
    late = make_klines(Interval.H1, 1, start_ms=START_MS + 40 * DAY_MS)
    add_forecasts(store, series, late)
    deliver_all(relay_of(store, client))

    removed = trim_aged(store, client, Choices(StepChoice(), keep_days=10))

    assert removed == 100 + 2
    assert len(documents(client, "klinecast-forecasts")) == 50
    assert trim_aged(store, client, Choices(keep_days=0)) == 0


def test_every_index_is_strict_and_behind_its_alias(client: Elasticsearch) -> None:
    install_indices(client)

    for plan in PLANS:
        for made in client.indices.get(index=plan.alias).values():
            assert made["mappings"]["dynamic"] == "strict"
            assert set(made["mappings"]["properties"]) == set(plan.properties)
