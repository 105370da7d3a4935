import numpy as np

from semcorr_cli.datasets import Pairs, TruePair
from semcorr_cli.datasets.hard import Changes
from semcorr_cli.evaluate import Selection
from tests.datasets.test_hard import pairs


def whole(count: int = 30) -> "Pairs[TruePair]":
    return Pairs(pairs(count), lambda pair: pair)


def names(selection: Selection) -> list[str]:
    return [pair.name for pair in selection]


def test_a_limit_is_spread_over_the_whole_set() -> None:
    assert names(Selection(whole(), limit=3)) == ["pair0", "pair10", "pair20"]
    assert len(names(Selection(whole(), limit=99))) == 30
    assert len(Selection(whole(), limit=7)) == 7


def test_a_sample_is_drawn_by_category_as_the_references_do() -> None:
    expected = []
    for category in ("car", "cat", "cup"):
        inside = sorted(pair.name for pair in pairs(30) if pair.category == category)
        np.random.seed(42)  # noqa: NPY002 (what the references call)
        expected += [inside[k] for k in np.random.choice(len(inside), 4)]  # noqa: NPY002
    assert names(Selection(whole(), sample=4)) == expected
    assert names(Selection(whole()[::-1], sample=4)) == expected


def test_hard_pairs_are_those_of_the_whole_set() -> None:
    everything = {pair.name: pair for pair in Selection(whole(), changes=Changes.ALL)}
    for pair in Selection(whole(), limit=4, changes=Changes.ALL):
        same = everything[pair.name]
        assert str(pair.source_change) == str(same.source_change)
        assert str(pair.target_change) == str(same.target_change)
    assert not set(names(Selection(whole(), limit=4, changes=Changes.ALL, seed=1))) - set(everything)


def test_one_can_go_through_a_selection_twice() -> None:
    selection = Selection(whole(), limit=5, changes=Changes.SIMILARITY)
    assert names(selection) == names(selection)
