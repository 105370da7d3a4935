import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from semcorr_cli.core.image import Image
from semcorr_cli.datasets.change import SIDE, Change

HW = (240, 320)
GREY = 0.5


def change(angle: float, shrink: float, *, mirrored: bool, **changes: object) -> Change:
    """Returns a change that leaves colours alone: original pixels a changed one is `shrink`."""
    cosine, sine = math.cos(angle) * shrink, math.sin(angle) * shrink
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    plain = Change(
        linear=linear @ torch.diag(torch.tensor([-1.0, 1.0])) if mirrored else linear,
        middle=torch.tensor([190.0, 210.0]),
        centre=torch.tensor([150.0, 110.0]),
        half=torch.tensor([100.0, 80.0]),
        background=Path("behind.png"),
        colours=torch.eye(3),
        gamma=1.0,
        offset=0.0,
        mirrored=mirrored,
    )
    return replace(plain, **changes)


def dotted(points: Tensor) -> list[Image]:
    """Returns one picture for every point: grey, with a soft bright dot."""
    y, x = torch.meshgrid(torch.arange(HW[0]) + 0.5, torch.arange(HW[1]) + 0.5, indexing="ij")
    spots = [torch.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 3.0**2)) for px, py in points.tolist()]
    return [Image((GREY + (1 - GREY) * spot).expand(3, *HW).clone()) for spot in spots]


def brightest(image: Image) -> Tensor:
    """Returns where the light above the grey has its centre."""
    light = (image.rgb.mean(dim=0) - GREY - 0.05).clamp_min(0)
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    return torch.stack([(light * x).sum(), (light * y).sum()]) / light.sum()


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("angle", "shrink"), [(0.0, 1.0), (0.6, 0.7), (-0.75, 1.4)])
def test_points_are_carried_to_where_the_picture_shows_them(angle: float, shrink: float, mirrored: bool) -> None:
    made = change(angle, shrink, mirrored=mirrored)
    points = torch.tensor([[150.0, 110.0], [180.0, 90.0], [110.5, 130.0], [160.0, 150.0]])
    behind = Image(torch.full((3, 50, 70), GREY))
    carried = made.points(points)
    assert torch.allclose(carried[0], made.middle)
    for image, expected in zip(dotted(points), carried, strict=True):
        assert (brightest(made.apply(image, behind)) - expected).norm() < 0.3


@pytest.mark.parametrize("mirrored", [False, True])
def test_scale_and_handedness_are_those_of_the_map(mirrored: bool) -> None:
    made = change(0.4, 0.5, mirrored=mirrored)
    assert made.scale == pytest.approx(2)
    corner = made.points(torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]))
    across, down = corner[1] - corner[0], corner[2] - corner[0]
    assert float(across.norm()) == pytest.approx(20)
    assert bool(across[0] * down[1] - across[1] * down[0] < 0) == mirrored


def test_outside_the_cut_the_background_shows_whatever_its_size() -> None:
    made = change(0.0, 1.0, mirrored=False)
    halves = torch.zeros(3, 30, 70)
    halves[0, :, 35:] = 1
    shown = made.apply(Image(torch.full((3, *HW), GREY)), Image(halves)).rgb
    assert torch.allclose(shown[:, 210, 190], torch.full((3,), GREY))  # the middle of the object
    assert shown[:, 5, 5].tolist() == [0, 0, 0]
    assert shown[:, 5, SIDE - 5].tolist() == [1, 0, 0]
    right, below = 190 + 100, 210 + 80
    assert shown[:, 210, right + 2].tolist() == [1, 0, 0]
    assert shown[:, below + 2, 190].tolist() == [0, 0, 0]
    assert torch.allclose(shown[:, 210, right - 12], torch.full((3,), GREY))


def test_nothing_is_cut_out_from_beyond_the_rim_of_the_original() -> None:
    made = change(0.0, 1.0, mirrored=False, half=torch.tensor([1000.0, 1000.0]))
    shown = made.apply(Image(torch.full((3, *HW), GREY)), Image(torch.zeros(3, 9, 9))).rgb[0]
    left, right = 190 - 150, 190 - 150 + 320  # where the original's columns 0 and 320 come to lie
    assert torch.allclose(shown[210, left + 1 : right - 1], torch.tensor(GREY))
    assert (shown[210, : left - 1] == 0).all()
    assert (shown[210, right + 1 :] == 0).all()


def test_without_a_background_the_whole_picture_is_shown_and_its_rim_goes_on() -> None:
    uncut = change(0.0, 1.0, mirrored=False, background=None, half=torch.full((2,), math.inf))
    ramp = torch.linspace(0.2, 0.8, HW[1]).expand(3, *HW).clone()
    shown = uncut.apply(Image(ramp), None).rgb
    left, top = 190 - 150, 210 - 110
    assert torch.allclose(shown[:, top : top + HW[0], left : left + HW[1]], ramp, atol=1e-4)
    assert torch.allclose(shown[:, 0, :left], torch.tensor(0.2), atol=1e-4)
    assert torch.allclose(shown[:, SIDE - 1, left + HW[1] :], torch.tensor(0.8), atol=1e-4)


def test_colours_are_changed_by_gamma_then_mixing_then_offset() -> None:
    turn = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5], [1.0, 0.0, 0.0]])
    made = change(0.0, 1.0, mirrored=False, colours=turn, gamma=2.0, offset=0.1)
    plain = Image(torch.tensor([0.2, 0.6, 0.8])[:, None, None].expand(3, *HW).clone())
    shown = made.apply(plain, plain).rgb[:, 210, 190]
    assert shown.tolist() == pytest.approx([0.36 + 0.1, 0.32 + 0.1, 0.04 + 0.1], abs=1e-4)


def test_a_changed_picture_has_a_name_of_its_own() -> None:
    image, behind = Image(torch.full((3, *HW), GREY), digest="a"), Image(torch.zeros(3, 9, 9), digest="b")
    other = replace(behind, digest="c")
    one, two = change(0.0, 1.0, mirrored=False), change(0.1, 1.0, mirrored=False)
    digests = [made.apply(image, back).digest for made in (one, two) for back in (behind, other)]
    assert len(set(digests)) == 4
    nearly = change(0.0, 1.0, mirrored=False, offset=1e-7)
    assert nearly.apply(image, behind).digest != digests[0]
    assert one.apply(image, None).digest not in digests
    assert replace(one, background=Path("moved/behind.png")).apply(image, behind).digest == digests[0]
    assert one.apply(image, behind).digest == digests[0]
