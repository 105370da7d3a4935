from dataclasses import replace

import torch
from kornia.color import lab_to_rgb, rgb_to_lab

from semcorr_cli.core import metrics
from semcorr_cli.effects.style import render, structure
from semcorr_cli.effects.style.affine import Affine
from semcorr_cli.effects.style.moments import Statistics
from tests.specimens import picture

HW = (72, 96)


def correlation(image, maps):
    result, _ = render.recoloured(image, maps, None, snap=False)
    return metrics.gradient_correlation(*(rgb_to_lab(each.rgb)[0] for each in (image, result)))


def patchwork(hw, darker=0.0):
    """Contrast halved and doubled, in squares."""
    y, x = torch.meshgrid(*(torch.arange(side) // 20 for side in hw), indexing="ij")
    gain = torch.where((x + y) % 2 == 0, 0.5, 2.0)
    ones = torch.ones_like(gain)
    return Affine(torch.stack([gain, ones, ones]), torch.stack([50 * (1 - gain) - darker, 0 * ones, 0 * ones]))


def test_contrast_is_evened_out_until_the_structure_is_kept():
    image = picture(HW)
    grain = torch.randn(1, *HW, generator=torch.Generator().manual_seed(0))
    image = replace(image, rgb=(0.4 + 0.2 * image.rgb + 0.05 * grain).clamp(0, 1))
    here = Statistics.of(image)
    maps = patchwork(here.hw)
    assert correlation(image, maps) < 0.9
    eased = structure.kept(image, here, maps)
    assert 0.95 <= correlation(image, eased) < 0.99
    spread = [each.linear[0].std() for each in (maps, eased)]
    assert 0.2 * spread[0] < spread[1] < spread[0]
    assert torch.equal(eased.linear[1:], maps.linear[1:])  # colour is no structure


def test_what_would_drown_in_black_keeps_some_light():
    image = picture(HW)
    here = Statistics.of(image)
    maps = patchwork(here.hw, darker=90.0)
    assert correlation(image, structure.kept(image, here, maps)) >= 0.95


def test_even_maps_are_left_alone():
    image = picture(HW)
    here = Statistics.of(image)
    maps = patchwork(here.hw)
    even = Affine(torch.full_like(maps.linear, 0.7), torch.full_like(maps.offset, 10.0))
    assert torch.equal(structure.kept(image, here, even).planes(), even.planes())


def test_colours_beyond_srgb_keep_their_lightness():
    lab = rgb_to_lab(picture(HW).rgb)
    lab[1:] *= 3
    rgb, outside = render.fitted(lab_to_rgb(lab, clip=False))
    assert bool(outside.any())
    assert float(rgb.min()) >= 0
    assert float(rgb.max()) <= 1
    assert float((rgb_to_lab(rgb)[0] - lab[0]).abs().max()) < 0.2
    assert torch.equal(rgb[:, ~outside], lab_to_rgb(lab, clip=True)[:, ~outside])
