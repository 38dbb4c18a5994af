"""The command line: summaries, and one clear sentence for each mistake."""

from __future__ import annotations

import json

import pytest

from market.store import Store
from support.populator import run_populator
from support.ports import free_port
from support.simulator import Simulator

BACKFILL = ["backfill", "--symbol", "btcusdt", "--interval", "1h", "--start", "2024-02-01"]


def test_backfill_and_status_print_one_object(
    simulator: Simulator, store: Store, sqlite_url: str
) -> None:
    arguments = [*BACKFILL, "--interval", "1d", "--end", "2024-02-15", "--json"]

    done = run_populator(arguments, sqlite_url, simulator.environment)
    status = run_populator(["status", "--json"], sqlite_url, simulator.environment)

    summary = json.loads(done.stdout)
    assert (done.returncode, status.returncode) == (0, 0)
    assert [(s["interval"], s["inserted"]) for s in summary["series"]] == [("1h", 336), ("1d", 14)]
    assert summary["rows"] == 350
    series = json.loads(status.stdout)["series"]
    assert [(s["interval"], s["klines"], s["completeness"]) for s in series] == [
        ("1h", 336, 1.0),
        ("1d", 14, 1.0),
    ]
    assert series[0]["lag_seconds"] == pytest.approx(12.5 * 3600, abs=60)
    assert series[0]["gaps"] == []


def test_status_needs_no_exchange(simulator: Simulator, store: Store, sqlite_url: str) -> None:
    run_populator(BACKFILL, sqlite_url, simulator.environment)
    away = {"KLINECAST_BINANCE_REST_URL": f"http://127.0.0.1:{free_port()}"}

    as_json = run_populator(["status", "--json"], sqlite_url, away)
    as_table = run_populator(["status"], sqlite_url, away)

    assert json.loads(as_json.stdout)["series"][0]["lag_seconds"] is None
    assert "BTCUSDT 1h" in as_table.stdout
    assert "2024-02-15T11:00" in as_table.stdout


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        (["--interval", "7m"], 2, "interval was '7m'; expected one of 1s 1m"),
        (["--end", "2024-01-01"], 2, "end was '2024-01-01'; expected a time after start"),
        (["--start", "soon"], 2, "start was 'soon'; expected YYYY-MM-DD"),
        (["--start", "2030-01-01"], 1, "in the future: the exchange's clock says 2024-02-15"),
        (["--symbol", "NOPE"], 1, "Binance does not know the symbol 'NOPE'"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    simulator: Simulator,
    store: Store,
    sqlite_url: str,
    changes: list[str],
    status: int,
    said: str,
) -> None:
    done = run_populator([*BACKFILL, *changes], sqlite_url, simulator.environment)

    assert done.returncode == status
    assert f"error: {said}" in done.stderr or said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    listed = run_populator(["status", "--json"], sqlite_url, simulator.environment)
    assert json.loads(listed.stdout)["series"] == []


def test_an_exchange_that_is_away_is_named_with_the_remedy(store: Store, sqlite_url: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    done = run_populator(BACKFILL, sqlite_url, {"KLINECAST_BINANCE_REST_URL": url})

    assert done.returncode == 1
    assert f"error: Binance at {url} cannot be reached" in done.stderr
    assert "--demo" in done.stderr


def test_a_store_that_is_away_is_named_without_its_password(simulator: Simulator) -> None:
    url = f"mysql://market:hidden@127.0.0.1:{free_port()}/market"

    done = run_populator(BACKFILL, url, simulator.environment)

    assert done.returncode == 1
    assert "error: the store at" in done.stderr
    assert "hidden" not in done.stderr
