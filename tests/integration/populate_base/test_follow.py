"""Following: closed klines as they come, whole across every interruption."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from market.interval import Interval
from market.store import Store
from market.store import tables as t
from support.following import check_whole, count_stored, following
from support.populator import control, stored_klines, stored_series
from support.ports import free_port
from support.simulator import Simulator, run_simulator

#: Hours that have closed when the clock starts.
CLOSED = 45 * 24 + 12


@pytest.fixture
def simulator_options(tmp_path: Path) -> tuple[str, ...]:
    """A clock that closes two klines a second, kept over restarts, on a fixed port."""
    return (
        *("--now", "2024-02-15T12:30:00Z", "--speed", "7200"),
        *("--state", str(tmp_path / "clock"), "--port", str(free_port())),
    )


def test_follow_backfills_then_stores_what_closes(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        before = count_stored(store)
        follow.wait(lambda: count_stored(store) >= before + 4, "four more klines")
        metrics = httpx.get(f"{follow.url}/metrics").text

    check_whole(store)
    with store.read() as connection:
        sources = set(connection.execute(select(t.ingest_batches.c.source)).scalars())
        announced = set(connection.execute(select(t.outbox.c.key)).scalars())
    assert "ws" in sources
    assert (
        f"BTCUSDT|1h|{stored_klines(store, stored_series(store, Interval.H1))[-1][0]}" in announced
    )
    assert 'populate_base_lag_seconds{interval="1h",symbol="BTCUSDT"}' in metrics
    assert 'populate_base_rows_total{interval="1h",source="ws",symbol="BTCUSDT"}' in metrics


def test_follow_recovers_from_dropped_streams_without_a_hole(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        for _ in range(2):
            control(simulator, "faults", kind="drop_streams")
            before = count_stored(store)
            follow.wait(lambda: count_stored(store) >= before + 4, "four more klines")  # noqa: B023  waited for here

    check_whole(store)


def test_follow_outlasts_a_restart_of_the_exchange(
    simulator_data: Path,
    simulator_options: tuple[str, ...],
    store: Store,
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    log = tmp_path / "simulator.log"
    with run_simulator(simulator_data, log, simulator_options) as simulator:
        with_clock = following(simulator, sqlite_url, tmp_path)
        follow = with_clock.__enter__()
        follow.wait(follow.is_ready, "ready")
    try:
        follow.wait(lambda: not follow.is_ready(), "not ready")
        before = count_stored(store)
        with run_simulator(simulator_data, log, simulator_options):
            follow.wait(lambda: count_stored(store) >= before + 4, "four more klines")
            follow.wait(follow.is_ready, "ready again")
    finally:
        with_clock.__exit__(None, None, None)

    check_whole(store)


def test_follow_outlasts_a_store_that_is_away(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        with store.begin():  # SQLite's one writer: every other one waits
            time.sleep(3)
        before = count_stored(store)
        follow.wait(lambda: count_stored(store) >= before + 4, "four more klines")

    check_whole(store)


def test_follow_waits_for_a_store_and_an_exchange_that_are_not_there_yet(
    simulator_data: Path,
    simulator_options: tuple[str, ...],
    store: Store,
    sqlite_url: str,
    tmp_path: Path,
) -> None:
    url = f"http://127.0.0.1:{simulator_options[-1]}"
    absent = Simulator(url, simulator_data, None, tmp_path)  # type: ignore[arg-type]  # no process
    with following(absent, sqlite_url, tmp_path) as follow:
        follow.wait(lambda: follow.log.read_text().count("follow_waits") >= 1, "waiting")
        assert not follow.is_ready()
        with run_simulator(simulator_data, tmp_path / "simulator.log", simulator_options):
            follow.wait(follow.is_ready, "ready")

    check_whole(store)


def test_silence_opens_the_stream_again(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path, POPULATE_STREAM_SILENCE_S="0.5") as follow:
        follow.wait(follow.is_ready, "ready")
        control(simulator, "clock", speed=0)

        def reconnects() -> float:
            text = httpx.get(f"{follow.url}/metrics").text
            line = next(
                x for x in text.splitlines() if x.startswith("populate_base_reconnects_total")
            )
            return float(line.split()[1])

        follow.wait(lambda: reconnects() >= 2, "two reconnects")

    check_whole(store)


def test_sigterm_ends_with_status_0(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")

        follow.process.send_signal(signal.SIGTERM)

        assert follow.process.wait(10) == 0


@pytest.mark.parametrize("when_s", [0.2, 2.5])
def test_sigterm_while_starting_ends_with_status_0(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path, when_s: float
) -> None:
    absent = simulator._replace(url=f"http://127.0.0.1:{free_port()}")
    with following(absent, sqlite_url, tmp_path) as follow:
        follow.wait(lambda: "health_served" in follow.log.read_text(), "started")
        time.sleep(when_s)

        follow.process.send_signal(signal.SIGTERM)

        assert follow.process.wait(10) == 0


def test_killed_follow_loses_and_doubles_nothing(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        with following(simulator, sqlite_url, tmp_path) as follow:
            follow.wait(follow.is_ready, "ready")
            follow.process.kill()
            follow.process.wait()
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")

    check_whole(store)


def test_an_unknown_symbol_ends_follow_with_one_sentence(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path, KLINECAST_SYMBOLS="BTCUSDT,NOPEUSDT") as follow:
        assert follow.process.wait(30) == 1

    last = [line for line in follow.log.read_text().splitlines() if not line.startswith("{")]
    assert last[0] == "error: Binance does not know the symbol 'NOPEUSDT'"


def test_a_store_without_a_schema_ends_follow(simulator: Simulator, tmp_path: Path) -> None:
    with following(simulator, f"sqlite:///{tmp_path / 'empty.db'}", tmp_path) as follow:
        assert follow.process.wait(30) == 1

    assert "klinecast-market migrate" in follow.log.read_text()


def test_a_port_in_use_is_named(simulator: Simulator, sqlite_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with following(simulator, sqlite_url, tmp_path, POPULATE_PORT=port) as follow:
            assert follow.process.wait(30) == 1

    said = [line for line in follow.log.read_text().splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert port in said[0]
