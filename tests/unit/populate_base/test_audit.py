"""What an audit finds, rule by rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.gaps import Cause, Gap, Range, find_missing
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.store.klines import Source
from market.store.provenance import BatchCount, SourcedKline
from market.store.symbols import Series
from populate_base.audit import (
    Kind,
    check_batches,
    check_ledger,
    check_rows,
    check_slots,
    check_watermark,
    compare,
    rank,
)
from populate_base.sample import Scope, pick_sample
from support.klines import START_MS, make_klines

H1 = Interval.H1
KLINES = make_klines(H1, 20)


def hour(number: int) -> int:
    return START_MS + number * HOUR_MS


def rows(klines: list[Kline], source: Source | None = Source.ARCHIVE_MONTHLY) -> list[SourcedKline]:
    return [SourcedKline(kline, False, 1, source) for kline in klines]


@given(st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_ledger_and_store_are_compared_slot_by_slot(stored: set[int], told: set[int]) -> None:
    span = Range(hour(0), hour(20))
    opens = [hour(number) for number in sorted(stored)]
    gaps = [Gap(hour(number), hour(number + 1), Cause.OUTAGE) for number in sorted(told)]

    findings = check_ledger(H1, span, opens, gaps)

    def slots(kind: Kind) -> set[int]:
        return {
            (ms - START_MS) // HOUR_MS
            for one in findings
            if one.kind is kind
            for ms in range(one.start_ms, one.end_ms, HOUR_MS)
        }

    missing = set(range(20)) - stored
    assert slots(Kind.UNRECORDED_GAP) == missing - told
    assert slots(Kind.GAP_OVER_KLINES) == told & stored
    assert (not findings) == (find_missing(H1, *span, opens) == [] and not told or missing == told)


def test_two_klines_in_one_slot_are_named() -> None:
    assert check_slots(H1, [hour(0), hour(1)]) == []
    (finding,) = check_slots(H1, [hour(0), hour(0) + 5, hour(1)])
    assert (finding.kind, finding.start_ms) == (Kind.SLOT_TWICE, hour(0))


def test_the_watermark_follows_from_the_ledger() -> None:
    extent = Range(hour(0), hour(20))
    gaps = [Gap(hour(4), hour(5), Cause.OUTAGE), Gap(hour(9), hour(11), Cause.REPAIRABLE)]

    assert check_watermark(H1, extent, gaps, hour(8)) == []
    assert check_watermark(H1, extent, gaps[:1], hour(19)) == []
    (finding,) = check_watermark(H1, extent, gaps, hour(19))
    assert (finding.stored, finding.found) == (str(hour(19)), str(hour(8)))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"high": "1.00000000"}, Kind.BROKEN_RULE),
        ({"close_time_ms": KLINES[0].open_time_ms - 1}, Kind.BROKEN_RULE),
        ({"open_time_ms": hour(0) + 7}, Kind.BROKEN_RULE),
        ({"open_time_ms": hour(30), "close_time_ms": hour(31) - 1}, Kind.OUTSIDE),
    ],
)
def test_rows_that_cannot_be_are_named(change: dict[str, object], kind: Kind) -> None:
    life = Range(0, hour(25))
    assert check_rows(H1, rows(KLINES), life) == []

    findings = check_rows(H1, rows([KLINES[0]._replace(**change)]), life)  # type: ignore[arg-type]

    assert kind in {one.kind for one in findings}


def test_a_batch_has_no_more_rows_than_it_brought() -> None:
    counts = [
        BatchCount(1, "rest", "a", told=10, found=10),
        BatchCount(2, "rest", "b", told=10, found=4),
        BatchCount(3, "rest", "c", told=10, found=11),
        BatchCount(4, None, None, told=0, found=2),
        BatchCount(5, "archive_daily", "d", told=60, found=24),
    ]

    assert [one.stored_source for one in check_batches(counts, {5: 48})] == ["c", "", "d"]


def test_sources_are_believed_in_one_order() -> None:
    order = [Source.IMPORT, Source.WS, Source.ARCHIVE_MONTHLY, Source.ARCHIVE_DAILY, Source.REST]

    assert sorted(order, key=rank) == order
    assert rank(None) < rank(Source.IMPORT)


@given(st.sampled_from(list(Source)), st.sampled_from(list(Source)), st.sets(st.integers(0, 19)))
def test_the_more_believed_source_wins_and_every_difference_is_told(
    stored: Source, found: Source, changed: set[int]
) -> None:
    theirs = [
        kline._replace(close=kline.open) if number in changed else kline
        for number, kline in enumerate(KLINES)
    ]

    comparison = compare(H1, rows(KLINES, stored), theirs, found, "there")

    told = [*comparison.findings, *comparison.overruled]
    assert {one.start_ms for one in told} == {hour(number) for number in changed}
    assert all((one.field, one.stored_source) == ("close", stored.value) for one in told)
    wins = rank(found) >= rank(stored)
    assert comparison.better == ([theirs[n] for n in sorted(changed)] if wins else [])
    assert bool(comparison.findings) == (wins and bool(changed))


def test_what_is_not_stored_is_better_and_what_rest_lacks_is_kept() -> None:
    missing = compare(H1, rows(KLINES[1:]), KLINES, Source.ARCHIVE_MONTHLY, "there")
    extra = compare(H1, rows(KLINES), KLINES[1:], Source.REST, "there")
    streamed = compare(H1, rows(KLINES, Source.WS), KLINES[1:], Source.REST, "there")

    assert (missing.better, missing.findings[0].kind) == ([KLINES[0]], Kind.NOT_STORED)
    assert (extra.findings, extra.overruled[0].kind) == ([], Kind.NOT_AT_SOURCE)
    assert [one.kind for one in streamed.findings] == [Kind.NOT_AT_SOURCE]


slots = st.dictionaries(st.integers(0, 19), st.sampled_from([0, 137, HOUR_MS - 1]))


@given(slots, slots, st.sampled_from(list(Source)), st.sampled_from(list(Source)))
def test_a_kline_is_compared_with_what_its_slot_holds(
    mine: dict[int, int], theirs: dict[int, int], stored: Source, found: Source
) -> None:
    def shifted(offsets: dict[int, int]) -> dict[int, Kline]:
        return {
            number: KLINES[number]._replace(open_time_ms=hour(number) + offsets[number])
            for number in sorted(offsets)
        }

    has, told = shifted(mine), shifted(theirs)
    wins = rank(found) >= rank(stored)

    comparison = compare(H1, rows([*has.values()], stored), [*told.values()], found, "there")

    assert comparison.better == [
        kline for n, kline in told.items() if n not in has or (has[n] != kline and wins)
    ]
    kinds = {
        (one.start_ms - START_MS) // HOUR_MS: one.kind
        for one in [*comparison.findings, *comparison.overruled]
    }
    both = {n: Kind.DIFFERENT_VALUE for n in has.keys() & told.keys() if has[n] != told[n]}
    alone = dict.fromkeys(has.keys() - told.keys(), Kind.NOT_AT_SOURCE)
    assert kinds == both | alone | dict.fromkeys(told.keys() - has.keys(), Kind.NOT_STORED)


@given(st.integers(0, 200), st.integers(1, 2000), st.floats(0.001, 1), st.integers())
def test_a_sample_lies_in_its_span_and_is_told_by_its_seed(
    start: int, hours: int, fraction: float, seed: int
) -> None:
    series, span = Series(1, "BTCUSDT", H1), Range(hour(start), hour(start + hours))
    scope = Scope(fraction=fraction, seed=seed)

    sample = pick_sample(series, span, scope)

    assert sample == pick_sample(series, span, scope)
    assert sample
    assert all(span.start_ms <= a < b <= span.end_ms for a, b in sample)
    if fraction == 1:
        assert sum(b - a for a, b in sample) == span.end_ms - span.start_ms
