from dataclasses import replace

import numpy as np
import pytest

from forecasting.cards import build_cards, build_details
from forecasting.dataset import build_dataset
from forecasting.evaluation import walk_journal
from forecasting.journal import read_journal, write_journal
from market.errors import DataError
from market.interval import Interval
from support.panels import make_panel, small_dataset


@pytest.fixture(scope="module")
def journal():
    return walk_journal(small_dataset(make_panel(2_600)), ["random_walk", "ridge"], (1, 6))


def test_cards_come_from_the_kept_rows_alone(journal, tmp_path) -> None:
    path = tmp_path / "rows.npz"

    write_journal(journal, path)
    again = read_journal(path)

    assert build_cards([again]) == build_cards([journal])
    assert build_details([again]) == build_details([journal])
    assert [entry.name for entry in tmp_path.iterdir()] == ["rows.npz"]


def test_the_naive_rows_come_first_and_beat_nothing(journal) -> None:
    cards = build_cards([journal])

    models = ["random_walk_constant", "random_walk_ewma", "random_walk", "ridge"]
    assert list(dict.fromkeys(card.model for card in cards)) == models
    constant = cards[0]
    assert (constant.skill_vs_random_walk, constant.dm_p) == (0.0, 1.0)
    assert {card.verdict for card in cards[:4]} == {"no skill over naive"}
    assert {card.direction_verdict for card in cards[:4]} == {"coin flip"}


def test_more_series_make_the_test_harder(journal) -> None:
    other = journal._replace(symbol="ETHUSDT")

    alone = {(c.model, c.step): c.dm_p for c in build_cards([journal])}
    both = build_cards([journal, other])

    # Two equal series double how many p-values there are, and so the smallest adjusted one.
    for model in ("random_walk", "ridge"):
        smallest = min(p for (name, _), p in alone.items() if name == model)
        assert min(c.dm_p for c in both if c.model == model) == pytest.approx(2 * smallest)


def test_details_tell_regimes_and_intervals(journal) -> None:
    detail = next(
        one for one in build_details([journal]) if (one.model, one.step) == ("random_walk", 1)
    )
    card = next(c for c in build_cards([journal]) if (c.model, c.step) == ("random_walk", 1))

    sizes = {regime.name: regime.n for regime in detail.regimes}
    assert sizes["calm"] + sizes["normal"] + sizes["rough"] == card.n
    assert sum(sizes.get(name, 0) for name in ("up", "down", "flat")) <= card.n
    low, high = detail.skill_vs_random_walk_95
    assert low < card.skill_vs_random_walk < high
    assert 0 < detail.qlike < 2
    assert detail.brier == pytest.approx(0.25)
    assert detail.mase == pytest.approx(card.mae_ratio, rel=1)


def test_sigma_that_is_wrong_shows_in_qlike(journal) -> None:
    wrong = [replace_sigma(rows) for rows in journal.rows]

    def mean(one):
        return [d.qlike for d in build_details([one]) if d.model == "random_walk"]

    assert mean(journal._replace(rows=tuple(wrong)))[0] > mean(journal)[0]


def replace_sigma(rows):
    return rows._replace(sigma=rows.sigma * 3)


def test_what_is_no_journal_is_refused(journal, tmp_path) -> None:
    path = tmp_path / "rows.npz"
    path.write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DataError, match="not a journal"):
        read_journal(path)
    with pytest.raises(DataError, match="not a journal"):
        read_journal(tmp_path / "absent.npz")
    np.savez(path, allow_pickle=False, format=np.array(9))
    with pytest.raises(DataError, match="format 9"):
        read_journal(path)


def test_all_rows_of_a_dataset_are_walked() -> None:
    dataset = small_dataset(make_panel(2_600))
    capped = replace(dataset, recipe=replace(dataset.recipe, evaluated=900))

    assert len(walk_journal(capped, ["random_walk"], (1,)).cutoff_ms) > 1_000


def test_days_are_scored_alike_though_early_folds_teach_nothing() -> None:
    days = build_dataset(make_panel(900, interval=Interval.D1))

    journal = walk_journal(days, ["random_walk", "ridge"], (1, 10))

    counts = {(card.model, card.step): card.n for card in build_cards([journal])}
    assert counts["ridge", 1] == counts["random_walk", 1] == counts["random_walk_constant", 1]
    assert counts["ridge", 1] > 450
    assert (journal.rows[3].expected[-1] != 0).all()
