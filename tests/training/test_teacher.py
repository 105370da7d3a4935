"""What a teacher knows of a pair by the straight way, and by the way through a third picture."""

import math

import pytest
import torch
from torch import Tensor

from semcorr_cli.training.fitting import Fit, FitOptions, Spline
from semcorr_cli.training.groups import VIEWS, pairs, third
from semcorr_cli.training.teacher import AGREED, Mapped, Teacher

CELLS = 4
A, B, C = 0, 1, 2
FAR = 0.3


class Known(Teacher):
    """A teacher whose fits are shifts along x, given for pairs of pictures with how good they are."""

    def __init__(self, shifts: dict[tuple[int, int], tuple[float, bool]]) -> None:
        self.options, self.shifts = FitOptions(), shifts
        self.spline = Spline(self.options.control)
        middles = (torch.arange(CELLS) + 0.5) / CELLS
        lattice = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1).view(1, -1, 2)
        self.at, self.inside = lattice.repeat(3, 1, 1), torch.ones(3, CELLS * CELLS, dtype=torch.bool)

    def fits(self, a: Tensor, b: Tensor) -> Fit:
        known = [self.shifts.get(pair, (0.0, False)) for pair in zip(a.tolist(), b.tolist(), strict=True)]
        coefficients = torch.zeros(len(a), len(self.spline.points), 2, dtype=torch.float64)
        coefficients[:, 1, 0] = coefficients[:, 2, 1] = 1.0
        coefficients[:, 0, 0] = torch.tensor([shift for shift, _ in known])
        good = torch.tensor([is_good for _, is_good in known])
        return Fit(coefficients, torch.full((len(a), CELLS * CELLS), 0.4), good.double(), good)


def carried(shifts: dict[tuple[int, int], tuple[float, bool]], third: int | None) -> Mapped:
    xy = torch.tensor([[[0.4, 0.5], [0.6, 0.5]]])
    one = (torch.tensor([number]) for number in (A, B))
    return Known(shifts).map(*one, xy, None if third is None else torch.tensor([third]))


def x(found: Mapped) -> list[float]:
    return found.xy[0, :, 0].tolist()


def test_a_way_that_leads_to_the_same_place_changes_nothing():
    shifts = {(A, B): (0.02, True), (A, C): (0.1, True), (C, B): (-0.08, True)}
    straight, witnessed = carried(shifts, None), carried(shifts, C)
    assert torch.allclose(straight.xy, witnessed.xy, atol=1e-6)
    assert torch.allclose(straight.trust, witnessed.trust, atol=1e-6)
    assert float(witnessed.level) == 1


def test_ways_that_nearly_meet_are_averaged_by_how_nearly():
    shifts = {(A, B): (0.0, True), (A, C): (0.1, True), (C, B): (AGREED - 0.1, True)}
    found, agreed = carried(shifts, C), math.exp(-0.5)
    assert x(found) == pytest.approx([0.4 + AGREED * agreed / 2, 0.6 + AGREED * agreed / 2], abs=1e-5)
    assert found.trust[0].tolist() == pytest.approx([agreed, agreed], abs=1e-5)


def test_what_the_ways_do_not_agree_on_is_hardly_believed():
    found = carried({(A, B): (0.0, True), (A, C): (FAR, True), (C, B): (0.0, True)}, C)
    assert x(found) == pytest.approx([0.4, 0.6], abs=1e-3)
    assert float(found.trust.max()) <= 0.02
    assert float(found.level) == 1


def test_where_the_straight_way_is_lost_the_other_one_is_followed_as_a_fair_one():
    found = carried({(A, C): (0.1, True), (C, B): (0.05, True)}, C)
    assert x(found) == pytest.approx([0.55, 0.75], abs=1e-5)
    assert float(found.level) == 0.5
    assert found.trust[0].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("witness", "link"), [(A, (A, A)), (B, (B, B)), (C, (A, C))], ids=["the first", "the second", "with a bad fit"]
)
def test_who_is_no_witness_is_not_heard(witness: int, link: tuple[int, int]):
    shifts = {(A, B): (0.0, True), link: (FAR, witness != C), (C, B): (FAR, True)}
    straight, witnessed = carried(shifts, None), carried(shifts, witness)
    assert torch.equal(straight.xy, witnessed.xy)
    assert torch.equal(straight.trust, witnessed.trust)


def test_the_third_picture_of_a_pair_is_the_one_that_is_left_in_its_group():
    index = torch.tensor([5, 5, 7, 9, 4, 4, 8, 8])
    group = torch.arange(len(index)) // VIEWS
    a, b = pairs(group)
    found = {(int(p), int(q)): int(t) for p, q, t in zip(index[a], index[b], third(index, group[a], a, b), strict=True)}
    assert found[5, 7] == found[7, 5] == 9
    assert found[5, 9] == 7
    assert found[7, 9] == 5
    assert found[4, 8] in (4, 8)
