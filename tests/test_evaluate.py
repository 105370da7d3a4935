import math
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

from semcorr_cli import evaluate
from semcorr_cli.datasets import TruePair
from semcorr_cli.datasets.change import Change
from semcorr_cli.errors import InputError, UsageError
from semcorr_cli.evaluate import Protocol, Scored
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings
from tests.conftest import textured

SWITCHES = [(strict, size) for strict in (False, True) for size in ("bbox", "img")]


def scored(number: int, predicted: Tensor, truth: Tensor, category: str = "cat") -> Scored:
    box = (10.0, 20.0, 110.0 + 7 * number, 90.0)
    pair = TruePair(f"{number}", category, Path("s.png"), Path("t.png"), truth, truth, box)
    return Scored(pair, predicted, (150 + 10 * number, 130), None)


def guesses(seed: int = 0) -> list[Scored]:
    """Returns pairs with more and fewer points, half of which are hit and half missed."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number, points in enumerate((5, 1, 12, 30, 8, 2)):
        truth = torch.rand(points, 2, generator=generator) * 100
        away = torch.randn(points, 2, generator=generator) * 12
        made.append(scored(number, truth + away, truth, "cat" if number % 2 else "dog"))
    return made


def counted(group: list[Scored], alpha: float, protocol: Protocol) -> tuple[float, float]:
    """Returns both averages by plain loops."""
    shares, right, total = [], 0, 0
    for entry in group:
        left, top, far, bottom = entry.pair.target_box
        side = max(far - left, bottom - top) if protocol.size == "bbox" else max(entry.target_hw)
        hits = 0
        for p, t in zip(entry.predicted.tolist(), entry.pair.target_points.tolist(), strict=True):
            error = math.hypot(p[0] - t[0], p[1] - t[1])
            hits += error < alpha * side if protocol.strict else error <= alpha * side
        shares.append(hits / len(entry.predicted))
        right, total = right + hits, total + len(entry.predicted)
    return 100 * sum(shares) / len(shares), 100 * right / total


@pytest.mark.parametrize(
    ("text", "average", "strict", "size"),
    [
        ("", "per-image", False, "bbox"),
        ("per-image,<=,bbox", "per-image", False, "bbox"),
        ("per-point", "per-point", False, "bbox"),
        ("<", "per-image", True, "bbox"),
        ("lt", "per-image", True, "bbox"),
        ("le", "per-image", False, "bbox"),
        ("img < per-point", "per-point", True, "img"),
        ("PER-POINT, LT , IMG", "per-point", True, "img"),
        ("<,<=", "per-image", False, "bbox"),
    ],
)
def test_switches_are_read_in_any_order_and_the_last_word_counts(
    text: str, average: str, strict: bool, size: str
) -> None:
    assert Protocol.parse(text) == Protocol(average, strict, size)


@pytest.mark.parametrize("text", ["per-pixel", "per-image,>", "bbox;img", "0.1"])
def test_a_word_that_is_no_switch_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is no switch") as caught:
        Protocol.parse(text)
    assert "per-image per-point" in str(caught.value.hint)


@pytest.mark.parametrize(("strict", "size"), SWITCHES)
def test_scores_equal_plain_loops(strict: bool, size: str) -> None:
    protocol = Protocol(strict=strict, size=size)
    scores = evaluate.score(guesses(), protocol)
    assert list(scores.categories) == ["cat", "dog"]
    assert list(scores.overall) == [0.05, 0.10, 0.20]
    groups = {name: [entry for entry in guesses() if entry.pair.category == name] for name in ("cat", "dog")}
    for found, group in ((scores.overall, guesses()), *((scores.categories[name], groups[name]) for name in groups)):
        for alpha, pck in found.items():
            assert (pck.per_image, pck.per_point) == pytest.approx(counted(group, alpha, protocol))
            assert (pck.pairs, pck.points) == (len(group), sum(len(entry.predicted) for entry in group))
    assert 5 < scores.overall[0.05].per_point < 95


@pytest.mark.parametrize(("size", "reach"), [("bbox", 10.0), ("img", 15.0)])
def test_the_threshold_itself_counts_unless_strict(size: str, reach: float) -> None:
    truth = torch.full((3, 2), 50.0)
    found = truth + torch.tensor([[0.0, reach], [reach - 0.01, 0.0], [reach + 0.01, 0.0]])
    entry = scored(0, found, truth)
    assert entry.hits(0.10, Protocol(size=size)).tolist() == [True, True, False]
    assert entry.hits(0.10, Protocol(size=size, strict=True)).tolist() == [False, True, False]


@pytest.mark.parametrize(("strict", "size"), SWITCHES)
def test_the_truth_scores_100(strict: bool, size: str) -> None:
    truth = [scored(k, entry.pair.target_points, entry.pair.target_points) for k, entry in enumerate(guesses())]
    scores = evaluate.score(truth, Protocol(strict=strict, size=size))
    assert {(pck.per_image, pck.per_point) for pck in scores.overall.values()} == {(100, 100)}


def test_a_shuffled_truth_scores_what_chance_gives() -> None:
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(20):
        truth = torch.rand(500, 2, generator=generator) * 100
        shuffled = truth[torch.randperm(500, generator=generator)]
        pair = TruePair("a", "cat", Path("s"), Path("t"), truth, truth, (0.0, 0.0, 100.0, 100.0))
        made.append(Scored(pair, shuffled, (100, 100), None))
    for alpha, pck in evaluate.score(made, Protocol()).overall.items():
        # probability that two uniform points of a unit square lie within r of each other
        chance = math.pi * alpha**2 - 8 / 3 * alpha**3 + alpha**4 / 2
        assert pck.per_point == pytest.approx(100 * chance, abs=1)
        assert pck.per_image == pytest.approx(pck.per_point)


def test_nothing_to_score_is_a_score_of_nothing() -> None:
    scores = evaluate.score([], Protocol())
    assert scores.categories == {}
    assert {pck.pairs for pck in scores.overall.values()} == {0}


@pytest.fixture
def session() -> Session:
    return Session(SessionOptions(device="cpu", cache=False), Settings.from_environment())


def lattice() -> Tensor:
    y, x = torch.meshgrid(torch.arange(24.0, 110, 24), torch.arange(24.0, 140, 24), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


@pytest.mark.parametrize("prediction", evaluate.PREDICTIONS)
def test_a_picture_is_found_in_itself(prediction: str, session: Session, tmp_path: Path) -> None:
    Pillow.fromarray(textured((120, 160))).save(tmp_path / "a.png")
    box = (0.0, 0.0, 160.0, 120.0)
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", lattice(), lattice(), box)
    found = list(evaluate.predict([pair], session, prediction))
    assert [entry.pair for entry in found] == [pair]
    assert found[0].target_hw == (120, 160)
    assert (found[0].quality is None) == (prediction == "nearest")
    assert evaluate.score(found, Protocol()).overall[0.05].per_point > 95


@pytest.mark.parametrize("on_target", [False, True])
def test_a_known_change_is_made_before_matching(on_target: bool, session: Session, tmp_path: Path) -> None:
    Pillow.fromarray(textured((120, 160))).save(tmp_path / "a.png")
    Pillow.fromarray(textured((90, 90), seed=5)).save(tmp_path / "b.png")
    change = Change(
        linear=torch.eye(2) / 2,
        middle=torch.tensor([200.0, 200.0]),
        centre=torch.tensor([80.0, 60.0]),
        half=torch.tensor([80.0, 60.0]),
        background=tmp_path / "b.png",
        colours=torch.eye(3),
        gamma=1.0,
        offset=0.0,
        mirrored=False,
    )
    points, moved = lattice(), change.points(lattice())
    ends = (points, moved) if on_target else (moved, points)
    changes = (None, change) if on_target else (change, None)
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", *ends, (0.0, 0.0, 160.0, 120.0), *changes)
    found = list(evaluate.predict([pair], session, "warp"))
    assert found[0].target_hw == ((400, 400) if on_target else (120, 160))
    assert evaluate.score(found, Protocol()).overall[0.10].per_point > 80


def test_a_picture_that_is_missing_is_an_input_error(session: Session, tmp_path: Path) -> None:
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", lattice(), lattice(), (0.0, 0.0, 9.0, 9.0))
    with pytest.raises(InputError, match="no file"):
        list(evaluate.predict([pair], session, "warp"))
