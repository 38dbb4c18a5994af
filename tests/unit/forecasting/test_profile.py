import numpy as np

from forecasting.profile import build_profile, mean_ahead, slots
from support.panels import make_panel


def test_slots_begin_on_monday_and_reach_fifty_bars_ahead() -> None:
    slot = slots(make_panel(200))  # begins on a Monday at midnight

    assert slot.tolist() == [hour % 168 for hour in range(250)]


def test_mean_ahead_agrees_with_a_loop() -> None:
    seasonal = np.random.default_rng(0).normal(size=130)
    rows = np.array([0, 17, 79])

    ahead = mean_ahead(seasonal, rows)

    assert ahead.shape == (3, 50)
    for place, row in enumerate(rows):
        for step in (1, 2, 50):
            expected = seasonal[row + 1 : row + 1 + step].mean()
            np.testing.assert_allclose(ahead[place, step - 1], expected)


def test_profile_finds_the_hours_that_are_loud() -> None:
    slot = np.arange(168 * 60) % 168
    loud = np.where(slot % 24 == 14, 1.0, 0.0)

    profile = build_profile(loud, slot, slice(0, len(slot)))

    assert set(np.flatnonzero(profile > 0.5)) == set(range(14, 168, 24))


def test_profile_shrinks_an_hour_to_its_kind_of_day() -> None:
    slot = np.arange(168 * 2) % 168
    values = np.where(slot == 5, 9.0, 0.0)  # Monday 05:00 alone, seen twice

    profile = build_profile(values, slot, slice(0, len(slot)))

    own, group = 9.0 - values.mean(), 9.0 / 5 - values.mean()
    np.testing.assert_allclose(profile[5], (2 * own + 50 * group) / 52)
    assert profile[5 + 24] > profile[6 + 24]  # Tuesday 05:00 borrows from Monday's
