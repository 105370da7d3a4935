from dataclasses import replace

import pytest
import torch
from kornia.color import lab_to_rgb, rgb_to_lab

from semcorr_cli.core import metrics
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style import color, measures, render
from semcorr_cli.effects.style.options import Reach, StyleOptions
from tests.effects.style.conftest import judged, straight
from tests.specimens import flat, middle, picture

HW = (72, 96)


def difference(a: Image, b: Image) -> torch.Tensor:
    return metrics.colour_difference(a.rgb, b.rgb)


def tinted(image: Image, slope: float, shift: tuple[float, float, float]) -> Image:
    lab = rgb_to_lab(image.rgb)
    mean = lab.mean(dim=(1, 2), keepdim=True)
    return replace(image, rgb=lab_to_rgb((lab - mean) * slope + mean + torch.tensor(shift)[:, None, None]))


@pytest.fixture(scope="module")
def muted() -> Image:
    """A picture well inside sRGB, so that recolouring clips nothing."""
    image = picture(HW)
    return replace(image, rgb=0.35 + 0.3 * image.rgb)


@pytest.mark.parametrize("stats", ["meanstd", "cov"])
@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize("reach", list(Reach))
def test_a_picture_in_its_own_style_is_itself(reach, snap, stats):
    image = picture(HW)
    options = StyleOptions(reach=reach, edge_snap=snap, stats=stats)
    styled = color.restyle(image, image, straight(HW, HW), options)
    assert float(difference(styled.image, image).mean()) < 0.6
    assert styled.gamut_share < 0.05


def test_no_strength_changes_nothing():
    styled = color.restyle(picture(HW), picture(HW, 1), straight(HW, HW), StyleOptions(strength=0.0))
    assert float(difference(styled.image, picture(HW)).max()) < 0.02


@pytest.mark.parametrize("stats", ["meanstd", "cov"])
@pytest.mark.parametrize("reach", list(Reach))
def test_a_tint_is_found(muted, reach, stats):
    style = tinted(muted, 1.3, (6.0, 8.0, -7.0))
    assert float(difference(muted, style).mean()) > 10
    styled = color.restyle(muted, style, straight(HW, HW), StyleOptions(reach=reach, stats=stats))
    assert float(difference(styled.image, style).mean()) < 1.5


def test_every_place_takes_its_counterparts_colour():
    grey = Image(0.5 + 0.05 * (picture(HW).rgb - 0.5))
    style = flat(HW, 0.5)
    style.rgb[0, :, :48], style.rgb[2, :, 48:] = 0.7, 0.7  # red on the left, blue on the right
    result = color.restyle(grey, style, straight(HW, HW), StyleOptions()).image.rgb
    assert float((result[0] - result[2])[:, :30].mean()) > 0.15
    assert float((result[2] - result[0])[:, 66:].mean()) > 0.15
    whole = color.restyle(grey, style, straight(HW, HW), StyleOptions(reach=Reach.GLOBAL)).image.rgb
    assert abs(float((whole[0] - whole[2])[:, :30].mean())) < 0.05


def test_outliers_do_not_tear_the_colours(muted):
    style = tinted(muted, 1.0, (0.0, 15.0, 0.0))
    field = straight(HW, HW)
    lost = torch.rand(len(field.matches), generator=torch.Generator().manual_seed(0)) < 0.3
    anywhere = torch.rand(len(field.matches), 2, generator=torch.Generator().manual_seed(1)) * torch.tensor(
        [96.0, 72.0]
    )
    matches = replace(field.matches, target=torch.where(lost[:, None], anywhere, field.matches.target))
    result = color.restyle(muted, style, replace(field, matches=matches), StyleOptions()).image
    assert float(difference(result, style).mean()) < 4
    assert metrics.gradient_correlation(rgb_to_lab(muted.rgb)[0], rgb_to_lab(result.rgb)[0]) > 0.9


@pytest.mark.parametrize("stats", ["meanstd", "cov"])
def test_kept_luma_is_the_contents(muted, stats):
    style = tinted(muted, 1.2, (15.0, 10.0, 5.0))
    result = color.restyle(muted, style, straight(HW, HW), StyleOptions(luma="keep", stats=stats)).image
    assert (rgb_to_lab(result.rgb)[0] - rgb_to_lab(muted.rgb)[0]).abs().max() < 0.3
    assert float(difference(result, muted).mean()) > 5


def test_nothing_changes_outside_the_mask():
    mask = middle(HW)
    styled = color.restyle(picture(HW), picture(HW, 1), straight(HW, HW), StyleOptions(), mask=mask)
    assert torch.equal(styled.image.rgb[:, mask[0] == 0], picture(HW).rgb[:, mask[0] == 0])
    assert float(difference(styled.image, picture(HW))[mask[0] == 1].mean()) > 2


def test_a_kept_background_is_what_the_source_mask_leaves_out():
    content = replace(picture(HW), mask=middle(HW))
    result = color.restyle(content, picture(HW, 1), straight(HW, HW), StyleOptions(background="keep")).image
    outside = content.mask[0] == 0
    assert torch.equal(result.rgb[:, outside], content.rgb[:, outside])
    assert float(difference(result, content)[~outside].mean()) > 2


def test_an_outline_is_feathered_inwards_and_a_soft_one_left():
    hard = render.changeable(replace(picture(HW), mask=middle(HW)), StyleOptions(background="keep"), None)
    assert not bool(hard[middle(HW) == 0].any())
    assert 0.3 < float(hard[middle(HW) == 1].min()) < 0.9
    assert float(hard.max()) > 0.999
    ramp = torch.linspace(0, 1, HW[1]).expand(1, *HW)
    soft = render.changeable(replace(picture(HW), mask=ramp), StyleOptions(background="keep"), None)
    assert float((soft - ramp).abs().max()) < 0.01


def test_a_transparent_picture_is_its_own_mask():
    content = replace(picture(HW), alpha=middle(HW))
    changed = color.restyle(content, picture(HW, 1), straight(HW, HW), StyleOptions(background="keep")).changed
    assert not bool(changed[middle(HW) == 0].any())


def test_depth_and_alpha_survive():
    content = replace(picture(HW, alpha=True), depth=16)
    result = color.restyle(content, picture((50, 40), 1), straight(HW, (50, 40)), StyleOptions()).image
    assert result.depth == 16
    assert torch.equal(result.alpha, content.alpha)


def test_what_is_transparent_lends_no_colour(muted):
    style = replace(muted, rgb=muted.rgb.clone(), alpha=middle(HW))
    style.rgb[:, middle(HW)[0] == 0] = 0.0
    result = color.restyle(replace(muted, alpha=middle(HW)), style, straight(HW, HW), StyleOptions()).image
    inside = middle(HW)[0] == 1
    assert float(difference(result, muted)[inside].mean()) < 1


@pytest.mark.parametrize(
    ("probability", "reach"), [(0.9, Reach.LOCAL), (0.3, Reach.LOCAL), (0.15, Reach.PARTS), (0.02, Reach.GLOBAL)]
)
def test_worse_matches_are_followed_less(probability, reach):
    field = straight(HW, HW, probability=probability)
    assert color.restyle(picture(HW), picture(HW, 1), field, StyleOptions()).reach == reach


def test_no_matches_at_all_leave_the_whole_pictures():
    field = straight(HW, HW)
    field = judged(replace(field, matches=field.matches[:0]), 1.0)
    styled = color.restyle(picture(HW), picture(HW, 1), field, StyleOptions())
    assert styled.reach is Reach.GLOBAL
    assert bool(styled.image.rgb.isfinite().all())


@pytest.mark.parametrize("snap", [False, True])
@pytest.mark.parametrize("hw", [(16, 16), (16, 200), (301, 17)])
def test_odd_sizes_and_blank_pictures_are_taken(hw, snap):
    for content, style in ((flat(hw, 0.3), picture(HW)), (picture(hw), flat(HW, 0.9)), (picture(hw), picture(HW))):
        result = color.restyle(content, style, straight(hw, HW), StyleOptions(edge_snap=snap, stats="cov")).image
        assert result.hw == hw
        assert bool(result.rgb.isfinite().all())


def test_descriptors_divide_the_content():
    data = torch.zeros(2, 6, 8)
    data[0, :, :4], data[1, :, 4:] = 1, 1
    grey = Image(0.5 + 0.1 * (picture(HW).rgb - 0.5))
    styled = color.restyle(grey, picture(HW, 1), straight(HW, HW), StyleOptions(), features=FeatureMap(data, HW))
    assert not set(styled.parts.source[:, :26].unique().tolist()) & set(styled.parts.source[:, 34:].unique().tolist())


def test_two_runs_give_the_same(muted):
    runs = [color.restyle(muted, picture(HW, 1), straight(HW, HW), StyleOptions(seed=3)) for _ in range(2)]
    assert torch.equal(runs[0].image.rgb, runs[1].image.rgb)


def test_measures_tell_a_transfer_from_doing_nothing(muted):
    style = tinted(muted, 1.2, (5.0, 10.0, -10.0))
    styled = color.restyle(muted, style, straight(HW, HW), StyleOptions(), mask=None)
    done = measures.measure(muted, styled.image, style, styled.parts, None)
    assert done.leak is None
    assert done.ratio < 0.3
    assert done.gradient_correlation > 0.97
    idle = measures.measure(muted, muted, style, styled.parts, None)
    assert idle.ratio == pytest.approx(1)
    assert idle.gradient_correlation == pytest.approx(1)
    assert 0.9 < sum(part.share for part in idle.parts) <= 1.001


def test_measures_find_a_leak(muted):
    style = tinted(muted, 1.2, (5.0, 10.0, -10.0))
    styled = color.restyle(muted, style, straight(HW, HW), StyleOptions())
    assert measures.measure(muted, styled.image, style, styled.parts, middle(HW)).leak > 3
    kept = color.restyle(muted, style, straight(HW, HW), StyleOptions(), mask=middle(HW))
    assert measures.measure(muted, kept.image, style, kept.parts, kept.changed).leak == 0
