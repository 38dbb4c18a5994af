"""The leak lab: every planted leak pays, and every one is caught."""

import numpy as np
import pytest

from forecasting.lab.controls import judge, random_walk, shuffled
from forecasting.lab.experiment import audit
from forecasting.lab.leaks import LEAKS, find_leaks
from support.panels import make_panel

REASONS = {
    "price level": "the score praises the naive forecast as highly",
    "shuffled folds": "labels of training rows reach into the tested rows",
    "unshifted label": "the label is known at the cutoff",
    "centred smoothing": "features change when later bars are cut off",
    "selection on the test": "the fit changes with the tested rows",
    "unclosed day": "features change when later bars are cut off",
}


@pytest.fixture(scope="module")
def panel():
    """A walk whose direction can't be foreseen, with an outage."""
    return make_panel(3_000, missing=tuple(range(1_200, 1_230)))


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_a_leak_is_caught_by_its_own_reason(panel, leak) -> None:
    assert audit(leak.fake, panel) == [REASONS[leak.name]]


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_the_honest_way_is_not_accused(panel, leak) -> None:
    assert audit(leak.honest, panel) == []


def test_a_leak_pays_and_honesty_does_not(panel) -> None:
    for finding in find_leaks(panel):
        if finding.unit == "direction":
            assert finding.fake > finding.honest
            # 900 tested bars hold some 40 independent labels of 24 bars.
            assert abs(finding.honest - 0.5) < 0.16, finding
        else:
            assert finding.fake > 0.9
            assert finding.honest < 0.02


def test_accuracy_of_shuffled_folds_is_absurd(panel) -> None:
    fakes = {finding.name: finding.fake for finding in find_leaks(panel)}

    assert fakes["shuffled folds"] > 0.8
    assert fakes["unshifted label"] > 0.9


def test_too_few_bars_are_refused() -> None:
    with pytest.raises(ValueError, match="999 rows"):
        find_leaks(make_panel(999))


def test_shuffling_keeps_the_bars_and_loses_their_order() -> None:
    panel = make_panel(800, missing=(5, 6))
    other = shuffled(panel, 3)

    def shapes(one):
        body = np.log(one.close / one.open)[one.present]
        return np.sort(body), np.sort(np.log(one.high / one.low)[one.present])

    for mine, theirs in zip(shapes(panel), shapes(other), strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-12)
    assert len(other) == 798
    np.testing.assert_allclose(other.open[1:], other.close[:-1])
    returns = np.log(other.close / other.open)
    assert not np.allclose(returns[:100], np.log(panel.close / panel.open)[:100], equal_nan=True)


def test_a_made_up_walk_holds_its_prices_in_range() -> None:
    panel = random_walk(2_000, 1)

    assert (panel.high >= np.maximum(panel.open, panel.close)).all()
    assert (panel.low <= np.minimum(panel.open, panel.close)).all()
    returns = np.diff(np.log(random_walk(20_000, 1, kept=0.1).close))
    assert np.corrcoef(returns[1:], returns[:-1])[0, 1] == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("kind", ["walk", "shuffled"])
def test_where_nothing_is_nothing_is_claimed(kind) -> None:
    panel = random_walk(10_000, 3)

    assert not any(judge(shuffled(panel, 3) if kind == "shuffled" else panel))


def test_a_plant_is_found() -> None:
    claimed = judge(random_walk(20_000, 0, kept=0.1))

    assert claimed.point or claimed.direction
