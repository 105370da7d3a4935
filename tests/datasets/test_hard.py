import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semcorr_cli.datasets import TruePair, hard
from semcorr_cli.datasets.change import SIDE, Change
from semcorr_cli.datasets.hard import Changes


def pairs(count: int = 6) -> list[TruePair]:
    made = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        source, target = (torch.rand(8, 2, generator=generator) * 150 + 40 for _ in range(2))
        category = ("cat", "car", "cup")[number % 3]
        names = Path(f"{category}{number}s.png"), Path(f"{category}{number}t.png")
        made.append(TruePair(f"pair{number}", category, *names, source, target, (30, 40, 210, 160)))
    return made


def drawn(seed: int, count: int = 60, changes: Changes = Changes.ALL) -> list[TruePair]:
    whole = pairs(count)
    return list(hard.harden(whole, seed, among=hard.pictures(whole), changes=changes))


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


def test_a_pair_becomes_the_same_whatever_is_used_beside_it() -> None:
    whole = pairs(30)
    among = hard.pictures(whole)
    everything = {pair.name: pair for pair in hard.harden(whole, 0, among=among)}
    assert among == hard.pictures(whole[::-1])
    for some in (whole[::7], whole[::-1], whole[11:12]):
        alone = list(hard.harden(some, 0, among=among))
        assert [pair.name for pair in alone] == [f"{pair.name}:hard" for pair in some]
        assert same(alone, [everything[pair.name] for pair in alone])


def test_pairs_that_differ_in_name_alone_are_changed_differently() -> None:
    first, *_ = pairs(1)
    twice = [first, replace(first, name="another")]
    one, two = hard.harden(twice, 0, among=hard.pictures(pairs()))
    assert not same([one], [two])


def test_a_similarity_is_that_of_all_changes_and_nothing_else() -> None:
    for full, posed in zip(drawn(2), drawn(2, changes=Changes.SIMILARITY), strict=True):
        assert torch.equal(full.source_points, posed.source_points)
        assert torch.equal(full.target_points, posed.target_points)
        assert full.target_box == posed.target_box
        every, some = changed(full), changed(posed)
        assert torch.equal(every.linear, some.linear)
        assert torch.equal(every.middle, some.middle)
        assert (some.background, some.gamma, some.offset) == (None, 1.0, 0.0)
        assert torch.equal(some.colours, torch.eye(3))
        assert some.half.isinf().all()


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
    hardened = [pair for seed in range(4) for pair in drawn(seed)]
    made = [changed(pair) for pair in hardened]
    mirrored = [float(torch.linalg.det(each.linear)) < 0 for each in made]
    assert mirrored == [each.mirrored for each in made]
    assert 0.35 < sum(mirrored) / len(made) < 0.65
    upright = [each.linear @ torch.diag(torch.tensor([-1.0 if each.mirrored else 1.0, 1.0])) for each in made]
    angles = [math.degrees(math.atan2(float(linear[0, 1]), float(linear[0, 0]))) for linear in upright]
    assert -45 <= min(angles) < -35
    assert 35 < max(angles) <= 45
    originals = {f"{pair.name}:hard": pair for pair in pairs(60)}
    extents = []
    for pair, each in zip(hardened, made, strict=True):
        original = originals[pair.name]
        points = original.source_points if pair.target_change is None else original.target_points
        extent = float((points.amax(dim=0) - points.amin(dim=0)).max())
        extents.append(extent * each.scale / (hard.EXTENT * SIDE))
    assert 0.5 <= min(extents) < 0.55
    assert 1.6 < max(extents) <= 2
    gains = torch.stack([each.colours @ torch.ones(3) for each in made])
    assert gains.min() >= 0.6 - 1e-5
    assert gains.max() <= 1.3 + 1e-5
    assert gains.std() > 0.15
    assert len({each.gamma for each in made}) == len(made)
    greys = sum(bool((each.colours - each.colours[:, :1]).abs().max() < 1e-6) for each in made)
    assert 0.05 < greys / len(made) < 0.3
    assert all(SIDE / 4 <= value <= 3 * SIDE / 4 for each in made for value in each.middle.tolist())


def test_the_background_shows_something_else() -> None:
    names = [(pair.category, changed(pair).background) for pair in drawn(5)]
    assert not [name for category, name in names if name is None or name.name.startswith(category)]
    assert len({name for _, name in names}) > 30
    alone = [replace(pair, category="cat") for pair in pairs()]
    made = hard.harden(alone, 0, among=hard.pictures(alone))
    assert [changed(pair).background for pair in made] == [pair.source for pair in alone]


def test_pairs_that_cannot_be_made_hard_are_left_out() -> None:
    first, *rest = pairs()
    lonely = replace(first, source_points=first.source_points[:1], target_points=first.target_points[:1])
    made = hard.harden([lonely, *rest], 0, among=hard.pictures(rest))
    assert [pair.name for pair in made] == [f"{pair.name}:hard" for pair in rest]
