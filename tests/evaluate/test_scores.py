import json

import pytest
import torch

from semcorr_cli import evaluate
from semcorr_cli.core.quality import Verdict
from semcorr_cli.evaluate import Protocol, Row
from semcorr_cli.evaluate.scores import SHOWN
from tests.evaluate.guesses import called, counted, guesses, scored

GEO = Protocol(subset="geo")


def judged(right: int, verdict: Verdict, probability: float, number: int = 0) -> Row:
    """Returns the row of a pair of which some of ten points are found exactly, and the others not at all."""
    truth = torch.arange(20.0).reshape(10, 2)
    away = torch.zeros(10, 2)
    away[right:] = 500
    return Row.of(scored(number, truth + away, truth, quality=called(verdict, probability)), Protocol())


def test_nothing_to_score_is_a_score_of_nothing() -> None:
    scores = evaluate.score([], Protocol())
    assert scores.categories == scores.traits == scores.calibration == {}
    assert {pck.pairs for pck in [*scores.overall.values(), *scores.mean.values()]} == {0}


def test_a_row_comes_back_from_json_as_it_was() -> None:
    for entry in guesses():
        for protocol in (Protocol(), GEO):
            row = Row.of(entry, protocol)
            assert Row.from_json(json.loads(json.dumps(row.as_json()))) == row


def test_a_row_says_how_far_predictions_are_from_the_truth_and_shows_some() -> None:
    truth = torch.rand(100, 2) * 50
    row = Row.of(scored(0, truth + torch.tensor([3.0, 4.0]), truth), Protocol())
    assert row.error == pytest.approx(5 / 100)
    assert len(row.shown) == SHOWN
    first = truth[0].tolist()
    assert row.shown[0] == pytest.approx([*first, *first, first[0] + 3, first[1] + 4], abs=0.01)
    assert row.shown[-1][:2] == pytest.approx(truth[-1].tolist(), abs=0.01)


def test_pairs_without_a_point_that_counts_do_not_count() -> None:
    entries = guesses()
    blank = [entry for entry in entries if not entry.pair.ambiguous.any()]
    assert blank
    scores = evaluate.score(entries, GEO)
    assert scores.overall[0.10].pairs == len(entries) - len(blank)
    assert Row.of(blank[0], GEO).points == 0


@pytest.mark.parametrize("size", ["bbox", "img", "kps"])
def test_a_pair_without_any_points_counts_for_nothing(size: str) -> None:
    protocol = Protocol(size=size)
    blank = scored(0, torch.zeros(0, 2), torch.zeros(0, 2))
    assert Row.of(blank, protocol).points == 0
    assert evaluate.score([blank, *guesses()], protocol) == evaluate.score(guesses(), protocol)


def test_traits_break_pairs_down() -> None:
    scores = evaluate.score(guesses(), Protocol())
    assert list(scores.traits) == ["viewpoint 0", "viewpoint 1", "viewpoint 2"]
    first = [entry for entry in guesses() if "viewpoint 0" in entry.pair.traits]
    expected = counted(first, 0.10, Protocol())
    assert scores.traits["viewpoint 0"][0.10].per_image == pytest.approx(expected[0])
    assert sum(group[0.10].pairs for group in scores.traits.values()) == len(guesses())


def test_verdicts_are_compared_with_what_was_found() -> None:
    rows = [
        judged(10, Verdict.GOOD, 0.9),
        judged(5, Verdict.GOOD, 0.8),
        judged(4, Verdict.GOOD, 0.7),
        judged(0, Verdict.POOR, 0.1),
    ]
    table = evaluate.tally(rows, (0.05, 0.10, 0.20)).calibration
    assert list(table) == ["good", "poor"]
    assert (table["good"].pairs, table["poor"].pairs) == (3, 1)
    assert table["good"].pck == pytest.approx(100 * (1 + 0.5 + 0.4) / 3)
    assert table["good"].successful == pytest.approx(200 / 3)
    assert table["good"].promised == pytest.approx(80)
    assert (table["poor"].pck, table["poor"].successful) == (0, 0)


def test_verdicts_are_compared_at_a_tenth_whatever_is_tabled() -> None:
    for alphas in ((0.01,), (0.3, 0.5)):
        row = Row.of(guesses()[3], Protocol(alphas=alphas))
        assert row.judged == Row.of(guesses()[3], Protocol()).found[1]
