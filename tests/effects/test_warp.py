from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from semcorr_cli.core import resample
from semcorr_cli.core.backdrop import Backdrop
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.warp import BACKGROUNDS, WarpOptions, draw, warp
from semcorr_cli.io import images
from tests.specimens import CODE, flat, mapped, middle, picture, shifted

HW = (60, 80)


def trusted(field: Warp, confidence: float) -> Warp:
    return field.with_confidence(lambda xy: torch.full((len(xy),), confidence))


def drawn(source: Image, field: Warp, target: Image | None = None, **options: object) -> Image:
    return warp(source, target or flat(field.target_hw, 0.25), field, WarpOptions(**options))


def wavy(source_hw: tuple[int, int] = HW, target_hw: tuple[int, int] = HW) -> Warp:
    ratio = torch.tensor([source_hw[1] / target_hw[1], source_hw[0] / target_hw[0]])
    return mapped(lambda xy: xy * ratio + 4 * torch.sin(xy.flip(1) / 12), source_hw, target_hw)


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_identity_gives_the_picture_back(background: str) -> None:
    source = picture(HW)
    result = drawn(source, Warp.identity(HW, HW), background=background)
    inner = (slice(None), slice(1, -1), slice(1, -1))  # the rim's soft edge belongs to the background
    assert float((result.rgb - source.rgb)[inner].abs().max()) < CODE


@pytest.mark.parametrize("target_hw", [(60, 80), (120, 160), (90, 81)])
def test_strength_zero_only_resizes(target_hw: tuple[int, int]) -> None:
    source = picture(HW)
    result = drawn(source, wavy(HW, target_hw), strength=0.0)
    expected = interpolate(source.rgb[None], size=target_hw, mode="bicubic", align_corners=False)[0].clamp(0, 1)
    assert result.hw == target_hw
    assert float((result.rgb - expected).abs().max()) < CODE


def test_strength_zero_of_a_reduction_is_close_to_area_averaging() -> None:
    source = picture((160, 200))
    result = drawn(source, Warp.identity((160, 200), (40, 50)), strength=0.0)
    expected = interpolate(source.rgb[None], size=(40, 50), mode="area")[0]
    assert float((result.rgb - expected).abs().max()) < 0.03


@pytest.mark.parametrize("by", [(7, 0), (-5, 3), (0, -8)])
def test_a_translation_moves_the_picture_exactly(by: tuple[int, int]) -> None:
    source = picture(HW)
    result = drawn(source, shifted((float(by[0]), float(by[1])), HW))
    expected = source.rgb.roll((-by[1], -by[0]), dims=(1, 2))
    rows = slice(max(0, -by[1]) + 2, 58 + min(0, -by[1]))
    columns = slice(max(0, -by[0]) + 2, 78 + min(0, -by[0]))
    assert float((result.rgb - expected)[:, rows, columns].abs().max()) < CODE


def test_half_the_strength_moves_half_as_far() -> None:
    source = picture(HW)
    half, whole = (drawn(source, shifted((by, 0.0), HW), strength=4 / by).rgb for by in (8.0, 4.0))
    assert torch.allclose(half, whole, atol=1e-4)


def test_keep_repeats_the_rim_where_the_map_leaves_the_source() -> None:
    source = picture(HW)
    result = drawn(source, shifted((20.0, 0.0), HW), background="keep")
    assert result.alpha is None
    assert float((result.rgb[:, 1:-1, 62:] - source.rgb[:, 1:-1, -1:]).abs().max()) < CODE


def test_transparent_shows_nothing_where_the_map_leaves_the_source() -> None:
    result = drawn(picture(HW), shifted((20.0, 0.0), HW), background="transparent")
    assert result.alpha is not None
    assert float(result.alpha[:, 1:-1, 1:59].min()) > 0.99
    assert float(result.alpha[:, :, 61:].max()) < 0.01


def test_target_shows_the_target_where_the_map_leaves_the_source() -> None:
    source, target = picture(HW), picture(HW, 5)
    result = drawn(source, shifted((20.0, 0.0), HW), target, background="target")
    assert result.alpha is None
    assert float((result.rgb - target.rgb)[:, :, 62:].abs().max()) < CODE
    moved = source.rgb.roll(-20, dims=2)
    assert float((result.rgb - moved)[:, 2:-2, 2:58].abs().max()) < CODE


@pytest.mark.parametrize(("confidence", "shown"), [(0.0, 0.0), (0.24, 0.0), (0.5, 1.0), (1.0, 1.0)])
def test_without_a_match_near_nothing_is_drawn(confidence: float, shown: float) -> None:
    field = trusted(Warp.identity(HW, HW), confidence)
    result = drawn(picture(HW), field, background="transparent")
    assert torch.allclose(result.alpha[:, 1:-1, 1:-1], torch.tensor(shown), atol=1e-3)
    kept = drawn(picture(HW), field, background="keep")
    assert torch.allclose(kept.rgb, picture(HW).rgb, atol=CODE)


def test_half_covered_pixels_are_mixed_in_linear_light() -> None:
    # a quarter to a half of confidence fades in; the middle of the fade is half of each
    field = trusted(Warp.identity(HW, HW), 0.375)
    result = drawn(flat(HW, 1.0), field, flat(HW, 0.0), background="target")
    assert torch.allclose(result.rgb[:, 5:-5, 5:-5] * 255, torch.tensor(188.0), atol=0.6)


def test_alpha_is_kept_and_travels_along() -> None:
    source = picture(HW, alpha=True)
    result = drawn(source, shifted((20.0, 0.0), HW))
    assert result.alpha is not None
    assert float((result.alpha - source.alpha.roll(-20, dims=2)).abs().max()) < CODE
    seen = result.alpha[0] > 0.99
    assert float((result.rgb - source.rgb.roll(-20, dims=2))[:, seen].abs().max()) < 0.02


def test_an_opaque_source_stays_opaque_and_the_targets_alpha_stays_behind() -> None:
    target = picture(HW, 5, alpha=True)
    assert drawn(picture(HW), Warp.identity(HW, HW), target).alpha is None
    nothing = drawn(picture(HW), trusted(Warp.identity(HW, HW), 0.0), target, background="target")
    assert torch.allclose(nothing.alpha, target.alpha, atol=1e-4)
    everything = drawn(picture(HW), Warp.identity(HW, HW), target, background="target")
    assert float(everything.alpha[:, 1:-1, 1:-1].min()) > 0.99


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_depth_of_the_source_is_kept(background: str, depth: int) -> None:
    for source in (picture(HW), picture(HW, alpha=True)):
        assert drawn(replace(source, depth=depth), wavy(), background=background).depth == depth


def test_steps_finer_than_8_bits_survive() -> None:
    ramp = torch.linspace(0.4, 0.41, 80).expand(3, 60, 80).contiguous()
    result = drawn(Image(ramp, depth=16), Warp.identity(HW, HW))
    assert float((result.rgb - ramp).abs().max()) < 1 / 65535


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("source_hw", [(60, 80), (200, 250)], ids=["plain", "shrunk"])
def test_strips_do_not_show(
    background: str, alpha: bool, source_hw: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = picture(source_hw, alpha=alpha), picture(HW, 5, alpha=alpha)
    field = trusted(wavy(source_hw), 0.4)
    whole = drawn(source, field, target, background=background)
    monkeypatch.setattr(resample, "STRIP_PIXELS", 7 * 80)
    strips = drawn(source, field, target, background=background)
    assert torch.allclose(strips.rgb, whole.rgb, atol=1e-6)
    assert (strips.alpha is None) == (whole.alpha is None)
    if whole.alpha is not None:
        assert torch.allclose(strips.alpha, whole.alpha, atol=1e-6)


@pytest.mark.parametrize("background", ["target", "transparent"])
def test_the_mask_cuts_the_object_out(background: str) -> None:
    source, target = replace(picture(HW), mask=middle(HW)), picture(HW, 5)
    result = drawn(source, Warp.identity(HW, HW), target, background=background)
    inner, outer = (slice(None), slice(17, 43), slice(22, 58)), (slice(None), slice(0, 12), slice(None))
    assert float((result.rgb - source.rgb)[inner].abs().max()) < CODE
    if background == "target":
        assert float((result.rgb - target.rgb)[outer].abs().max()) < CODE
    else:
        assert float(result.alpha[outer].max()) < CODE


def test_keep_takes_no_notice_of_the_mask() -> None:
    source = replace(picture(HW), mask=middle(HW))
    assert torch.equal(drawn(source, wavy()).rgb, drawn(picture(HW), wavy()).rgb)


def test_a_mirrored_field_mirrors_the_picture_at_any_strength() -> None:
    source = picture(HW)
    for strength in (0.0, 0.5, 1.0):
        result = drawn(source, Warp.identity(HW, HW, mirrored=True), strength=strength)
        assert float((result.rgb - source.rgb.flip(-1)).abs().max()) < CODE


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("transparent", [False, True])
def test_tiles_are_the_whole_to_the_last_bit(
    background: str, transparent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = picture((120, 90), 1), picture((100, 130), 2)
    if transparent:
        source, target = replace(source, alpha=source.rgb[:1]), replace(target, alpha=target.rgb[1:2])
    field = wavy(source.hw, target.hw)
    files = []
    for pixels in (1 << 20, 130 * 7):
        monkeypatch.setattr(resample, "STRIP_PIXELS", pixels)
        files.append(images.encode(draw(source, target, field, WarpOptions(background=background)), "PNG")[0])
    assert files[0] == files[1]
    assert images.encode(drawn(source, field, target, background=background), "PNG")[0] == files[0]


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
def test_a_backdrop_is_seen_as_the_target_is(alpha: bool) -> None:
    source, target = picture(HW, 1), picture(HW, 2, alpha=alpha)
    field, over = trusted(wavy(), 0.4), WarpOptions(background="target")
    there = draw(source, target, field, over).image()
    behind = draw(source, flat((3, 4), 0.0), field, over, Backdrop.of(target)).image()
    assert float((there.rgb - behind.rgb).abs().max()) < CODE
    assert (there.alpha is None) == (behind.alpha is None) == (not alpha)


def test_a_canvas_smaller_than_the_target_shows_a_small_target() -> None:
    target = flat((120, 160), 0.25)
    result = drawn(picture(HW), trusted(Warp.identity(HW, HW), 0.0), target, background="target")
    assert result.hw == HW
    assert float((result.rgb - 0.25).abs().max()) < CODE
