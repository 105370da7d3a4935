from dataclasses import replace

import pytest

from semcorr_cli import extractors
from semcorr_cli.core.quality import Signs, Verdict
from semcorr_cli.matchers import verdict
from semcorr_cli.matchers.verdict import Calibration
from tests.specimens import all_signs

FIGURES = Calibration(
    bias=-3.0,
    weights=dict.fromkeys(verdict.WORDS, 7.5 / len(verdict.WORDS)),
    low=dict.fromkeys(verdict.WORDS, 0.3),
    good=0.7,
    poor=0.3,
)
"""Figures by hand: probability ½ where the signs are 0.4 on average."""


def good_by(share: float) -> Signs:
    """Returns signs that are all as good as said, as the regression takes them."""
    roots = {"support": share**2, "agreement": share**2}
    return replace(all_signs(share, 500), **roots, fold_share=(1 - share) ** 2, swapped=1 - share)


BEST, WORST, MIDDLING = good_by(1), good_by(0), good_by(0.4)

NAMES = [name for name in extractors.names() if verdict.is_calibrated(name)]


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "calibration", lambda extractor: FIGURES)
    monkeypatch.setattr(verdict, "is_calibrated", lambda extractor: True)


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    "better",
    [
        {"cycle_rate": 0.6},
        {"inlier_rate": 0.6},
        {"support": 0.6},
        {"coverage": 0.6},
        {"fold_share": 0.1},
        {"agreement": 0.6},
        {"consistency": 0.6},
        {"swapped": 0.1},
        {"kin": 0.6},
        {"first_inliers": 0.6},
        {"likeness": 0.6},
        {"facing": 0.6},
    ],
    ids=lambda change: next(iter(change)),
)
def test_probability_rises_with_each_sign(better: dict[str, float]) -> None:
    before, after = (verdict.judge(signs, "any") for signs in (MIDDLING, replace(MIDDLING, **better)))
    assert after.probability > before.probability + 0.01
    assert after.signs == replace(MIDDLING, **better)


@pytest.mark.usefixtures("by_hand")
def test_thresholds_part_good_uncertain_and_poor() -> None:
    def of(share: float) -> Verdict:
        return verdict.judge(good_by(share), "any").verdict

    assert [of(share) for share in (0.0, 0.25, 0.35, 0.45, 0.55, 1.0)] == [
        Verdict.POOR,
        Verdict.POOR,
        Verdict.UNCERTAIN,
        Verdict.UNCERTAIN,
        Verdict.GOOD,
        Verdict.GOOD,
    ]
    assert verdict.judge(MIDDLING, "any").probability == pytest.approx(0.5)


@pytest.mark.usefixtures("by_hand")
def test_a_low_sign_is_named_and_a_high_one_is_not() -> None:
    low = replace(MIDDLING, coverage=0.1, fold_share=0.81)
    assert verdict.judge(low, "any").reasons == (verdict.WORDS["coverage"], verdict.WORDS["unfolded"])
    assert verdict.judge(WORST, "any").reasons == tuple(verdict.WORDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_best_signs_are_good_without_reasons_and_the_worst_poor_with_some(name: str) -> None:
    best, worst = verdict.judge(BEST, name), verdict.judge(WORST, name)
    assert (best.verdict, best.reasons) == (Verdict.GOOD, ())
    assert worst.verdict is Verdict.POOR
    assert len(worst.reasons) >= 1


@pytest.mark.parametrize("name", NAMES)
def test_no_matches_are_poor_whatever_the_other_signs_say(name: str) -> None:
    found = verdict.judge(replace(BEST, matches=0), name)
    assert (found.verdict, found.probability, found.reasons) == (Verdict.POOR, 0.0, ("no matches",))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_whatever_is_not_good_has_reasons_in_words(name: str, share: float) -> None:
    found = verdict.judge(replace(all_signs(share, 9), fold_share=1 - share, swapped=1 - share), name)
    assert 0 <= found.probability <= 1
    assert (found.verdict is Verdict.GOOD) == (found.reasons == ())
    for reason in found.reasons:
        assert len(reason.split()) >= 2
        assert not any(mark in reason for mark in "_%=0123456789")


@pytest.mark.parametrize("name", NAMES)
def test_every_extractor_has_figures_that_make_sense(name: str) -> None:
    figures = verdict.calibration(name)
    assert 0 < figures.poor < figures.good < 1
    assert set(figures.weights) <= set(verdict.WORDS)
    assert set(figures.low) == set(verdict.WORDS) == set(verdict.values_of(BEST))
    assert all(weight >= 0 for weight in figures.weights.values())
    assert any(weight > 0 for weight in figures.weights.values())
    assert all(0 <= value <= 1 for value in figures.low.values())


def test_what_is_always_here_has_figures_of_its_own() -> None:
    assert set(NAMES) >= {"builtin", "sift"}


@pytest.mark.parametrize("signs", [BEST, MIDDLING, WORST])
def test_features_without_figures_are_judged_by_those_of_builtin_and_it_is_said(signs: Signs) -> None:
    own, lent = verdict.judge(signs, "builtin"), verdict.judge(signs, "hybrid")
    assert (lent.verdict, lent.probability) == (own.verdict, own.probability)
    assert lent.reasons == (*own.reasons, verdict.UNCALIBRATED)


def test_signs_become_values_between_zero_and_one_the_larger_the_better() -> None:
    assert set(verdict.values_of(BEST).values()) == {1.0}
    assert set(verdict.values_of(WORST).values()) == {0.0}
