"""Workers that are killed, stopped or told to give up in the middle of a training."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecasting.artefacts import Artefacts
from forecasting.jobs import submit_training
from forecasting.registry import REGISTRY
from market.interval import Interval
from market.shapes import Job
from market.store.champions import read_champion_history
from market.store.jobs import cancel_job, read_job
from market.store.symbols import find_series
from support.history_api import add_series, history_api, new_store
from support.klines import make_klines
from support.ledger_rows import unwritable_cards
from support.model_service import Installation, install
from support.processes import wait_until

#: Enough that a full training takes some seconds.
KLINES = make_klines(Interval.H1, 4_000)


@pytest.fixture
def installation(sqlite_url: str, tmp_path: Path) -> Iterator[Installation]:
    store = new_store(sqlite_url)
    add_series(store, "BTCUSDT", Interval.H1, KLINES)
    with history_api(store, KLINES[-1].close_time_ms + 1) as url:
        yield install(store, sqlite_url, url, tmp_path)
    store.close()


@pytest.fixture
def job(installation: Installation) -> Job:
    return submit_training(installation.store, "BTCUSDT", Interval.H1, None, 1)[0]


def now(installation: Installation, job: Job) -> Job:
    with installation.store.read() as connection:
        return read_job(connection, job.id)


def wait_for_steps(installation: Installation, job: Job, count: int) -> None:
    wait_until(lambda: len(now(installation, job).steps) >= count, f"{count} steps", limit_s=60)


def published(installation: Installation) -> set[str]:
    artefacts = Artefacts(installation.environment["KLINECAST_ARTEFACTS_URL"])
    return set(artefacts.newest("BTCUSDT", Interval.H1))


def test_a_killed_worker_s_training_is_finished_by_another(
    installation: Installation, job: Job
) -> None:
    with installation.worker("first") as process:
        wait_for_steps(installation, job, 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
    half = now(installation, job)
    with installation.worker("second"):
        wait_until(lambda: now(installation, job).state == "done", "done", limit_s=120)

    assert half.state == "running"
    assert published(installation) == set(REGISTRY)
    with installation.store.read() as connection:
        series = find_series(connection, "BTCUSDT", Interval.H1)
        champions = read_champion_history(connection, series)
    assert champions[-1].reason == "the first artefact of the series"
    assert len({champion.version for champion in champions}) == len(champions) or len(champions) < 4


def test_a_stopped_worker_gives_its_training_back_at_once(
    installation: Installation, job: Job
) -> None:
    installation = Installation(
        installation.store,
        installation.folder,
        {**installation.environment, "MODELS_LEASE_S": "3600"},
    )
    with installation.worker("first") as process:
        wait_for_steps(installation, job, 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert now(installation, job).state == "running"

    with installation.worker("second"):
        wait_until(lambda: now(installation, job).state == "done", "done", limit_s=120)


def test_a_cancelled_training_stops_and_the_worker_goes_on(
    installation: Installation, job: Job
) -> None:
    with installation.worker("worker"):
        wait_for_steps(installation, job, 3)
        cancel_job(installation.store, job.id, 2)
        after, is_new = submit_training(
            installation.store, "BTCUSDT", Interval.H1, ["random_walk"], 3
        )
        wait_until(lambda: now(installation, after).state == "done", "the next", limit_s=60)

    assert is_new
    assert now(installation, job).state == "cancelled"


def test_a_training_that_cannot_be_done_fails_by_name(installation: Installation) -> None:
    add_series(installation.store, "NEWUSDT", Interval.H1, KLINES[:10])
    job, _ = submit_training(installation.store, "NEWUSDT", Interval.H1, None, 1)

    done = installation.run("work", "--once")

    assert done.returncode == 0, done.stderr
    failed = now(installation, job)
    assert failed.state == "failed"
    assert failed.error == "NEWUSDT 1h has 10 closed klines; training needs 300"


def test_a_training_that_breaks_fails_by_name_and_the_next_is_done(
    installation: Installation,
) -> None:
    add_series(installation.store, "ETHUSDT", Interval.H1, KLINES)
    broken, _ = submit_training(installation.store, "BTCUSDT", Interval.H1, ["ridge"], 1)
    after, _ = submit_training(installation.store, "ETHUSDT", Interval.H1, ["random_walk"], 2)

    with (
        unwritable_cards(installation.store, "ridge"),
        installation.worker("worker") as process,
    ):
        wait_until(
            lambda: now(installation, after).state == "done",
            "the next",
            limit_s=120,
            process=process,
        )

    failed = now(installation, broken)
    assert (failed.state, failed.error) == (
        "failed",
        "it broke in a way that was not foreseen: IntegrityError: (sqlite3.IntegrityError) refused",
    )
    assert failed.steps[-1].name == "evaluate"


def test_a_training_waits_for_a_history_api_that_is_away(
    installation: Installation, job: Job
) -> None:
    away = Installation(
        installation.store,
        installation.folder,
        {**installation.environment, "KLINECAST_HISTORY_URL": "http://127.0.0.1:1"},
    )

    done = away.run("work", "--once")

    assert done.returncode == 0, done.stderr
    waiting = now(installation, job)
    assert (waiting.state, waiting.error) == ("running", None)
