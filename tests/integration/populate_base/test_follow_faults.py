"""Following while the exchange, the store and the process itself misbehave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from market.clock import ExchangeClock
from market.errors import StoreUnavailable
from market.interval import Interval
from market.store import Store, open_store
from market.store.klines import Batch, Source, write_klines
from market.store.schema import migrate
from market.store.symbols import Series, write_watermark
from populate_base.recovery import recover
from populate_base.spool import Spool
from populate_base.stream import ClosedKline
from populate_base.tails import Tails
from support.following import check_whole, count_stored, following
from support.populator import HOURS, control, ledger_of, stored_klines
from support.ports import free_port
from support.servers import NotHere
from support.simulator import Simulator
from support.stores import add_series, count, rows

#: Of the exchange's time that passes in a second of the machine.
SPEED = 3600


@pytest.fixture
def simulator_options(tmp_path: Path) -> tuple[str, ...]:
    """A clock that closes a kline a second."""
    return ("--now", "2024-02-12T12:30:00Z", "--speed", str(SPEED))


def test_a_changed_final_is_corrected_and_kept_as_a_revision(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    change = {"number_of_trades": "+1"}
    control(simulator, "faults", kind="changed_final", change=change, probability=0.5)
    with following(simulator, sqlite_url, tmp_path, POPULATE_CONFIRM_S="1") as follow:
        follow.wait(follow.is_ready, "ready")
        control(simulator, "faults", kind="reset")
        control(simulator, "faults", kind="changed_final", change=change, probability=0.5)
        follow.wait(lambda: count(store, "kline_revisions") >= 2, "two corrections")
        control(simulator, "faults", kind="reset")
        told = count_stored(store)
        follow.wait(lambda: count_stored(store) >= told + 4, "klines that are not changed")
        follow.wait(lambda: follow.metric("populate_base_corrected_total") >= 2, "metrics")

    confirmed = rows(store, "SELECT open_time_ms FROM confirmations")[0]["open_time_ms"]
    truth = {kline.open_time_ms: kline for kline in HOURS}
    kept = rows(store, "SELECT open_time_ms, number_of_trades FROM kline_revisions")
    for row in kept:
        assert row["number_of_trades"] == truth[row["open_time_ms"]].number_of_trades + 1
        assert row["open_time_ms"] < confirmed
    check_whole(store)


@pytest.mark.parametrize("cause", ["server_shutdown", "age"])
def test_a_swap_is_no_reconnect(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path, cause: str
) -> None:
    life_s = "4" if cause == "age" else "3600"
    with following(simulator, sqlite_url, tmp_path, POPULATE_STREAM_LIFE_S=life_s) as follow:
        follow.wait(follow.is_ready, "ready")
        if cause == "server_shutdown":
            control(simulator, "faults", kind="server_shutdown", after_s=30)
        follow.wait(lambda: follow.metric("populate_base_swaps_total") >= 1, "a swap")
        before = count_stored(store)
        follow.wait(lambda: count_stored(store) >= before + 3, "three more klines")
        assert follow.metric("populate_base_reconnects_total") == 0

    check_whole(store)


def test_late_finals_and_what_was_never_told_leave_no_hole(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        control(simulator, "faults", kind="late_finals", delay_s=2, probability=0.5, seconds=6)
        control(simulator, "faults", kind="silence", seconds=3)
        before = count_stored(store)
        follow.wait(lambda: count_stored(store) >= before + 10, "ten more klines")

    check_whole(store)


def test_a_firewall_that_blocks_for_a_while_is_waited_for(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        # More of them than one request has attempts, for all that a reconnect asks for.
        control(simulator, "faults", kind="status", status=403, path="/api", count=8)
        control(simulator, "faults", kind="drop_streams")
        told = count_stored(store)
        follow.wait(lambda: count_stored(store) >= told + 6, "klines behind the block")
    check_whole(store)


def test_two_followers_of_one_universe_take_turns(
    simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    with following(simulator, sqlite_url, tmp_path) as first:
        first.wait(first.is_ready, "ready")
        with following(simulator, sqlite_url, tmp_path) as second:
            second.wait(lambda: "standing by" in second.readiness(), "standing by")
            assert not second.is_ready()

            first.process.kill()

            second.wait(second.is_ready, "the second follows")
            before = count_stored(store)
            second.wait(lambda: count_stored(store) >= before + 3, "three more klines")

    check_whole(store)


@pytest.fixture
def own_mysql() -> Iterator[tuple[str, str]]:
    """A MySQL server of this test's own that may be stopped: its URL and port."""
    port = str(free_port())
    try:
        url = mysql_tool("up", port)
    except NotHere as reason:
        pytest.skip(f"no MySQL that may be stopped: {reason}")
    try:
        yield url, port
    finally:
        mysql_tool("wipe", port)


def mysql_tool(*arguments: str) -> str:
    """Run the script that starts and stops MySQL servers."""
    folder = os.environ.get("KLINECAST_TEST_TOOLS")
    if not folder:
        raise NotHere("KLINECAST_TEST_TOOLS is not set")
    script = Path(folder) / "mysql_server.sh"
    done = subprocess.run(
        ["sh", str(script), *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        raise NotHere(done.stderr.strip()[-300:])
    return done.stdout.strip()


@pytest.mark.timeout(400)
def test_a_store_that_is_down_costs_nothing(
    simulator: Simulator, own_mysql: tuple[str, str], tmp_path: Path
) -> None:
    url, port = own_mysql
    store = open_store(url)
    migrate(store)
    spooled = tmp_path / "state" / "spool" / "0.spool"
    with following(simulator, url, tmp_path) as follow:
        follow.wait(follow.is_ready, "ready")
        mysql_tool("down", port)
        follow.wait(lambda: spooled.exists() and spooled.stat().st_size > 600, "a spool")
        assert not follow.is_ready()
        assert follow.metric("populate_base_spool_bytes") > 0
        mysql_tool("up", port)
        follow.wait(lambda: not spooled.exists(), "an empty spool")
        follow.wait(follow.is_ready, "ready again")
        before = count_stored(store)
        follow.wait(lambda: count_stored(store) >= before + 3, "three more klines")
        said = follow.log.read_text()

    check_whole(store)
    store.close()
    assert "spool_replayed" in said
    assert "follow_interrupted" not in said  # the stream went on all the time


_RECOVER = """
import sys
from pathlib import Path
from market.clock import ExchangeClock
from market.interval import Interval
from market.store import open_store
from market.store.symbols import find_series
from populate_base.recovery import recover
from populate_base.tails import Tails
store = open_store(sys.argv[1])
with store.read() as connection:
    series = find_series(connection, "BTCUSDT", Interval.H1)
print("begun", flush=True)
recover(store, Tails(store, ExchangeClock(), "ws://x", 10), Path(sys.argv[2]), [series])
"""


def test_a_replay_that_is_killed_again_and_again_is_whole_in_the_end(
    store: Store, sqlite_url: str, tmp_path: Path
) -> None:
    series = add_series(store, "BTCUSDT", Interval.H1)
    write_klines(store, series, HOURS[:10], Batch(Source.REST, "test", 1))
    with store.begin() as connection:
        write_watermark(connection, series, HOURS[9].open_time_ms)
    spool = Spool(tmp_path / "spool" / "0.spool", 10_000_000)
    for kline in HOURS[8:700]:
        spool.append(kline.close_time_ms, [ClosedKline("BTCUSDT", Interval.H1, kline)])

    kills = 0
    while spool.path.exists():
        command = [sys.executable, "-c", _RECOVER, sqlite_url, str(spool.path.parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            if kills < 4:
                time.sleep(0.05 * (kills + 1))
                process.kill()
                kills += 1
            process.wait(120)

    assert stored_klines(store, series) == HOURS[:700]
    assert ledger_of(store, series) == ([], HOURS[699].open_time_ms)
    assert count(store, "kline_revisions") == 0


def test_a_spool_is_kept_while_the_store_is_away(tmp_path: Path) -> None:
    away = open_store(f"mysql://market:market@127.0.0.1:{free_port()}/market")
    spool = Spool(tmp_path / "0.spool", 1_000_000)
    spool.append(1, [ClosedKline("BTCUSDT", Interval.H1, HOURS[0])])
    tails = Tails(away, ExchangeClock(), "ws://x", 10)
    with pytest.raises(StoreUnavailable):
        recover(away, tails, tmp_path, [Series(1, "BTCUSDT", Interval.H1)])

    assert len(list(spool.read())) == 1
