"""REST: paging, hosts that fail or refuse, keys, and what each error leads to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from market.clock import ExchangeClock
from market.errors import ExchangeRefused, ExchangeUnavailable, RateLimited, SettingsError
from market.gaps import Range
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.store import Store, open_store
from market.store.schema import migrate
from market.wire_clock import WireClock
from populate_base import rest_client
from populate_base.api_key import ApiKey
from populate_base.exchange import Exchange
from populate_base.faults import Blocked
from populate_base.weight import WeightBudget
from support.archive import write_archive_months
from support.klines import START_MS, make_klines
from support.populator import control
from support.ports import free_port
from support.recording_server import recording
from support.simulator import Simulator, run_simulator

HOURS = make_klines(Interval.H1, 1_500)
END_MS = HOURS[-1].close_time_ms + 1
KEY = ApiKey(SecretStr("key-of-reader"), SecretStr("secret-of-reader"))


def with_holes(seed: int) -> list[Kline]:
    """Return the klines but for holes of many lengths, and some of them off the grid."""
    dice, kept, left = random.Random(seed), [], 0
    for kline in HOURS:
        if left == 0 and dice.random() < 0.02:
            left = dice.choice([1, 2, 30, 150])
        if left > 0:
            left -= 1
        elif dice.random() < 0.05:
            late_ms = dice.randrange(1, HOUR_MS // 2)
            kept.append(kline._replace(open_time_ms=kline.open_time_ms + late_ms))
        else:
            kept.append(kline)
    return kept


PATTERNS = {f"H{seed}USDT": with_holes(seed) for seed in range(4)}
#: Where the clock of `other` stands.
OTHER_END_MS = PATTERNS["H0USDT"][-1].close_time_ms + 1


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A simulator of the patterns, its clock at their end and its limits lifted."""
    folder = tmp_path_factory.mktemp("patterns")
    for symbol, klines in PATTERNS.items():
        write_archive_months(folder / "archive", symbol, "1h", klines)
    options = ["--speed", "0", "--weight-limit", "100000000"]
    with run_simulator(folder / "archive", folder / "log", options) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def budget(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeightBudget]:
    """A budget that is never the bound."""
    store = open_store(f"sqlite:///{tmp_path_factory.mktemp('weight') / 'store.db'}")
    migrate(store)
    budget = WeightBudget(store, WireClock(), share=1.0)
    entry = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": 100_000_000}
    budget.read_limit([entry])
    yield budget
    store.close()


@contextmanager
def exchange_of(
    urls: list[str], budget: WeightBudget, *, key: ApiKey | None = None, attempts: int = 2
) -> Iterator[Exchange]:
    exchange = Exchange(urls, ExchangeClock(), budget, key=key, attempts=attempts)
    try:
        yield exchange
    finally:
        exchange.close()


@settings(max_examples=60, deadline=None)
@given(
    symbol=st.sampled_from(sorted(PATTERNS)),
    page=st.integers(1, 1000),
    first=st.integers(-50, 1_500),
    slots=st.integers(1, 1_600),
)
def test_paging_gives_exactly_the_range(
    served: Simulator, budget: WeightBudget, symbol: str, page: int, first: int, slots: int
) -> None:
    start_ms = START_MS + first * HOUR_MS
    # Small pages of a small range, so that an example is not a thousand requests.
    span = Range(start_ms, start_ms + min(slots, 40 * page) * HOUR_MS)

    with exchange_of([served.url], budget) as exchange:
        pages = [rows for _, rows in exchange.iter_klines(symbol, Interval.H1, span, page=page)]

    wanted = [k for k in PATTERNS[symbol] if span.start_ms <= k.open_time_ms < span.end_ms]
    assert [kline for rows in pages for kline in rows] == wanted
    assert all(0 < len(rows) <= page for rows in pages)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Simulator]:
    """A second host with the same data."""
    write_archive_months(tmp_path / "other", "H0USDT", "1h", PATTERNS["H0USDT"])
    options = ["--speed", "0", "--weight-limit", "100000000"]
    with run_simulator(tmp_path / "other", tmp_path / "other.log", options) as simulator:
        yield simulator


@pytest.mark.parametrize("status", [451, 403, 500, 502])
def test_a_host_that_refuses_or_fails_is_left_for_the_next(
    served: Simulator, other: Simulator, budget: WeightBudget, status: int
) -> None:
    control(other, "faults", kind="status", status=status, path="/api")
    dead = f"http://127.0.0.1:{free_port()}"

    with exchange_of([dead, other.url, served.url], budget) as exchange:
        first_ms = exchange.fetch_first_open("H0USDT", Interval.H1)
        asked_next = exchange.rest_url

    assert first_ms == PATTERNS["H0USDT"][0].open_time_ms
    assert asked_next == served.url


@pytest.mark.parametrize(("status", "kind"), [(451, ExchangeRefused), (403, Blocked)])
def test_only_where_every_host_refuses_it_is_refused(
    other: Simulator, budget: WeightBudget, status: int, kind: type[Exception]
) -> None:
    control(other, "faults", kind="status", status=status, path="/api", count=100)

    with (
        exchange_of([other.url, other.url.replace("127.0.0.1", "localhost")], budget) as exchange,
        pytest.raises(kind) as caught,
    ):
        exchange.fetch_time_ms()

    assert "KLINECAST_BINANCE_REST_URL" in caught.value.hint


def test_a_firewall_that_blocks_once_does_not_end_it(
    other: Simulator, budget: WeightBudget
) -> None:
    control(other, "faults", kind="status", status=403, path="/api", count=1)

    with exchange_of([other.url], budget) as exchange:
        assert exchange.fetch_time_ms() == OTHER_END_MS


def test_hosts_that_are_all_away_are_named(budget: WeightBudget) -> None:
    with (
        exchange_of([f"http://127.0.0.1:{free_port()}"], budget) as exchange,
        pytest.raises(ExchangeUnavailable, match="cannot be reached"),
    ):
        exchange.fetch_time_ms()


@pytest.fixture
def own_budget(tmp_path: Path) -> Iterator[tuple[Store, WeightBudget]]:
    """A store and a budget that a ban may spoil."""
    store = open_store(f"sqlite:///{tmp_path / 'own.db'}")
    migrate(store)
    yield store, WeightBudget(store, WireClock())
    store.close()


def test_nothing_is_sent_during_a_ban_not_by_a_new_process_either(
    other: Simulator, own_budget: tuple[Store, WeightBudget]
) -> None:
    store, budget = own_budget
    control(other, "faults", kind="ban", retry_after_s=300)

    for weight in (budget, budget, WeightBudget(store, WireClock())):
        with exchange_of([other.url], weight) as exchange, pytest.raises(RateLimited) as caught:
            exchange.fetch_time_ms()
        assert 290 < caught.value.retry_after_s <= 305

    traffic = httpx.get(f"{other.url}/simulator/requests").json()["totals"]
    assert traffic["sent_while_banned"] == 0
    assert traffic["requests"] == 1


def test_a_wait_is_waited_by_all(other: Simulator, own_budget: tuple[Store, WeightBudget]) -> None:
    store, budget = own_budget
    control(other, "faults", kind="rate_limit", retry_after_s=2)

    with exchange_of([other.url], budget) as exchange:
        assert exchange.fetch_time_ms() == OTHER_END_MS
    with exchange_of([other.url], WeightBudget(store, WireClock())) as exchange:
        assert exchange.fetch_time_ms() == OTHER_END_MS

    traffic = httpx.get(f"{other.url}/simulator/requests").json()["totals"]
    assert traffic["sent_while_limited"] == 0


def test_a_key_that_only_reads_is_used(other: Simulator, budget: WeightBudget) -> None:
    control(other, "faults", kind="api_key", key="key-of-reader", allow=["enableReading"])

    with exchange_of([other.url], budget, key=KEY) as exchange:
        assert exchange.fetch_time_ms() == OTHER_END_MS


@pytest.mark.parametrize("right", ["enableWithdrawals", "enableSpotAndMarginTrading"])
def test_a_key_that_may_do_more_is_refused(
    other: Simulator, budget: WeightBudget, right: str
) -> None:
    allow = ["enableReading", right]
    control(other, "faults", kind="api_key", key="key-of-reader", allow=allow)

    with (
        exchange_of([other.url], budget, key=KEY) as exchange,
        pytest.raises(SettingsError, match=right) as caught,
    ):
        exchange.fetch_time_ms()

    assert "of-reader" not in repr(caught.value) + str(caught.value.__cause__)


def test_a_key_that_is_not_known_is_refused(other: Simulator, budget: WeightBudget) -> None:
    with (
        exchange_of([other.url], budget, key=KEY) as exchange,
        pytest.raises(SettingsError, match="KLINECAST_BINANCE_API_KEY"),
    ):
        exchange.fetch_time_ms()


def test_a_key_is_nowhere_to_be_read(
    budget: WeightBudget, capsys: pytest.CaptureFixture[str]
) -> None:
    with recording() as server:
        server.answer("GET /api/v3/time", (200, {"serverTime": END_MS}))
        server.answer("GET /sapi/v1/account/apiRestrictions", (200, {"enableReading": True}))
        row = list(HOURS[0])
        server.answer(
            "GET /api/v3/klines",
            (200, [row]),
            (500, {"code": -1000, "msg": "signature=secret-of-reader"}),
        )
        with exchange_of([server.url], budget, key=KEY, attempts=1) as exchange:
            pages = exchange.iter_klines("BTCUSDT", Interval.H1, Range(START_MS, END_MS))
            url, _klines = next(pages)
            with pytest.raises(ExchangeUnavailable) as caught:
                next(pages)

        signed = [r for r in server.requests if r.path.startswith("/sapi")]
        assert [r.headers["X-MBX-APIKEY"] for r in signed] == ["key-of-reader"]
        assert all("signature" not in r.path for r in server.requests if r not in signed)
    shown = capsys.readouterr()
    everything = [url, repr(KEY), repr(exchange), str(caught.value), shown.out, shown.err]
    assert not any("of-reader" in text for text in everything)


def test_a_clock_that_is_off_is_measured_again(budget: WeightBudget) -> None:
    clock = ExchangeClock()
    with recording() as server:
        skewed = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
        server.answer("GET /api/v3/klines", (400, skewed), (200, [list(HOURS[0])]))
        server.answer("GET /api/v3/time", (200, {"serverTime": END_MS}))
        exchange = Exchange([server.url], clock, budget, attempts=2)
        exchange.fetch_first_open("BTCUSDT", Interval.H1)
        exchange.close()

        asked = [request.path.partition("?")[0] for request in server.requests]

    assert asked == ["/api/v3/klines", "/api/v3/time", "/api/v3/klines"]
    assert abs(clock.now_ms() - END_MS) < 60_000


def test_a_body_that_drips_is_given_up_and_asked_for_again(
    other: Simulator, budget: WeightBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_client, "_WHOLE_S", 1.0)
    control(other, "faults", kind="slow_body", bytes_per_s=2_000, count=1, path="/api/v3/klines")
    span = Range(START_MS, START_MS + 500 * HOUR_MS)

    with exchange_of([other.url], budget) as exchange:
        pages = list(exchange.iter_klines("H0USDT", Interval.H1, span))
        speaking = other.totals()["requests"]

    # Each byte came well within the time-out of a connection.
    assert len(pages) == 1
    assert speaking == 3  # the one given up, the next, and the empty page at the end
