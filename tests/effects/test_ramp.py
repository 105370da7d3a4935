from dataclasses import replace

import numpy as np
import pytest
import torch

from semcorr_cli.core import light
from semcorr_cli.core.image import Image
from semcorr_cli.effects.layers import Layers
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.ramp import Ramp
from tests.specimens import correspondence, flat, middle, picture, shifted

HW = (72, 96)
WORN = [MorphOptions(color_transfer=True, blend=blend) for blend in ("dissolve", "laplacian")]


def warm(image: Image) -> Image:
    """Returns a picture in other light: redder, and of less contrast."""
    tint = torch.tensor([1.0, 0.85, 0.75])[:, None, None]
    return replace(image, rgb=image.rgb * tint * 0.8 + 0.05, digest="")


def codes(image: Image) -> np.ndarray:
    return (image.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy().astype(np.int16)


def roots(planes: torch.Tensor) -> torch.Tensor:
    return planes[:3].clamp(0, 1).sqrt().flatten(1)


@pytest.mark.parametrize("options", WORN, ids=lambda options: options.blend)
def test_a_picture_that_becomes_itself_never_changes(options: MorphOptions) -> None:
    image = picture(HW)
    morph = Morph(image, image, correspondence(shifted((0.0, 0.0), HW)), HW, options)
    for k in range(9):
        assert np.abs(morph.frame(k / 8).astype(np.int16) - codes(image)).max() <= 1


@pytest.mark.parametrize("draw", [Morph, Layers])
@pytest.mark.parametrize("options", WORN, ids=lambda options: options.blend)
def test_the_ends_are_the_pictures(draw, options: MorphOptions) -> None:
    first, second = picture(HW, 1), warm(picture(HW, 2))
    if draw is Layers:
        first, second = (replace(image, mask=middle(HW)) for image in (first, second))
    morph = draw(first, second, correspondence(shifted((9.0, 4.0), HW)), HW, options)
    for t, image in ((0.0, first), (1.0, second)):
        assert np.abs(morph.frame(t).astype(np.int16) - codes(image)).max() <= 1


def test_both_pictures_wear_the_same_colours_at_every_moment() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (Image(torch.rand(3, *HW, generator=generator)) for _ in range(2))
    second = warm(second)
    ramp = Ramp(first, second)
    planes = [light.to_linear(image.rgb) for image in (first, second)]
    ends = [roots(plane).mean(dim=1) for plane in planes]
    for share in (0.0, 0.25, 0.5, 1.0):
        own, other = (roots(tone.apply(plane)) for tone, plane in zip(ramp.at(share), planes, strict=True))
        assert torch.allclose(own.mean(dim=1), other.mean(dim=1), atol=0.02)
        assert torch.allclose(own.cov(), other.cov(), atol=0.006)
        assert torch.allclose(own.mean(dim=1), torch.lerp(ends[0], ends[1], share), atol=0.02)


def test_pictures_in_other_light_meet_in_one() -> None:
    first = picture(HW, 1)
    second = warm(first)
    tones = Ramp(first, second).at(0.5)
    own, other = (
        light.to_srgb(tone.apply(light.to_linear(i.rgb))) for tone, i in zip(tones, (first, second), strict=True)
    )
    assert float((own - other).abs().mean()) < 0.2 * float((first.rgb - second.rgb).abs().mean())


def test_what_is_transparent_does_not_count_and_stays_so() -> None:
    first, second = picture(HW, 1, alpha=True), warm(picture(HW, 2))
    poisoned = replace(first, rgb=torch.where(first.alpha == 0, torch.ones(3, 1, 1), first.rgb))
    planes = torch.cat([light.to_linear(first.rgb) * first.alpha, first.alpha])
    clean, dirty = (Ramp(image, second).at(0.6)[0].apply(planes) for image in (first, poisoned))
    assert torch.allclose(clean, dirty, atol=1e-5)
    assert torch.equal(clean[3:], first.alpha)
    assert (clean[:3] <= clean[3:] + 1e-6).all()


def test_flat_pictures_are_no_trouble() -> None:
    morph = Morph(flat(HW, 0.0), flat(HW, 1.0), correspondence(shifted((0.0, 0.0), HW)), HW, WORN[0])
    values = [int(morph.frame(k / 4).astype(int).mean()) for k in range(5)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 255)
