import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semcorr_cli.datasets import TruePair, hard
from semcorr_cli.datasets.change import SIDE, Change


def pairs(count: int = 6) -> list[TruePair]:
    made = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        source, target = (torch.rand(8, 2, generator=generator) * 150 + 40 for _ in range(2))
        category = ("cat", "car", "cup")[number % 3]
        names = Path(f"{category}{number}s.png"), Path(f"{category}{number}t.png")
        made.append(TruePair(f"pair{number}", category, *names, source, target, (30, 40, 210, 160)))
    return made


def drawn(seed: int, count: int = 60) -> list[TruePair]:
    return list(hard.harden(pairs(count), seed))


def changed(pair: TruePair) -> Change:
    found = pair.source_change or pair.target_change
    assert isinstance(found, Change)
    return found


def same(a: Sequence[TruePair], b: Sequence[TruePair]) -> bool:
    return all(
        torch.equal(first.source_points, second.source_points)
        and torch.equal(first.target_points, second.target_points)
        and str(first.source_change) == str(second.source_change)
        and str(first.target_change) == str(second.target_change)
        for first, second in zip(a, b, strict=True)
    )


def test_the_same_seed_makes_the_same_changes_and_another_seed_others() -> None:
    assert same(drawn(0), drawn(0))
    assert not same(drawn(0, 6), drawn(1, 6))


def test_one_picture_of_a_pair_is_changed_and_the_other_left_alone() -> None:
    originals = {pair.name: pair for pair in pairs(60)}
    made = drawn(0)
    assert {pair.name for pair in made} == {f"{name}:hard" for name in originals}
    for pair in made:
        original = originals[pair.name.removesuffix(":hard")]
        assert (pair.source_change is None) != (pair.target_change is None)
        assert (pair.category, pair.source, pair.target) == (original.category, original.source, original.target)
        on_target = pair.target_change is not None
        left = (
            (pair.source_points, original.source_points) if on_target else (pair.target_points, original.target_points)
        )
        assert all(any(torch.equal(row, other) for other in left[1]) for row in left[0])
        assert on_target or pair.target_box == original.target_box
    assert 10 < sum(pair.source_change is not None for pair in made) < 50


def test_kept_points_are_in_sight_and_still_belong_together() -> None:
    originals = {f"{pair.name}:hard": pair for pair in pairs(60)}
    for pair in drawn(3):
        original, made = originals[pair.name], changed(pair)
        on_target = pair.target_change is not None
        carried = made.points(original.target_points if on_target else original.source_points)
        seen = ((carried > 2) & (carried < SIDE - 2)).all(dim=-1)
        moved, still = (
            (pair.target_points, pair.source_points) if on_target else (pair.source_points, pair.target_points)
        )
        assert torch.equal(moved, carried[seen])
        assert torch.equal(still, (original.source_points if on_target else original.target_points)[seen])
        assert len(moved) >= 5


def test_the_box_of_a_changed_target_grows_with_it_and_keeps_its_middle() -> None:
    for pair in drawn(4):
        if pair.target_change is None:
            assert pair.box_side == 180
            continue
        made = changed(pair)
        assert pair.box_side == pytest.approx(180 * made.scale, rel=1e-4)
        left, top, right, bottom = pair.target_box
        middle = made.points(torch.tensor([[120.0, 100.0]]))[0].tolist()
        assert [(left + right) / 2, (top + bottom) / 2] == pytest.approx(middle, abs=1e-3)
        assert (right - left) / (bottom - top) == pytest.approx(180 / 120, rel=1e-4)


def test_changes_span_what_they_promise() -> None:
    made = [changed(pair) for seed in range(4) for pair in drawn(seed)]
    mirrored = [float(torch.linalg.det(each.linear)) < 0 for each in made]
    assert mirrored == [each.mirrored for each in made]
    assert 0.35 < sum(mirrored) / len(made) < 0.65
    upright = [each.linear @ torch.diag(torch.tensor([-1.0 if each.mirrored else 1.0, 1.0])) for each in made]
    angles = [math.degrees(math.atan2(float(linear[0, 1]), float(linear[0, 0]))) for linear in upright]
    assert -45 <= min(angles) < -35
    assert 35 < max(angles) <= 45
    greys = sum(bool((each.colours - each.colours[:, :1]).abs().max() < 1e-6) for each in made)
    assert 0.05 < greys / len(made) < 0.3
    assert all(SIDE / 4 <= value <= 3 * SIDE / 4 for each in made for value in each.middle.tolist())


def test_the_background_shows_something_else() -> None:
    for pair in drawn(5):
        assert not changed(pair).background.name.startswith(pair.category)
    alone = [replace(pair, category="cat") for pair in pairs()]
    assert [changed(pair).background for pair in hard.harden(alone, 0)] == [pair.source for pair in alone]


def test_pairs_that_cannot_be_made_hard_are_left_out() -> None:
    first, *rest = pairs()
    lonely = replace(first, source_points=first.source_points[:1], target_points=first.target_points[:1])
    assert [pair.name for pair in hard.harden([lonely, *rest], 0)] == [f"{pair.name}:hard" for pair in rest]
