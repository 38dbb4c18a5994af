"""One series in trouble: the others of its process are followed and confirmed all the same."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.confirmations import read_confirmed, write_confirmed
from market.store.klines import Batch, Source, write_klines
from market.store.symbols import Series, write_watermark
from populate_base import metrics
from populate_base.backfill import Sources
from populate_base.confirm import Confirmer
from support.archive import write_archive_months
from support.following import check_whole, count_stored, following
from support.klines import make_klines
from support.populator import HOURS, write_hours
from support.processes import wait_until
from support.simulator import Simulator
from support.stores import add_series, count

STREAMED = HOURS[960:970]


@pytest.fixture
def simulator_data(tmp_path: Path) -> Path:
    """Archive files of two symbols: the klines of one can't be true."""
    write_hours(tmp_path / "archive")
    untrue = [kline._replace(low=kline.high, high=kline.low) for kline in HOURS]
    write_archive_months(tmp_path / "archive", "AAAUSDT", "1h", untrue)
    return tmp_path / "archive"


def stream(store: Store, symbol: str, klines: list[Kline]) -> Series:
    """Store klines of a new series as a stream would have, nothing confirmed yet."""
    series = add_series(store, symbol, Interval.H1)
    write_klines(store, series, klines, Batch(Source.WS, "ws://test", klines[0].open_time_ms))
    with store.begin() as connection:
        write_watermark(connection, series, klines[-1].open_time_ms)
        write_confirmed(connection, series, klines[0].open_time_ms)
    return series


@pytest.mark.parametrize("troubled", ["GONEUSDT", "AAAUSDT"])
def test_a_symbol_that_is_gone_or_untrue_keeps_no_other_from_being_confirmed(
    simulator: Simulator, sources: Sources, store: Store, troubled: str
) -> None:
    sources.exchange.fetch_time_ms()
    series = [stream(store, troubled, STREAMED), stream(store, "BTCUSDT", STREAMED)]
    confirmer = Confirmer(store, sources, series, after_s=1, index_klines=1)
    stop = threading.Event()
    thread = threading.Thread(target=confirmer.run, args=[stop], daemon=True)

    def is_confirmed() -> bool:
        with store.read() as connection:
            told = read_confirmed(connection, series[1])
        return told == STREAMED[-1].close_time_ms + 1

    thread.start()
    try:
        wait_until(is_confirmed, "the other one is confirmed")
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join()


def test_klines_that_rest_lacks_are_counted_where_it_has_none_at_all(
    simulator: Simulator, sources: Sources, store: Store
) -> None:
    sources.exchange.fetch_time_ms()
    never = make_klines(Interval.H1, 3, start_ms=HOURS[0].open_time_ms - 100 * 3_600_000)
    series = stream(store, "BTCUSDT", never)
    before = metrics.UNKNOWN_TO_REST._value.get()

    Confirmer(store, sources, [series], after_s=1, index_klines=1).confirm(series)

    assert metrics.UNKNOWN_TO_REST._value.get() - before == len(never)
    assert count(store, "klines") == len(never)


class TestFollowing:
    @pytest.fixture
    def simulator_options(self) -> tuple[str, ...]:
        """A clock that closes a kline a second."""
        return ("--now", "2024-02-12T12:30:00Z", "--speed", "3600")

    def test_a_page_that_cannot_be_true_ends_no_other_series(
        self, simulator: Simulator, store: Store, sqlite_url: str, tmp_path: Path
    ) -> None:
        with following(
            simulator, sqlite_url, tmp_path, KLINECAST_SYMBOLS="AAAUSDT,BTCUSDT"
        ) as follow:
            follow.wait(lambda: "catch_up_waits" in follow.log.read_text(), "trouble")
            follow.wait(lambda: count(store, "klines") > 0, "klines of the other one")
            before = count_stored(store)
            follow.wait(lambda: count_stored(store) >= before + 4, "four more klines")
            assert not follow.is_ready()

        check_whole(store)
