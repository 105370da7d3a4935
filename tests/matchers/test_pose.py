import math

import pytest
import torch

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.matchers import pose
from semcorr_cli.matchers.pose import Allowed, Evidence
from semcorr_cli.matchers.relation import ANGLES, OCTAVES, Relation

STILL, MIRRORED = Pose(), Pose(mirrored=True)


def related(*likely: tuple[bool, float, float]) -> Relation:
    """A relation in which some turns, each (mirrored, angle, probability), share what there is."""
    turns = torch.full((2, ANGLES), 1e-6)
    for mirrored, angle, probability in likely:
        turns[int(mirrored), round(angle / 15) % ANGLES] += probability
    octaves = torch.zeros(len(OCTAVES))
    octaves[OCTAVES.index(0.75)] = octaves[OCTAVES.index(1.25)] = 0.5
    return Relation((turns / turns.sum()).log(), octaves, 0.0)


@pytest.mark.parametrize(
    ("flip", "rotate", "first", "looked_at"),
    [
        ("never", "never", STILL, 1),
        ("always", "never", MIRRORED, 1),
        ("auto", "never", STILL, 2),
        ("never", "auto", STILL, 3),
        ("always", "auto", MIRRORED, 3),
        ("auto", "auto", STILL, 6),
        ("auto", "-30", Pose(angle=-30), 2),
        ("always", "40", Pose(True, 40), 1),
    ],
)
def test_poses_that_are_looked_at(flip: str, rotate: str, first: Pose, looked_at: int) -> None:
    allowed = Allowed(flip, rotate)
    assert allowed.first == first
    drawn = [allowed.drawn(turned) for turned in allowed.poses()]
    assert drawn[0] == first
    assert len(set(drawn)) == len(drawn) == looked_at
    assert flip == "auto" or all(candidate.mirrored == (flip == "always") for candidate in drawn)
    assert len(allowed.quarters) == (looked_at if rotate == "auto" else 0)
    assert {turned.angle for turned in allowed.quarters} <= {90, -90, 180}
    assert {turned.angle for turned in Allowed().poses(90)} == {60, 90, 120}


def agreeing(agreement: dict[Pose, float]) -> dict[Pose, Evidence]:
    """What was found in poses that were matched, when their matches say nothing of ends."""
    return {turned: Evidence(value, 0.0) for turned, value in agreement.items()}


def test_the_likeliest_come_first_each_by_itself() -> None:
    several = related((True, 45, 0.5), (True, 60, 0.25), (False, 0, 0.2), (False, 180, 0.1))
    assert Allowed(flip="never").likely(several, 2) == [Pose(False, 0, 2), Pose(False, 180, 2)]
    assert Allowed().likely(several, 1) == [Pose(True, 50, 2)]


def test_either_side_has_its_likeliest_pose() -> None:
    one_sided = related((True, 45, 0.5), (True, 180, 0.3), (False, 0, 0.01))
    assert Allowed().likely(one_sided, 2) == [Pose(True, 45, 2), Pose(False, 0, 2)]


def test_nothing_is_turned_that_may_not_be() -> None:
    found = Allowed(rotate="never").likely(related((False, 45, 0.7), (True, 0, 0.2), (False, 0, 0.1)), 4)
    assert found == [MIRRORED, STILL]
    found = Allowed(rotate="-30").likely(related((True, 0, 0.2), (False, 0, 0.1)), 1)
    assert found == [Pose(True, -30)]


def test_what_may_not_be_mirrored_has_no_chance_of_it() -> None:
    turns = torch.full((2, ANGLES), -torch.inf)
    turns[0] = -3.0
    only = Relation(turns, torch.ones(len(OCTAVES)) / len(OCTAVES), 0.0)
    assert not any(found.mirrored for found in Allowed(flip="never").likely(only, 4))


@pytest.mark.parametrize(
    ("other", "start"),
    [(MIRRORED, pose.MIRRORED), (Pose(angle=45), pose.TURNED), (Pose(True, 90, 2), pose.MIRRORED * pose.TURNED)],
)
def test_what_is_likely_and_agrees_wins_but_upright_pictures_have_a_start(other: Pose, start: float) -> None:
    even = related((False, 0, 0.5), (other.mirrored, other.angle, 0.5))
    odd = related((False, 0, 0.6), (other.mirrored, other.angle, 0.3))
    for relation, needed in ((even, start), (odd, start * 2**pose.BELIEF)):
        assert pose.chosen(agreeing({STILL: 0.1, other: 0.1 * needed * 0.99}), relation, Allowed()) == STILL
        assert pose.chosen(agreeing({STILL: 0.1, other: 0.1 * needed * 1.01}), relation, Allowed()) == other


def test_matches_that_join_like_ends_make_up_for_less_agreement() -> None:
    even = related((False, 0, 0.5), (True, 0, 0.5))
    needed = (math.log(pose.MIRRORED * 3)) / pose.FACING
    for more, best in ((0.99, STILL), (1.01, MIRRORED)):
        found = {STILL: Evidence(0.3, 0.0), MIRRORED: Evidence(0.1, more * needed)}
        assert pose.chosen(found, even, Allowed()) == best


def test_pictures_that_are_alike_once_aligned_make_up_for_less_agreement() -> None:
    even = related((False, 0, 0.5), (True, 0, 0.5))
    needed = (math.log(pose.MIRRORED * 3)) / pose.LIKENESS
    for more, best in ((0.99, STILL), (1.01, MIRRORED)):
        found = {STILL: Evidence(0.3, 0.0, 0.5), MIRRORED: Evidence(0.1, 0.0, 0.5 + more * needed)}
        assert pose.chosen(found, even, Allowed()) == best


def test_ends_speak_for_a_pose_only_beside_one_of_the_other_side() -> None:
    weighed = {STILL: Evidence(0.3, 2.0), Pose(angle=45): Evidence(0.3, 9.0), MIRRORED: Evidence(0.1, 1.0)}
    assert pose.faced(STILL, weighed) == pytest.approx(1 / (1 + math.exp(-pose.FACING)))
    assert pose.faced(MIRRORED, weighed) == pytest.approx(1 / (1 + math.exp(8 * pose.FACING)))
    assert pose.faced(STILL, {STILL: Evidence(0.3, -5.0)}) == pose.faced(STILL, {}) == 1
    assert pose.faced(STILL, {STILL: Evidence(0.3, 9e9), MIRRORED: Evidence(0.3, -9e9)}) == 1


def test_what_is_not_far_behind_is_promising() -> None:
    even = related((False, 0, 0.5), (True, 0, 0.5))
    level = 0.1 * pose.MIRRORED
    assert pose.promising(agreeing({STILL: 0.1, MIRRORED: level}), even, Allowed()) == [STILL, MIRRORED]
    for share, kept in ((1.01 / pose.PROMISING, [STILL, MIRRORED]), (0.99 / pose.PROMISING, [STILL])):
        assert pose.promising(agreeing({STILL: 0.1, MIRRORED: share * level}), even, Allowed()) == kept
    assert pose.promising(agreeing({STILL: 0.0}), even, Allowed()) == [STILL]


def test_poses_out_of_reach_are_not_tried() -> None:
    chance = 1 / (1 + (pose.MIRRORED / pose.WITHIN_REACH) ** (1 / pose.BELIEF))
    assert Allowed(rotate="never").contenders(related((False, 0, chance - 0.01), (True, 0, 1.01 - chance))) == [
        MIRRORED
    ]
    assert Allowed(rotate="never").contenders(related((False, 0, chance + 0.01), (True, 0, 0.99 - chance))) == []
    assert Allowed().contenders(related((False, 0, 0.1), (True, 45, 0.5), (False, 90, 0.4))) == [
        Pose(True, 45, 2),
        Pose(False, 90, 2),
    ]


def test_what_the_user_turned_is_upright() -> None:
    even = related((False, 0, 0.5), (True, 0, 0.5))
    asked, over = Pose(angle=-30), Pose(True, -30)
    for more, best in ((0.99, asked), (1.01, over)):
        found = agreeing({asked: 0.1, over: 0.1 * pose.MIRRORED * more})
        assert pose.chosen(found, even, Allowed(rotate="-30")) == best


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


def test_what_is_moved_lies_in_the_shape_of_the_frame() -> None:
    turned = Pose(scale=2, shift=(0.25, -0.125))
    warp = pose.turn_warp(turned, (80, 120), (200, 100))
    assert warp.target_hw == (120, 60)
    # the middle of the canvas is (30, 60); the picture's middle lies 30 to the right of it and 15 above
    read = warp.at(torch.tensor([[60.0, 45.0], [40.0, 45.0]]))
    assert torch.allclose(read, torch.tensor([[60.0, 40.0], [50.0, 40.0]]), atol=1e-2)
    assert pose.turn_warp(turned, (80, 120)).target_hw == (80, 120)
    assert not turned.still
    assert turned.moved
    even = related((False, 0, 0.5), (True, 0, 0.5))
    assert Allowed().standing(Pose(shift=(0.25, 0.0)), even) < Allowed().standing(STILL, even)


@pytest.mark.parametrize(
    "turned",
    [Pose(), Pose(True, 30, 0.5), Pose(angle=-40, scale=0.7, shift=(0.25, -0.125)), Pose(angle=10, shift=(0.0, 0.5))],
)
def test_a_pose_of_the_source_undone_is_that_of_the_target(turned: Pose) -> None:
    hw, points = (100, 100), torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) * 100
    back = pose.undone(turned)
    assert not back.mirrored
    there = pose.turn_warp(turned, hw, hw).at(points)
    assert torch.allclose(pose.turn_warp(back, hw, hw).at(there), points, atol=1e-2)
