from hypothesis import given
from hypothesis import strategies as st

from forecasting.recipe import recipe_for
from forecasting.windows import first_origin, iter_folds, train_rows
from market.interval import Interval

RECIPES = st.sampled_from([recipe_for(Interval.H1), recipe_for(Interval.D1)])


@given(rows=st.integers(300, 60_000), recipe=RECIPES)
def test_no_label_of_training_is_known_only_after_the_first_forecast(rows, recipe) -> None:
    for fold in iter_folds(rows, first_origin(rows, recipe), recipe.refit, recipe):
        last_label = fold.train.stop - 1 + 50
        assert last_label + recipe.embargo <= fold.test.start


@given(rows=st.integers(300, 60_000), recipe=RECIPES)
def test_folds_forecast_every_row_once(rows, recipe) -> None:
    start = first_origin(rows, recipe)
    covered = [
        row
        for fold in iter_folds(rows, start, recipe.mean_refit, recipe)
        for row in (fold.test.start, fold.test.stop)
    ]

    assert covered[0] == start
    assert covered[-1] == rows
    assert covered[1:-1:2] == covered[2::2]


@given(end=st.integers(0, 60_000), recipe=RECIPES)
def test_training_rows_are_the_newest_and_not_too_many(end, recipe) -> None:
    rows = train_rows(end, recipe)

    assert 0 <= rows.start <= rows.stop
    assert rows.stop - rows.start <= recipe.train
    assert rows.stop == max(end - 50 - recipe.embargo, 0)


def test_a_long_series_learns_from_a_whole_window_first() -> None:
    recipe = recipe_for(Interval.H1)

    for rows in (38_248, 44_000):
        first = train_rows(first_origin(rows, recipe) + 1, recipe)
        assert first.stop - first.start == recipe.train
    assert first_origin(60_000, recipe) == 60_000 - recipe.evaluated
    assert first_origin(10_000, recipe) == 720 + 1_500 + 50 + 24


def test_days_are_walked_from_the_first_full_span_on() -> None:
    assert first_origin(962, recipe_for(Interval.D1)) == 90 + 50 + 1
