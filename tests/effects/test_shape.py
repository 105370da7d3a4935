import torch

from semcorr_cli.core import spline
from semcorr_cli.core.coords import Hw
from semcorr_cli.effects.controls import KNOTS, Controls
from semcorr_cli.effects.placement import Placement
from semcorr_cli.effects.shape import MOMENTS, Shape

HW: Hw = (220, 220)
PLACE = Placement.of(HW, HW, "stretch")


def wavy_with_a_knot() -> tuple[Controls, torch.Tensor]:
    """Returns points that all move a little, but for a few in one corner that cross; and which are far from these."""
    start = spline.lattice_knots(HW, KNOTS).float()
    end = start + 5 * torch.sin(start.flip(1) / 12)
    knot = (start - torch.tensor([50.0, 50.0])).norm(dim=-1) < 35
    end = torch.where(knot[:, None], torch.tensor([100.0, 100.0]) - start, end)
    far = (start - torch.tensor([50.0, 50.0])).norm(dim=-1) > 110
    ones = torch.ones(len(start))
    return Controls(start, end, ones, 0 * ones), far


def test_points_that_cross_stiffen_the_film_around_them_alone() -> None:
    controls, far = wavy_with_a_knot()
    shape = Shape(controls, (PLACE, PLACE), (HW, HW), HW, "straight")
    assert shape.misfit().fold_share == 0
    for s in MOMENTS:
        between = controls.between(s, "straight")
        for map_, ends in zip(shape.maps(s), (controls.start, controls.end), strict=True):
            assert float(map_.determinants().min()) > 0
            missed = (map_.at(between) - ends).norm(dim=-1)
            assert float(missed[far].mean()) < 0.5
            assert float(missed[far].max()) < 2
