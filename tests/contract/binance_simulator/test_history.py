"""What the simulated exchange knows, against brute force over the rows it was given."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from binance_simulator.catalogue import scan
from binance_simulator.columns import in_microseconds
from binance_simulator.grid import Grid
from binance_simulator.history import History, Query, flat
from market.aggregation import combine
from market.errors import DataError
from market.interval import DAY_MS, HOUR_MS, MINUTE_MS, Interval
from market.kline import Kline
from market.times import parse_time_ms
from support.archive import write_archive_file, write_archive_months
from support.klines import make_klines

SYMBOL = "AAAUSDT"
START_MS = parse_time_ms("start", "2024-01-01")
END_MS = parse_time_ms("end", "2024-04-01")
MINUTES_MS = parse_time_ms("minutes", "2024-03-05")
#: These days of February have daily files, which say something else than the monthly one.
DAILY = [parse_time_ms("day", f"2024-02-{day}") for day in ("03", "04", "29")]


class Recorded(NamedTuple):
    """The rows in the files and the history that serves them."""

    hours: list[Kline]
    minutes: list[Kline]
    days: list[Kline]
    history: History


def with_gaps(klines: Iterable[Kline], seed: int) -> list[Kline]:
    """Leave out stretches, as outages do."""
    dice = random.Random(seed)
    rows = list(klines)
    for _ in range(4):
        start = dice.randrange(len(rows))
        del rows[start : start + dice.randrange(1, 40)]
    return rows


def on_day(kline: Kline, days: Iterable[int]) -> bool:
    return Interval.D1.floor(kline.open_time_ms) in set(days)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Hours of three months, days of February only, minutes of three days in March."""
    folder = tmp_path_factory.mktemp("archive")
    hours = with_gaps(make_klines(Interval.H1, 91 * 24), seed=3)
    write_archive_months(folder / "monthly", SYMBOL, "1h", hours)
    hours = [k._replace(number_of_trades=7) if on_day(k, DAILY) else k for k in hours]
    for day_ms in DAILY:
        name = (
            f"{SYMBOL}-1h-2024-02-{1 + (day_ms - parse_time_ms('m', '2024-02-01')) // DAY_MS:02d}"
        )
        rows = [k for k in hours if on_day(k, [day_ms])]
        write_archive_file(folder / "daily", name, rows)
    days = make_klines(Interval.D1, 29, start_ms=parse_time_ms("start", "2024-02-01"), seed=9)
    write_archive_months(folder / "monthly", SYMBOL, "1d", days)
    minutes = with_gaps(make_klines(Interval.M1, 3 * 1440, start_ms=MINUTES_MS, seed=5), seed=4)
    for number in range(3):
        day_ms = MINUTES_MS + number * DAY_MS
        rows = [k for k in minutes if on_day(k, [day_ms])]
        write_archive_file(folder / "daily", f"{SYMBOL}-1m-2024-03-0{5 + number}", rows)
    return Recorded(hours, minutes, days, History(scan([folder])))


def rows_of(recorded: Recorded, interval: Interval) -> list[Kline]:
    """Every kline of an interval, made the slow way."""
    native = {
        Interval.H1: recorded.hours,
        Interval.D1: recorded.days,
        Interval.M1: recorded.minutes,
    }
    rows = {k.open_time_ms: k for k in native.get(interval, [])}
    if interval is Interval.H1 or interval is Interval.M1:
        return sorted(rows.values())
    february = range(parse_time_ms("s", "2024-02-01"), parse_time_ms("e", "2024-03-01"))
    finer = recorded.hours if Interval.H1.divides(interval) else recorded.minutes
    first_ms, end_ms = (START_MS, END_MS) if finer is recorded.hours else (
        MINUTES_MS, MINUTES_MS + 3 * DAY_MS
    )  # fmt: skip
    highest = Grid(interval).is_made_of(Interval.D1)
    for open_ms in interval.iter_opens(first_ms, end_ms):
        next_ms = interval.add(open_ms, 1)
        if next_ms > end_ms or (interval is Interval.D1 and open_ms in february):
            continue
        # Days exist for February alone: what lies in it whole is made of them.
        whole = highest and open_ms in february and next_ms <= february.stop
        source = recorded.days if whole else finer
        members = [k for k in source if open_ms <= k.open_time_ms < next_ms]
        if members:
            rows[open_ms] = combine(open_ms, next_ms - 1, members)
    return sorted(rows.values())


SERVED = [i for i in Interval if i is not Interval.S1]


@pytest.mark.parametrize("interval", SERVED)
def test_every_interval_is_served_from_its_files_or_from_lower_ones(
    recorded: Recorded, interval: Interval
) -> None:
    expected = rows_of(recorded, interval)

    served: list[Kline] = []
    query = Query(SYMBOL, Grid(interval), 0, None, 1000)
    while page := recorded.history.page(query, END_MS + 1).klines():
        served += page
        query = query._replace(start_ms=page[-1].open_time_ms + 1)

    assert len(expected) > 0
    assert served == expected


TIMES = st.one_of(
    st.none(),
    st.integers(START_MS - 3 * DAY_MS, END_MS + 3 * DAY_MS),
    st.integers(0, 24 * 91).map(lambda hour: START_MS + hour * HOUR_MS),
    st.integers(0, 3 * 1440).map(lambda minute: MINUTES_MS + minute * MINUTE_MS),
    st.sampled_from([0, 99_999_999_999_999]),
)
ROWS: dict[Interval, list[Kline]] = {}


@settings(deadline=None, max_examples=150)
@given(
    interval=st.sampled_from(SERVED),
    start_ms=TIMES,
    end_ms=TIMES,
    limit=st.one_of(st.integers(1, 30), st.just(1000)),
    now_ms=TIMES.filter(lambda time_ms: time_ms is not None),
)
def test_page_is_what_brute_force_finds(
    recorded: Recorded, interval: Interval, start_ms: int | None, end_ms: int | None, limit: int,
    now_ms: int,
) -> None:  # fmt: skip
    rows = ROWS.setdefault(interval, rows_of(recorded, interval))
    known = [kline for kline in rows if kline.close_time_ms < now_ms]
    unfinished = recorded.history.unfinished(SYMBOL, Grid(interval), now_ms)
    known += [unfinished] if unfinished else []
    wanted = [
        kline
        for kline in known
        if (start_ms is None or kline.open_time_ms >= start_ms)
        and (end_ms is None or kline.open_time_ms <= end_ms)
    ]
    expected = wanted[-limit:] if start_ms is None else wanted[:limit]

    query = Query(SYMBOL, Grid(interval), start_ms, end_ms, limit)
    assert recorded.history.page(query, now_ms).klines() == expected


@settings(deadline=None, max_examples=60)
@given(
    interval=st.sampled_from(SERVED),
    from_ms=st.integers(MINUTES_MS, MINUTES_MS + DAY_MS),
    step_ms=st.integers(0, 5 * HOUR_MS),
)
def test_closed_between_tells_each_close_once(
    recorded: Recorded, interval: Interval, from_ms: int, step_ms: int
) -> None:
    rows = ROWS.setdefault(interval, rows_of(recorded, interval))

    closed = recorded.history.closed_between(SYMBOL, Grid(interval), from_ms, from_ms + step_ms)

    assert closed == [k for k in rows if from_ms <= k.close_time_ms < from_ms + step_ms]


def test_unfinished_is_made_of_what_had_happened(recorded: Recorded) -> None:
    now_ms = MINUTES_MS + 14 * HOUR_MS + 30 * MINUTE_MS + 17_000
    hour_ms, minute_ms = Interval.H1.floor(now_ms), Interval.M1.floor(now_ms)
    past = [k for k in recorded.minutes if hour_ms <= k.open_time_ms < minute_ms]
    running = [flat(k) for k in recorded.minutes if k.open_time_ms == minute_ms]
    hours = [k for k in recorded.hours if Interval.D1.floor(now_ms) <= k.open_time_ms < hour_ms]

    hour = recorded.history.unfinished(SYMBOL, Grid(Interval.H1), now_ms)
    day = recorded.history.unfinished(SYMBOL, Grid(Interval.D1), now_ms)

    assert hour == combine(hour_ms, hour_ms + HOUR_MS - 1, past + running)
    assert hour is not None
    day_ms = Interval.D1.floor(now_ms)
    assert day == combine(day_ms, day_ms + DAY_MS - 1, [*hours, hour])


def test_unfinished_opens_flat_where_nothing_lower_is_known(recorded: Recorded) -> None:
    hour = recorded.hours[5]

    opened = recorded.history.unfinished(SYMBOL, Grid(Interval.H1), hour.open_time_ms + 1000)
    assert opened == flat(hour)


def test_kline_is_open_until_its_last_millisecond_has_passed(recorded: Recorded) -> None:
    hour, query = recorded.hours[5], Query(SYMBOL, Grid(Interval.H1), None, None, 2)

    last_ms = recorded.history.page(query, hour.close_time_ms).klines()
    after = recorded.history.page(query._replace(end_ms=hour.open_time_ms), hour.close_time_ms + 1)

    assert last_ms == [recorded.hours[4], flat(hour)]
    assert after.klines() == recorded.hours[4:6]


@pytest.mark.parametrize("interval", SERVED)
def test_nothing_of_the_future_shows(
    recorded: Recorded, tmp_path: Path, interval: Interval
) -> None:
    now_ms = MINUTES_MS + 30 * HOUR_MS + 25_000

    def changed(kline: Kline) -> Kline:
        if kline.close_time_ms < now_ms:
            return kline
        lie = kline._replace(high="9.0", low="1.0", close="5.0", volume="3.0", number_of_trades=1)
        return lie if kline.open_time_ms <= now_ms else lie._replace(open="4.0")

    write_archive_months(tmp_path / "h", SYMBOL, "1h", map(changed, recorded.hours))
    write_archive_months(tmp_path / "d", SYMBOL, "1d", map(changed, recorded.days))
    minutes = [changed(k) for k in recorded.minutes]
    for number in range(3):
        rows = [k for k in minutes if on_day(k, [MINUTES_MS + number * DAY_MS])]
        write_archive_file(tmp_path / "m", f"{SYMBOL}-1m-2024-03-0{5 + number}", rows)
    other = History(scan([tmp_path]))
    query = Query(SYMBOL, Grid(interval), parse_time_ms("s", "2024-03-01"), None, 1000)

    assert other.page(query, now_ms).klines() == recorded.history.page(query, now_ms).klines()


def test_time_zone_moves_days_and_leaves_hours(recorded: Recorded) -> None:
    offset_ms = 8 * HOUR_MS
    span = (parse_time_ms("s", "2024-01-05") - offset_ms, parse_time_ms("e", "2024-01-07"))

    days = recorded.history.page(Query(SYMBOL, Grid(Interval.D1, offset_ms), *span, 2), END_MS)
    hours = recorded.history.page(Query(SYMBOL, Grid(Interval.H1, offset_ms), *span, 9), END_MS)
    plain = recorded.history.page(Query(SYMBOL, Grid(Interval.H1), *span, 9), END_MS)

    for number, day in enumerate(days.klines()):
        open_ms = span[0] + number * DAY_MS
        members = [k for k in recorded.hours if open_ms <= k.open_time_ms < open_ms + DAY_MS]
        assert day == combine(open_ms, open_ms + DAY_MS - 1, members)
    assert len(days.klines()) == 2
    assert hours.klines() == plain.klines()


def test_weeks_and_months_that_files_cover_in_part_never_close(tmp_path: Path) -> None:
    # From a Wednesday to a Tuesday: one whole week lies inside.
    start_ms = parse_time_ms("start", "2024-05-01")
    days = make_klines(Interval.D1, 14, start_ms=start_ms)
    for number, day in enumerate(days):
        write_archive_file(tmp_path, f"{SYMBOL}-1d-2024-05-{1 + number:02d}", [day])
    history = History(scan([tmp_path]))

    weeks = history.page(Query(SYMBOL, Grid(Interval.W1), 0), history.newest_close() + 1)
    months = history.page(Query(SYMBOL, Grid(Interval.MO1), 0), history.newest_close() + 1)

    assert [k.open_time_ms for k in weeks.klines()] == [parse_time_ms("monday", "2024-05-06")]
    assert months.klines() == []


def test_months_are_forgotten_when_the_cache_is_full(recorded: Recorded, tmp_path: Path) -> None:
    write_archive_months(tmp_path, SYMBOL, "1h", recorded.hours)
    small = History(scan([tmp_path]), cache_bytes=100_000)
    query = Query(SYMBOL, Grid(Interval.H1), 0, None, 1000)

    first = small.page(query, END_MS).klines()
    later = small.page(query._replace(start_ms=END_MS - 30 * DAY_MS), END_MS).klines()

    assert first == recorded.hours[:1000]
    assert later[-1] == recorded.hours[-1]
    assert small.page(query, END_MS).klines() == first
    assert small.held_bytes < 200_000


def test_microsecond_files_are_served_in_milliseconds(tmp_path: Path) -> None:
    klines = make_klines(Interval.H1, 48, start_ms=parse_time_ms("start", "2024-12-31"))
    write_archive_months(tmp_path, SYMBOL, "1h", klines)
    history = History(scan([tmp_path]))
    served = history.page(Query(SYMBOL, Grid(Interval.H1), 0), history.newest_close() + 1).klines()

    assert served == klines
    assert in_microseconds(served[-1]).close_time_ms % 1_000_000 == 999_999


def test_damaged_file_is_named(tmp_path: Path) -> None:
    path = write_archive_file(tmp_path, f"{SYMBOL}-1h-2024-01", make_klines(Interval.H1, 5))
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(DataError, match="AAAUSDT-1h-2024-01.zip"):
        History(scan([tmp_path])).page(Query(SYMBOL, Grid(Interval.H1)), END_MS)
