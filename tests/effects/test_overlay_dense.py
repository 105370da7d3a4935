from dataclasses import replace

import pytest
import torch
from kornia.color import rgb_to_lab

from semcorr_cli.core import coords, light
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects import overlay
from semcorr_cli.effects.overlay import colours
from semcorr_cli.effects.overlay.sheet import FOOT, GAP
from tests.specimens import correspondence, flat, picture, quality, shifted

HW = (100, 150)

# Machado, Oliveira & Fernandes (2009): what is left of linear light without one kind of cone
EYES = {
    "all": [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanope": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranope": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanope": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(colours_: torch.Tensor, eye: str) -> torch.Tensor:
    seen = light.to_srgb((light.to_linear(colours_) @ torch.tensor(EYES[eye]).T).clamp(0, 1))
    return rgb_to_lab(seen.T[None, :, None])[0, :, 0].T


@pytest.mark.parametrize("eye", EYES)
def test_everybody_tells_places_apart(eye: str) -> None:
    places = coords.pixel_centres((8, 8)).reshape(-1, 2) / 8
    apart, differ = torch.cdist(places, places), torch.cdist(*[lab(colours.wheel(places), eye)] * 2)
    assert float(differ[apart > 0.5].min()) > 10  # far places, clearly
    assert float(differ[apart > 0.3].min()) > 5  # nearer ones, well enough
    assert float(differ[(apart > 0.1) & (apart < 0.13)].max()) < 30  # and nowhere a jump


@pytest.mark.parametrize("eye", EYES)
def test_everybody_sees_heat_rise(eye: str) -> None:
    bar = colours.heat(torch.linspace(0, 1, 32)[None])[0]
    assert bool((lab(bar, eye)[:, 0].diff() > 0.5).all())


def hue_at(drawn: Image, x: float, y: float) -> torch.Tensor:
    return drawn.rgb[:, round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean(dim=(1, 2))


def test_counterparts_have_one_colour() -> None:
    found = replace(correspondence(shifted((20.0, -10.0), HW)), forward=shifted((-20.0, 10.0), HW))
    drawn = overlay.field(flat(HW, 0.5), flat(HW, 0.5), found)
    for x, y in ((57.0, 41.0), (97.0, 71.0)):
        source = found.warp.at(torch.tensor([[x, y]]))[0] * 2
        at_target = hue_at(drawn, 300 + GAP + 2 * x, 2 * y)
        assert torch.allclose(hue_at(drawn, *source.tolist()), at_target, atol=0.03)
        assert float((at_target - 0.5).abs().max()) > 0.1


def test_what_is_not_trusted_is_dark_and_grey() -> None:
    found = correspondence(Warp.identity(HW, HW).with_confidence(lambda xy: torch.zeros(len(xy))))
    drawn = overlay.field(picture(HW, 1), picture(HW, 2), found)
    shown = drawn.rgb[:, :200, 300 + GAP :]
    assert float((shown - shown.mean(dim=0)).abs().max()) < 0.01
    assert float(shown.max()) < 0.5


def test_the_heat_is_where_the_likeness_is() -> None:
    alike = torch.full((10, 15), 0.2)
    alike[2, 3] = 0.9
    query, answer = torch.tensor([[100.0, 30.0]]), torch.tensor([[120.0, 80.0]])
    drawn = overlay.heatmap(flat(HW, 0.3), flat(HW, 0.3), alike, query, answer, quality(9))
    left = 300 + GAP
    hot, cold = hue_at(drawn, left + 70, 50), hue_at(drawn, left + 200, 120)
    assert float(hot.mean()) > float(cold.mean()) + 0.15
    assert float(hot[0]) > float(hot[2]) + 0.15  # yellow
    assert float(drawn.rgb[:, 150:170, left + 230 : left + 250].max()) > 0.9  # the ring


@pytest.mark.parametrize("hws", [((60, 300), (300, 60)), ((20, 20), (700, 900))])
def test_any_two_sizes_are_drawn(hws: tuple[tuple[int, int], tuple[int, int]]) -> None:
    source, target = flat(hws[0], 0.2), flat(hws[1], 0.9)
    found = correspondence(Warp.identity(*hws))
    maps = [FeatureMap(torch.nn.functional.normalize(torch.rand(5, 4, 6), dim=0), hw) for hw in hws]
    point = torch.tensor([[3.0, 4.0]])
    drawings = [
        overlay.field(source, target, found),
        overlay.heatmap(source, target, torch.rand(4, 6), point, point, quality(9)),
        overlay.components(source, target, (maps[0], maps[1]), quality(9)),
        overlay.numbered(source, target, found.matches, quality(9)),
        overlay.side_by_side(source, target, found.matches, quality(9)),
    ]
    assert len({drawing.hw for drawing in drawings}) == 1
    assert all(bool(torch.isfinite(drawing.rgb).all()) for drawing in drawings)


def test_like_features_have_like_colours_in_both_pictures() -> None:
    parts = torch.eye(6)[:, :3]
    first = parts[:, torch.arange(12).reshape(3, 4) % 3]
    second = parts[:, (torch.arange(12).reshape(3, 4) + 1) % 3]
    drawn = overlay.components(
        flat(HW, 0.5), flat(HW, 0.5), (FeatureMap(first, HW), FeatureMap(second, HW)), quality(9)
    )
    panels = drawn.rgb[:, : drawn.hw[0] - FOOT, :300], drawn.rgb[:, : drawn.hw[0] - FOOT, 300 + GAP :]

    def middle(panel: torch.Tensor, row: int, column: int) -> torch.Tensor:
        return panel[:, round((row + 0.5) * 200 / 3), round((column + 0.5) * 75)]

    assert torch.allclose(middle(panels[0], 0, 1), middle(panels[1], 0, 0), atol=0.05)
    assert float((middle(panels[0], 0, 1) - middle(panels[0], 0, 0)).abs().max()) > 0.2
