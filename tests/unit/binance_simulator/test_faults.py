"""Reading faults, and which of them strikes."""

from __future__ import annotations

import re

import pytest

from binance_simulator.clock import SimulatedClock
from binance_simulator.faults.answers import Status
from binance_simulator.faults.board import Faults
from binance_simulator.faults.files import BadChecksum, CorruptZip, TruncatedZip
from binance_simulator.faults.rows import apply_view, narrow
from binance_simulator.faults.streams import DropStreams, Silence
from binance_simulator.faults.when import Asked, Chance
from market.errors import InvalidParameter
from market.interval import HOUR_MS, Interval
from support.klines import START_MS, make_klines

KLINES = Asked("/api/v3/klines", "BTCUSDT", Interval.H1, "rest")
HOURS = make_klines(Interval.H1, 48)
NOON_MS = START_MS + 12 * HOUR_MS


class MachineClock:
    """Seconds that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def board(seed: int = 0) -> tuple[Faults, SimulatedClock, MachineClock]:
    machine = MachineClock()
    clock = SimulatedClock(NOON_MS, 0, START_MS + 1000 * HOUR_MS, machine)
    return Faults(clock, seed, machine), clock, machine


def statuses(faults: Faults, *asked: Asked) -> list[int | None]:
    struck = [faults.strike(Status, one) for one in asked]
    return [None if fault is None else fault.status for fault in struck]


def told(faults: Faults, source: str, symbol: str = "BTCUSDT") -> list[int]:
    view = narrow(faults.view(source, symbol), Interval.H1)
    return [(k.open_time_ms - START_MS) // HOUR_MS for k in apply_view(view, HOURS)]


def test_faults_strike_in_order_for_their_path_and_count() -> None:
    faults, _, _ = board()
    faults.add({"kind": "status", "status": 429, "count": 2, "path": "/api/v3/klines"})
    faults.add({"kind": "status", "status": 500})

    assert statuses(faults, KLINES, Asked("/data/x"), KLINES, KLINES) == [429, 500, 429, None]
    assert faults.tell() == []


def test_fault_lets_pass_what_comes_before_its_turn() -> None:
    faults, _, _ = board()
    faults.add({"kind": "status", "after": 2, "count": 1})

    assert statuses(faults, *[KLINES] * 4) == [None, None, 500, None]


@pytest.mark.parametrize(
    ("narrowed", "strikes"),
    [
        ({"symbol": "BTCUSDT"}, True),
        ({"symbol": ["ETHUSDT", "BTCUSDT"]}, True),
        ({"symbol": "ETHUSDT"}, False),
        ({"interval": "1h"}, True),
        ({"interval": "1m"}, False),
        ({"source": "rest"}, True),
        ({"source": "ws"}, False),
        ({"path": "/api"}, True),
        ({"path": "/data"}, False),
    ],
)
def test_target_narrows_a_fault(narrowed: dict[str, object], strikes: bool) -> None:
    faults, _, _ = board()
    faults.add({"kind": "status", **narrowed})

    assert statuses(faults, KLINES) == [500 if strikes else None]


def test_window_is_the_exchanges_time() -> None:
    faults, clock, _ = board()
    faults.add({"kind": "status", "from": NOON_MS + 10, "until": "2024-01-01T13:00:00Z"})

    found = []
    for now_ms in (NOON_MS + 9, NOON_MS + 10, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS):
        clock.set(now_ms, 0)
        found += statuses(faults, KLINES)

    assert found == [None, 500, 500, None]


def test_seconds_are_the_machines() -> None:
    faults, _, machine = board()
    faults.add({"kind": "silence", "seconds": 5})

    assert len(faults.holding(Silence)) == 1
    machine.now_s = 5.0
    assert faults.holding(Silence) == []


def test_probability_is_kept_and_the_same_for_the_same_seed() -> None:
    runs = []
    for seed in (1, 1, 2):
        faults, _, _ = board(seed)
        faults.add({"kind": "status", "probability": 0.3})
        runs.append(statuses(faults, *[KLINES] * 2000))

    assert runs[0] == runs[1] != runs[2]
    assert 500 < runs[0].count(500) < 700


def test_chance_falls_the_same_way_for_the_same_thing() -> None:
    chance = Chance(0.1, "salt")

    picked = [kline.open_time_ms for kline in HOURS * 50 if chance.picks(kline.open_time_ms)]

    assert set(picked) == {k.open_time_ms for k in HOURS if chance.picks(k.open_time_ms)}


def test_happenings_fall_due_again_and_again() -> None:
    faults, clock, _ = board()
    faults.add({"kind": "drop_streams", "from": NOON_MS + 1000, "every_s": 10, "count": 2})

    seen = []
    for after_ms in (0, 1000, 5000, 11_000, 50_000):
        clock.set(NOON_MS + after_ms, 0)
        seen.append(faults.happened)

    assert seen == [0, 1, 1, 2, 2]
    assert [one.effect for one in faults.happenings(1)] == [DropStreams()]


def test_view_is_of_one_source_and_symbol() -> None:
    faults, _, _ = board()
    faults.add(
        {
            "kind": "missing_rows", "symbol": "BTCUSDT", "source": ["archive_daily", "rest"],
            "start": START_MS + HOUR_MS, "end": START_MS + 47 * HOUR_MS,
        }
    )  # fmt: skip

    assert told(faults, "rest") == told(faults, "archive_daily") == [0, 47]
    assert told(faults, "ws") == told(faults, "rest", "ETHUSDT") == list(range(48))


def test_renamed_symbol_ends_and_goes_on() -> None:
    faults, _, _ = board()
    at = START_MS + 20 * HOUR_MS
    faults.add({"kind": "renamed", "symbol": "BTCUSDT", "to": "XBTUSDT", "at": at})

    assert told(faults, "rest") == list(range(20))
    assert told(faults, "rest", "XBTUSDT") == list(range(20, 48))
    assert faults.life("BTCUSDT") == (None, at)
    assert faults.life("XBTUSDT") == (at, None)
    assert faults.life("ETHUSDT") == (None, None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"number_of_trades": 7}, {"number_of_trades": 7}),
        ({"number_of_trades": "+3"}, {"number_of_trades": HOURS[0].number_of_trades + 3}),
        ({"open": "1.5"}, {"open": "1.50000000"}),
        ({"volume": "*0"}, {"volume": "0.00000000"}),
    ],
)
def test_change_sets_or_moves_fields(
    change: dict[str, object], expected: dict[str, object]
) -> None:
    faults, _, _ = board()
    faults.add({"kind": "changed_final", "change": change, "klines": [START_MS]})

    rows = apply_view(faults.view("ws", "BTCUSDT"), HOURS[:2])

    assert rows == [HOURS[0]._replace(**expected), HOURS[1]]  # type: ignore[arg-type]
    assert faults.view("rest", "BTCUSDT") == ()


def test_view_tells_when_it_last_changed() -> None:
    faults, clock, _ = board()
    faults.add({"kind": "reuploaded", "from": NOON_MS + 5, "change": {"close": "+1"}})

    assert faults.changed_ms("archive_daily", "BTCUSDT") == 0
    clock.set(NOON_MS + 6, 0)
    assert faults.changed_ms("archive_daily", "BTCUSDT") == NOON_MS + 5
    assert faults.changed_ms("rest", "BTCUSDT") == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "kind was None; expected one of api_key "),
        ({"kind": "explode"}, "kind was 'explode'; expected one of api_key "),
        ({"kind": "status", "status": 200}, "status was 200; expected an integer from 400 to 599"),
        ({"kind": "status", "count": 0}, "count was 0; expected an integer from 1"),
        ({"kind": "status", "count": "2"}, "count was '2'"),
        ({"kind": "status", "path": "api"}, "path was 'api'; expected the beginning of a path"),
        ({"kind": "status", "delay_s": 3}, "delay_s was 3; expected only fields of status: "),
        ({"kind": "silence", "count": 3}, "count was 3; expected only fields of silence: "),
        ({"kind": "status", "symbol": "btc"}, "symbol was 'btc'; expected a symbol such as"),
        ({"kind": "status", "interval": "7m"}, "interval was '7m'"),
        ({"kind": "status", "source": "gossip"}, "source was 'gossip'; expected one of archive"),
        ({"kind": "status", "probability": 2}, "probability was 2; expected a number from 0 to 1"),
        ({"kind": "status", "from": 5, "until": 5}, "until was 5; expected a time after `from`"),
        ({"kind": "status", "from": "noon"}, "from was 'noon'"),
        ({"kind": "delisted", "at": 5}, "symbol was None; expected delisted to name it"),
        ({"kind": "delisted", "symbol": "AAUSDT"}, "at was None; expected delisted to name it"),
        ({"kind": "disagreement", "change": {"open": 1}}, "source was None"),
        ({"kind": "changed_final", "change": {"size": 1}}, "change was {'size': 1}; expected fi"),
        (
            {"kind": "changed_final", "change": {"open": "x"}},
            "change was {'open': 'x'}; ",
        ),
    ],
)
def test_faults_that_do_not_exist_are_refused(asked: dict[str, object], said: str) -> None:
    faults, _, _ = board()

    with pytest.raises(InvalidParameter, match="^" + re.escape(said)):
        faults.add(asked)

    assert faults.tell() == []


def test_reset_forgets_all() -> None:
    faults, _, _ = board()
    faults.add({"kind": "status"})
    faults.add({"kind": "missing_rows"})

    faults.add({"kind": "reset"})

    assert faults.tell() == []
    assert faults.view("rest", "BTCUSDT") == ()


def test_damage_is_what_its_name_says() -> None:
    content = bytes(range(50))

    corrupt = CorruptZip().damage(content)

    assert len(corrupt) == 50
    assert sum(a != b for a, b in zip(content, corrupt, strict=True)) == 1
    assert TruncatedZip(keep=0.1).damage(content) == content[:5]
    assert BadChecksum().damage(b"0a  x") == b"1a  x"
    assert BadChecksum().damage(b"fa  x") == b"0a  x"
