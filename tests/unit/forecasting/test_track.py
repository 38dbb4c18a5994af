import numpy as np

from forecasting.panel import label_returns
from forecasting.track import advance, build_track
from support.panels import make_panel


def test_advancing_row_by_row_equals_building_from_all() -> None:
    panel = make_panel(400, missing=(300, 301))
    labels = label_returns(panel)
    dice = np.random.default_rng(0)
    sigma, centre = dice.uniform(1, 2, (400, 50)), dice.normal(0, 0.1, (400, 50))
    log_close = np.log(panel.close)

    track = build_track(labels, sigma, centre, 250)
    for row in range(250, 399):
        one = slice(row, row + 1)
        track = advance(track, log_close[: row + 2], row, sigma[one], centre[one])
    leap = advance(
        build_track(labels, sigma, centre, 250), log_close, 250, sigma[250:399], centre[250:399]
    )
    whole = build_track(labels, sigma, centre, 399)

    for found in (track, leap):
        np.testing.assert_allclose(found.pool, whole.pool)
        np.testing.assert_array_equal(found.sigma, whole.sigma)
        np.testing.assert_array_equal(found.centre, whole.centre)


def test_a_track_knows_no_outcome_after_its_row() -> None:
    panel = make_panel(300)
    labels = label_returns(panel)
    ones, none = np.ones((300, 50)), np.zeros((300, 50))

    track = build_track(labels, ones, none, 199)

    known = label_returns(panel.head(200))
    assert np.nansum(track.pool) == np.float64(np.nansum(track.pool))
    for step in (1, 50):
        np.testing.assert_allclose(track.pool[-1, step - 1], known[199 - step, step - 1])
    assert len(track.pool) == 200


def test_a_track_that_stands_still_does_not_change() -> None:
    panel = make_panel(120)
    labels = label_returns(panel)
    ones, none = np.ones((120, 50)), np.zeros((120, 50))
    track = build_track(labels, ones, none, 119)

    same = advance(track, np.log(panel.close), 119, ones[:0], none[:0])

    np.testing.assert_array_equal(same.pool, track.pool)
