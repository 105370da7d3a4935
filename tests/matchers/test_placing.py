import math

import pytest
import torch
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.matchers import placing
from semcorr_cli.matchers.relation import GRID

EVEN = torch.full((len(placing.OCTAVES),), 1 / len(placing.OCTAVES))

STILL = Pose()


def square(turned: Pose = STILL, seed: int = 0, half: float = 0.5) -> torch.Tensor:
    """Descriptors of a made-up picture, as a pose draws it: waves of its own positions, zero where it is not."""
    generator = torch.Generator().manual_seed(seed)
    waves = 12 * torch.randn(2, 64, generator=generator)
    angle = math.radians(turned.angle)
    back = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) / turned.scale
    xy = (coords.cell_centres((GRID, GRID), (1, 1)) - 0.5 - torch.tensor(turned.shift)) @ back
    xy = xy * torch.tensor([-1.0 if turned.mirrored else 1.0, 1.0])
    phase = xy @ waves
    data = functional.normalize(torch.cat([phase.cos(), phase.sin()], 1), dim=1)
    return (data * (xy.abs().amax(1, keepdim=True) <= half)).T.reshape(-1, GRID, GRID)


def test_cells_of_a_picture_meet_themselves() -> None:
    chances = placing.meetings(square(), square())
    assert chances.shape == (GRID**2, GRID**2)
    assert float(chances.diag().min()) > 0.5
    back = placing.meetings(square(seed=1), square())
    assert torch.allclose(placing.meetings(square(), square(seed=1)), back.T, atol=1e-6)


@pytest.mark.parametrize(
    "truth",
    [
        Pose(scale=2**0.75, shift=(0.125, -0.1875)),
        Pose(scale=2**-0.75, shift=(-0.25, 0.125)),
        Pose(shift=(0.25, 0.125)),
        Pose(angle=20, scale=2**0.5, shift=(0.1875, 0.0)),
        Pose(True, -45, 2**-0.5, (0.0, 0.125)),
    ],
    ids=str,
)
def test_a_picture_is_found_where_it_lies(truth: Pose) -> None:
    looked_at = {turned: square(turned) for turned in (Pose(), Pose(angle=30), Pose(True), Pose(True, -30))}
    found = placing.placed(Pose(truth.mirrored, truth.angle), looked_at, square(truth), EVEN)
    assert (found.mirrored, found.angle) == (truth.mirrored, truth.angle)
    assert abs(math.log2(found.scale / truth.scale)) <= 0.25
    assert math.dist(found.shift, truth.shift) < 0.08


def test_what_lies_nearly_in_place_is_left_there() -> None:
    for truth in (Pose(), Pose(shift=(0.0625, 0.03125)), Pose(scale=2**0.25)):
        assert placing.placed(Pose(), {Pose(): square()}, square(truth), EVEN) == Pose()


def test_pictures_that_have_nothing_in_common_are_not_moved() -> None:
    turned = Pose(angle=30, scale=1.25)
    for seed in range(1, 6):
        assert placing.placed(turned, {Pose(): square()}, square(seed=seed), EVEN) == turned
    assert placing.placed(turned, {Pose(): square()}, torch.zeros_like(square()), EVEN) == turned


def test_what_is_told_otherwise_decides_where_votes_do_not() -> None:
    small = square(half=0.05)  # of a few cells, which lie alike at several enlargements
    told = [torch.where(sign * placing.OCTAVES > 0, 1.0, 1e-3) for sign in (-1, 1)]
    smaller, larger = (placing.placed(Pose(angle=5), {Pose(): small}, small, one / one.sum()).scale for one in told)
    assert smaller < larger
