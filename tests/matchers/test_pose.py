import pytest
import torch

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.matchers import pose

STILL, MIRRORED = Pose(), Pose(mirrored=True)


class Asked:
    """A support function that remembers which poses it was asked for."""

    def __init__(self, values: dict[Pose, float]) -> None:
        self.values = values
        self.poses: list[Pose] = []

    def __call__(self, candidate: Pose) -> float:
        self.poses.append(candidate)
        return self.values.get(candidate, 0.1)


@pytest.mark.parametrize(
    ("flip", "rotate", "first", "count"),
    [
        ("never", "never", STILL, 1),
        ("always", "never", MIRRORED, 1),
        ("auto", "never", STILL, 2),
        ("never", "auto", STILL, 8),
        ("always", "auto", MIRRORED, 8),
        ("auto", "auto", STILL, 16),
        ("auto", "-30", Pose(angle=-30), 2),
    ],
)
def test_poses_to_begin_with(flip: str, rotate: str, first: Pose, count: int) -> None:
    found = pose.turns(flip, rotate)
    assert found[0] == first
    assert len(set(found)) == len(found) == count
    assert flip == "auto" or all(candidate.mirrored == (flip == "always") for candidate in found)
    assert all(candidate.scale == 1 for candidate in found)


def test_the_shortlist_has_the_most_supported_first_and_no_pose_is_tried_twice() -> None:
    support = Asked({Pose(angle=18): 0.5, MIRRORED: 0.4, Pose(True, -36): 0.3, Pose(angle=90): 0.2})
    found = pose.shortlisted(support, pose.turns("auto", "auto"), scales=False)
    assert found == [Pose(angle=18), MIRRORED, Pose(True, -36), Pose(angle=90)]
    assert len(set(support.poses)) == len(support.poses) == 16


def test_the_best_turns_are_tried_at_other_scales() -> None:
    support = Asked({Pose(angle=18): 0.5, MIRRORED: 0.4, Pose(angle=18, scale=1.6): 0.6})
    found = pose.shortlisted(support, pose.turns("auto", "auto"), scales=True)
    assert found[:3] == [Pose(angle=18, scale=1.6), Pose(angle=18), MIRRORED]
    tried = {(False, 18.0, 0.6), (False, 18.0, 1.6), (True, 0.0, 0.6), (True, 0.0, 1.6)}
    assert {(p.mirrored, p.angle, p.scale) for p in support.poses[16:]} == tried


@pytest.mark.parametrize(
    ("other", "needed"),
    [
        (Pose(angle=18), 1.5),
        (Pose(scale=0.6), 1.5),
        (MIRRORED, 2.25),
        (Pose(True, 36, 1.6), 2.25),
        (Pose(angle=180), 1.875),
        (Pose(True, 90), 2.8125),
    ],
)
def test_upright_pictures_have_a_start(other: Pose, needed: float) -> None:
    assert pose.chosen({STILL: 0.1, other: 0.1 * needed * 0.99}) == STILL
    assert pose.chosen({STILL: 0.1, other: 0.1 * needed * 1.01}) == other


@pytest.mark.parametrize("most", [0.1, 0.2, 0.29])
def test_after_one_look_a_mirrored_picture_must_win_by_the_margin(most: float) -> None:
    assert pose.more_supported({STILL: most, MIRRORED: 1.5 * most}, 1.5) == STILL
    assert pose.more_supported({STILL: most, MIRRORED: 1.55 * most}, 1.5) == MIRRORED


def test_clear_support_needs_a_smaller_margin() -> None:
    assert pose.more_supported({STILL: 0.8, MIRRORED: 0.9}, 1.5) == MIRRORED
    assert pose.more_supported({STILL: 0.8, MIRRORED: 0.82}, 1.5) == STILL
    assert pose.more_supported({MIRRORED: 0.3}, 1.5) == MIRRORED


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


def test_a_quarter_turn_has_the_canvas_on_its_side() -> None:
    warp = pose.turn_warp(Pose(angle=90), (80, 120))
    assert warp.target_hw == (120, 80)
    assert torch.allclose(warp.at(torch.tensor([[40.0, 10.0]])), torch.tensor([[110.0, 40.0]]), atol=1e-3)
    assert pose.turn_warp(Pose(angle=45), (80, 120)).target_hw == (80, 120)
