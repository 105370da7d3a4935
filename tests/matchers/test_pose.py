from collections.abc import Callable

import pytest
import torch

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.matchers import pose

MARGIN = 1.5


class Asked:
    """A support function that remembers which poses it was asked for."""

    def __init__(self, support: Callable[[Pose], float]) -> None:
        self.support = support
        self.poses: list[Pose] = []

    def __call__(self, candidate: Pose) -> float:
        self.poses.append(candidate)
        return self.support(candidate)


def asked(values: dict[Pose, float] | None = None, otherwise: float = 0.1) -> Asked:
    return Asked(lambda candidate: (values or {}).get(candidate, otherwise))


@pytest.mark.parametrize(
    ("flip", "turns", "tried"),
    [
        ("never", False, [Pose()]),
        ("always", False, [Pose(mirrored=True)]),
        ("auto", False, [Pose(), Pose(mirrored=True)]),
        ("never", True, [Pose(), *pose.TURNS]),
        ("auto", True, [Pose(), Pose(mirrored=True), *pose.TURNS]),
        ("always", True, [Pose(True), *(Pose(True, turn.angle, turn.scale) for turn in pose.TURNS)]),
    ],
)
def test_each_candidate_is_tried_once_and_nothing_else(flip: str, turns: bool, tried: list[Pose]) -> None:
    support = asked()
    assert pose.search(support, flip=flip, turns=turns, margin=MARGIN) == tried[0]
    assert support.poses == tried


@pytest.mark.parametrize("candidate", [Pose(mirrored=True), *pose.TURNS], ids=str)
@pytest.mark.parametrize("most", [0.1, 0.2, 0.29])
def test_another_pose_must_win_by_the_margin(candidate: Pose, most: float) -> None:
    def found(share: float) -> Pose:
        values = asked({Pose(): most, candidate: most * share}, otherwise=most / 2)
        return pose.search(values, flip="auto", turns=True, margin=MARGIN)

    assert found(1.4) == Pose()
    assert found(1.5) == Pose()
    assert found(1.55) == candidate


def test_clear_support_needs_a_smaller_margin() -> None:
    def found(values: dict[Pose, float]) -> Pose:
        return pose.search(asked(values), flip="auto", turns=False, margin=MARGIN)

    assert found({Pose(): 0.8, Pose(mirrored=True): 0.9}).mirrored
    assert not found({Pose(): 0.8, Pose(mirrored=True): 0.82}).mirrored
    assert not found({Pose(): 0.3, Pose(mirrored=True): 0.4}).mirrored


def test_turns_are_tried_on_the_mirrored_picture_when_that_won() -> None:
    support = asked({Pose(): 0.1, Pose(True): 0.2, Pose(True, 30): 0.4})
    assert pose.search(support, flip="auto", turns=True, margin=MARGIN) == Pose(True, 30)
    assert all(candidate.mirrored for candidate in support.poses[1:])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Pose(angle=30), Pose(angle=60)),
        (Pose(angle=-30), Pose(angle=-60)),
        (Pose(angle=30), Pose(angle=30, scale=1.4)),
        (Pose(scale=0.7), Pose(scale=0.49)),
        (Pose(scale=1.4), Pose(angle=-30, scale=1.4)),
    ],
)
def test_turns_compose(first: Pose, second: Pose) -> None:
    support = asked({first: 0.2, second: 0.21})
    assert pose.search(support, flip="never", turns=True, margin=MARGIN) == second


def test_a_second_turn_that_is_no_better_is_not_taken() -> None:
    support = asked({Pose(angle=30): 0.2, Pose(angle=60): 0.2})
    assert pose.search(support, flip="never", turns=True, margin=MARGIN) == Pose(angle=30)


@pytest.mark.parametrize("turn", pose.TURNS, ids=str)
def test_a_turn_is_not_undone_and_no_pose_tried_twice(turn: Pose) -> None:
    support = asked({turn: 0.4})
    pose.search(support, flip="auto", turns=True, margin=MARGIN)
    assert len(set(support.poses)) == len(support.poses) == 2 + 4 + 3
    for second in support.poses[6:]:
        assert second.angle != 0 or abs(second.scale - 1) > 0.1


def at(turned: Pose, hw: tuple[int, int], *points: tuple[float, float]) -> torch.Tensor:
    return pose.turn_warp(turned, hw).at(torch.tensor(points, dtype=torch.float32))


def test_a_quarter_turn_is_counter_clockwise_as_seen() -> None:
    # what was at the right of the picture is seen at the top, what was at the top at the left
    read = at(Pose(angle=90), (100, 100), (50, 10), (10, 50), (50, 90))
    assert torch.allclose(read, torch.tensor([[90.0, 50.0], [50.0, 10.0], [10.0, 50.0]]), atol=1e-3)


def test_a_small_turn_lifts_the_right_and_lowers_the_left() -> None:
    right, left = at(Pose(angle=30), (80, 120), (60 + 40 * 0.75**0.5, 40 - 20), (60 - 40 * 0.75**0.5, 40 + 20))
    assert torch.allclose(right, torch.tensor([100.0, 40.0]), atol=1e-2)
    assert torch.allclose(left, torch.tensor([20.0, 40.0]), atol=1e-2)


@pytest.mark.parametrize("scale", [0.5, 1.4, 2.0])
def test_scaling_enlarges_about_the_middle(scale: float) -> None:
    read = at(Pose(scale=scale), (80, 120), (60, 40), (60 + 20 * scale, 40), (60, 40 - 10 * scale))
    assert torch.allclose(read, torch.tensor([[60.0, 40.0], [80.0, 40.0], [60.0, 30.0]]), atol=1e-3)


def test_no_turn_is_the_identity() -> None:
    centres = coords.pixel_centres((60, 90)).reshape(-1, 2)
    assert torch.allclose(pose.turn_warp(Pose(), (60, 90)).at(centres), centres, atol=1e-3)


def test_angle_and_scale_compose() -> None:
    both = at(Pose(angle=90, scale=2), (100, 100), (50, 10))
    assert torch.allclose(both, torch.tensor([[70.0, 50.0]]), atol=1e-3)
    determinants = pose.turn_warp(Pose(angle=37, scale=2), (100, 100)).determinants()
    assert torch.allclose(determinants, torch.tensor(0.25), atol=1e-3)
