import itertools
import math
from dataclasses import replace

import pytest
import torch

from semcorr_cli import evaluate
from semcorr_cli.errors import UsageError
from semcorr_cli.evaluate import Protocol
from semcorr_cli.evaluate.protocol import SWITCHES, label, to_padded
from tests.evaluate.guesses import counted, guesses, scored

ALL = [
    Protocol(strict=strict, size=size, padded=padded, subset=subset)
    for strict, size, padded, subset in itertools.product(
        (False, True), ("bbox", "img", "kps"), (False, True), ("all", "geo")
    )
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Protocol()),
        ("per-image,<=,bbox,original,centre,all", Protocol()),
        ("per-point", Protocol("per-point")),
        ("<", Protocol(strict=True)),
        ("lt", Protocol(strict=True)),
        ("le", Protocol()),
        ("img < per-point", Protocol("per-point", True, "img")),
        ("PER-POINT, LT , IMG", Protocol("per-point", True, "img")),
        ("<,<=", Protocol()),
        ("kps,padded,+7,geo", Protocol(size="kps", padded=True, reading="+7", subset="geo")),
        ("dift", Protocol(reading="bilinear")),
        ("sd-dino", Protocol("per-point", True, padded=True)),
        ("geoaware,per-point", Protocol("per-point", True, padded=True, reading="+7")),
    ],
)
def test_switches_are_read_in_any_order_and_the_last_word_counts(text: str, expected: Protocol) -> None:
    assert Protocol.parse(text) == expected
    assert Protocol.parse(str(expected)) == expected


def test_switches_left_out_are_those_of_the_data_set() -> None:
    start = Protocol(size="kps", alphas=(0.1,))
    assert Protocol.parse("<", start) == replace(start, strict=True)
    assert Protocol.parse("bbox", start).alphas == (0.1,)


@pytest.mark.parametrize("text", ["per-pixel", "per-image,>", "bbox;img", "0.1"])
def test_a_word_that_is_no_switch_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is no switch") as caught:
        Protocol.parse(text)
    assert all(word in str(caught.value.hint) for word in SWITCHES)


def test_thresholds_are_read_and_sorted() -> None:
    assert Protocol().with_alphas("0.1, 0.01,0.1").alphas == (0.01, 0.1)
    for text in ("", "ten", "0", "0.1,2", "-0.1", "nan"):
        with pytest.raises(UsageError, match="are no shares"):
            Protocol().with_alphas(text)


def test_thresholds_are_named_apart() -> None:
    assert [label(alpha) for alpha in (0.005, 0.01, 0.1, 0.125)] == ["0.005", "0.01", "0.10", "0.125"]


def test_a_point_lies_in_the_square_where_the_reference_puts_it() -> None:
    point = torch.tensor([[100.5, 50.5]])
    assert to_padded(point, (375, 500)).tolist() == [[pytest.approx(168), pytest.approx(189)]]
    assert to_padded(point, (500, 375)).tolist() == [[pytest.approx(168 + 105), pytest.approx(84)]]
    assert to_padded(point, (840, 840)).tolist() == [[100, 50]]


@pytest.mark.parametrize("protocol", ALL, ids=str)
def test_scores_equal_plain_loops(protocol: Protocol) -> None:
    scores = evaluate.score(guesses(), protocol)
    assert list(scores.categories) == ["cat", "cow", "dog"]
    assert list(scores.overall) == [0.05, 0.10, 0.20]
    entries = {name: [entry for entry in guesses() if entry.pair.category == name] for name in scores.categories}
    for alpha in protocol.alphas:
        groups = {name: counted(group, alpha, protocol) for name, group in entries.items()}
        found = [(scores.overall, counted(guesses(), alpha, protocol))]
        found += [(scores.categories[name], groups[name]) for name in groups]
        for by_alpha, expected in found:
            pck = by_alpha[alpha]
            assert (pck.per_image, pck.per_point, pck.pairs, pck.points) == pytest.approx(expected)
        for k, kind in enumerate(("per_image", "per_point")):
            mean = sum(group[k] for group in groups.values()) / 3
            assert getattr(scores.mean[alpha], kind) == pytest.approx(mean)
        weighted = sum(group[1] * group[2] for group in groups.values()) / sum(group[2] for group in groups.values())
        assert scores.weighted[alpha] == pytest.approx(weighted)
    assert 5 < scores.overall[0.05].per_point < 95


def test_the_square_changes_nothing_but_rounding() -> None:
    for size in ("bbox", "img", "kps"):
        plain, padded = (evaluate.score(guesses(), Protocol(size=size, padded=padded)) for padded in (False, True))
        assert plain == padded


@pytest.mark.parametrize(("size", "reach"), [("bbox", 10.0), ("img", 15.0), ("kps", 3.0)])
def test_the_threshold_itself_counts_unless_strict(size: str, reach: float) -> None:
    truth = torch.tensor([[50.0, 50.0], [80.0, 50.0], [65.0, 60.0]])
    found = truth + torch.tensor([[0.0, reach], [reach - 0.01, 0.0], [reach + 0.01, 0.0]])
    entry = scored(0, found, truth)
    assert entry.hits(0.10, Protocol(size=size)).tolist() == [True, True, False]
    assert entry.hits(0.10, Protocol(size=size, strict=True)).tolist() == [False, True, False]


@pytest.mark.parametrize("protocol", ALL, ids=str)
def test_the_truth_scores_100(protocol: Protocol) -> None:
    truth = [scored(k, entry.pair.target_points, entry.pair.target_points) for k, entry in enumerate(guesses())]
    if protocol.size == "kps" and protocol.strict:
        truth = [entry for entry in truth if len(entry.predicted) > 1]  # the box round one point has no size
    scores = evaluate.score(truth, protocol)
    assert {(pck.per_image, pck.per_point) for pck in scores.overall.values()} == {(100, 100)}


@pytest.mark.parametrize("protocol", ALL, ids=str)
def test_a_shuffled_truth_scores_what_chance_gives(protocol: Protocol) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(60, 2, generator=generator) * 90
    mixed = [truth[torch.randperm(60, generator=generator)] for _ in range(100)]
    made = [scored(3, shuffled, truth) for shuffled in mixed]
    # the chance that a point is found when any of the points may be taken for it
    every = [scored(3, truth.roll(k, dims=0), truth) for k in range(60)]
    for alpha, pck in evaluate.score(made, protocol).overall.items():
        assert pck.per_point == pytest.approx(counted(every, alpha, protocol)[1], rel=0.1, abs=0.5)
        assert pck.per_image == pytest.approx(pck.per_point)


def test_chance_in_a_square_is_what_geometry_says() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(10_000, 2, generator=generator) * 100
    box = scored(0, truth[torch.randperm(10_000, generator=generator)], truth)
    for alpha, pck in evaluate.score([box], Protocol()).overall.items():
        # probability that two uniform points of a unit square lie within r of each other
        chance = math.pi * alpha**2 - 8 / 3 * alpha**3 + alpha**4 / 2
        assert pck.per_point == pytest.approx(100 * chance, abs=1)


def test_ambiguous_points_can_only_be_counted_where_they_are_known() -> None:
    entry = guesses()[0]
    unknown = replace(entry, pair=replace(entry.pair, ambiguous=None))
    with pytest.raises(UsageError, match="nobody knows which points have look-alikes"):
        evaluate.score([unknown], Protocol(subset="geo"))
