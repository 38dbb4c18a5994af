import numpy as np
import pytest

from forecasting.panel import COLUMNS, build_panel, label_returns, log_returns
from market.errors import DataError
from market.interval import DAY_MS, HOUR_MS, Interval
from support.panels import START_MS, make_panel


def build(opens: list[int], closes: list[float], interval: Interval = Interval.H1):
    return build_panel("BTCUSDT", interval, opens, dict.fromkeys(COLUMNS, closes))


def test_panel_leaves_missing_klines_empty() -> None:
    panel = build([START_MS, START_MS + 3 * HOUR_MS], [10.0, 11.0])

    assert panel.open_ms.tolist() == [START_MS + i * HOUR_MS for i in range(4)]
    assert panel.present.tolist() == [True, False, False, True]
    assert np.isnan(panel.close[1:3]).all()


def test_panel_puts_an_irregular_kline_into_the_slot_it_opens_in() -> None:
    panel = build([START_MS, START_MS + HOUR_MS + 90_000], [10.0, 11.0])

    assert panel.open_ms.tolist() == [START_MS, START_MS + HOUR_MS]
    assert panel.close.tolist() == [10.0, 11.0]


def test_panel_counts_calendar_months() -> None:
    panel = build([START_MS, START_MS + 60 * DAY_MS], [10.0, 11.0], Interval.MO1)

    assert panel.open_ms.tolist() == [START_MS, START_MS + 31 * DAY_MS, START_MS + 60 * DAY_MS]


@pytest.mark.parametrize(
    ("opens", "closes", "words"),
    [
        ([], [], "no klines"),
        ([START_MS, START_MS + 1], [1.0, 1.0], "share a slot"),
        ([START_MS + HOUR_MS, START_MS], [1.0, 1.0], "out of order"),
        ([START_MS], [0.0], "not positive"),
    ],
)
def test_panel_refuses_what_cannot_be_true(opens, closes, words) -> None:
    with pytest.raises(DataError, match=words):
        build(opens, closes)


def test_labels_are_missing_where_either_close_is() -> None:
    panel = build([START_MS + i * HOUR_MS for i in (0, 1, 3, 4)], [1.0, 2.0, 4.0, 8.0])

    labels = label_returns(panel, 3)

    expected = np.log(
        [[2, np.nan, 4], [np.nan, 2, 4], [np.nan] * 3, [2, np.nan, np.nan], [np.nan] * 3]
    )
    np.testing.assert_allclose(labels, expected)


def test_labels_cross_a_gap_by_the_true_change() -> None:
    panel = make_panel(200, missing=(100,))

    labels = label_returns(panel)

    assert labels[99, 1] == pytest.approx(np.log(panel.close[101] / panel.close[99]))
    assert np.isnan(labels[99, 0])


def test_returns_of_a_gap_are_not_made_up() -> None:
    returns = log_returns(make_panel(50, missing=(20, 21)))

    assert np.flatnonzero(np.isnan(returns)).tolist() == [0, 20, 21, 22]
