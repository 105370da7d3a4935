from dataclasses import replace

import pytest
import torch
from torch.nn.functional import interpolate

from semcorr_cli.core.image import Image
from semcorr_cli.extractors import find
from semcorr_cli.extractors.base import build
from semcorr_cli.extractors.options import SiftOptions
from tests.specimens import flat, picture

HW = (160, 320)
NARROW = SiftOptions(side=320, stride=8, patches=(32,), patch_weights=(1.0,))


def features(image: Image, options: SiftOptions | None = None) -> torch.Tensor:
    spec = find("sift")
    assert spec is not None
    return build(spec, options=options).extract([image])[0].data


def cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one * other).sum(dim=0)


@pytest.mark.parametrize(("contrast", "brightness"), [(1.0, 0.2), (0.5, 0.0), (0.3, 0.6), (0.8, 0.1)])
def test_brightness_and_contrast_do_not_matter(contrast: float, brightness: float) -> None:
    image = Image(0.8 * picture(HW).rgb)
    changed = Image(contrast * image.rgb + brightness)
    assert float(cosine(features(image), features(changed)).min()) > 0.99


def test_a_negative_is_something_else() -> None:
    image = picture(HW)
    assert float(cosine(features(image), features(Image(1 - image.rgb))).median()) < 0.9


@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (1, 0), (2, -3)])
def test_moving_the_picture_by_strides_moves_the_map(rows: int, columns: int) -> None:
    image = picture(HW)
    moved = Image(image.rgb.roll((8 * rows, 8 * columns), dims=(1, 2)))
    before, after = features(image, NARROW), features(moved, NARROW)
    shifted = before.roll((rows, columns), dims=(1, 2))
    inner = (slice(None), slice(6, -6), slice(7, -7))
    assert torch.allclose(after[inner], shifted[inner], atol=1e-3)
    assert float(cosine(after, before)[6:-6, 7:-7].median()) < 0.95


def test_the_size_of_the_file_does_not_matter() -> None:
    small = picture(HW)
    large = Image(interpolate(small.rgb[None], scale_factor=2, mode="bicubic")[0].clamp(0, 1))
    assert float(cosine(features(small), features(large)).min()) > 0.98


@pytest.mark.parametrize("patch", [32, 36, 40, 64, 320])
def test_a_mirrored_picture_has_mirrored_descriptors_in_mirrored_places(patch: int) -> None:
    image, options = picture(HW), replace(NARROW, patches=(patch,))
    before, after = features(image, options), features(image.mirrored(), options).flip(-1)
    bins = before.reshape(4, 4, 8, *before.shape[1:])
    turned = bins.flip(1)[:, :, [4, 3, 2, 1, 0, 7, 6, 5]].reshape(before.shape)
    assert float(cosine(after, turned).min()) > 0.9999
    assert float(cosine(after, before).median()) < 0.95


@pytest.mark.parametrize(("angle", "loudest"), [(0, 0), (90, 2), (180, 4), (270, 6)])
def test_a_ramp_puts_all_its_weight_in_one_orientation(angle: int, loudest: int) -> None:
    ramp = torch.linspace(0.1, 0.9, 320)
    plane = (ramp if angle in (0, 90) else ramp.flip(0)).expand(320, 320)
    plane = plane if angle in (0, 180) else plane.T
    found = features(Image(plane.expand(3, 320, 320).contiguous()), NARROW)[:, 10, 10].reshape(16, 8).square()
    assert float(found[:, loudest].sum()) > 0.99


@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_a_flat_picture_has_one_constant_descriptor(value: float) -> None:
    found = features(flat((60, 90), value))
    assert torch.allclose(found, found[:, :1, :1].expand_as(found), atol=1e-6)
    assert torch.allclose(found, torch.full_like(found, 512**-0.5), atol=0.02)


def test_noise_below_an_8_bit_step_counts_as_flat() -> None:
    generator = torch.Generator().manual_seed(0)
    noisy = Image(0.5 + 1e-7 * torch.randn(3, 60, 90, generator=generator))
    assert torch.allclose(features(noisy), features(flat((60, 90), 0.5)), atol=1e-6)


def test_one_scale_has_128_channels_and_weights_are_shares_of_the_similarity() -> None:
    a, b = picture(HW, 1), picture(HW, 2)
    assert features(a, NARROW).shape[0] == 128
    wide = replace(NARROW, patches=(96,))
    both = replace(NARROW, patches=(32, 96), patch_weights=(1.0, 3.0))
    parts = [cosine(features(a, options), features(b, options)) for options in (NARROW, wide, both)]
    assert torch.allclose(parts[2], (parts[0] + 3 * parts[1]) / 4, atol=1e-4)


@pytest.mark.parametrize("count", [1, 4, 5])
def test_orientations_are_bins_round_the_circle(count: int) -> None:
    found = features(picture(HW), replace(NARROW, orientations=count))
    assert found.shape[0] == 16 * count
    assert torch.allclose(found.norm(dim=0), torch.ones(found.shape[1:]), atol=1e-5)


def test_wide_patches_change_more_slowly_over_the_picture() -> None:
    def change(patch: int) -> float:
        found = features(picture(HW), replace(NARROW, patches=(patch,)))
        return float((1 - cosine(found[:, :, 1:], found[:, :, :-1])).mean())

    assert change(32) > 2 * change(96) > 4 * change(320)


def test_a_position_prior_adds_channels_that_fall_off_with_distance() -> None:
    plain, prior = (features(flat(HW, 0.5), replace(NARROW, position_prior=p)) for p in (0.0, 0.5))
    assert (plain.shape[0], prior.shape[0]) == (128, 132)
    along_row = cosine(prior, prior[:, :1, :1].expand_as(prior))[0]
    assert bool((along_row.diff() < 0).all())
    assert torch.allclose(prior.norm(dim=0), torch.ones(prior.shape[1:]), atol=1e-5)
    corners = float((prior[:, 0, 0] * prior[:, -1, -1]).sum())
    assert corners == pytest.approx(1 / 1.5, abs=0.05)  # nothing but the descriptor's own share is left
