import numpy as np
import pytest
import torch

from semcorr_cli.core import light
from semcorr_cli.core.image import Image
from semcorr_cli.effects.layers import Layers
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.pyramid import Bands, grown, halved
from tests.specimens import correspondence, flat, middle, picture, shifted

HW = (72, 96)
LAPLACIAN = MorphOptions(blend="laplacian")
BLENDS = ("dissolve", "laplacian")


def noise(seed: int, hw: tuple[int, int] = HW, channels: int = 3) -> torch.Tensor:
    return torch.rand(channels, *hw, generator=torch.Generator().manual_seed(seed))


def even_share(value: float, hw: tuple[int, int] = HW) -> Bands:
    share = torch.full((1, *hw), value)
    return Bands(share, share)


def codes(image: Image) -> np.ndarray:
    return (image.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy().astype(np.int16)


@pytest.mark.parametrize("hw", [(72, 96), (71, 95), (8, 200), (33, 24)])
def test_one_share_for_all_bands_is_a_plain_blend(hw: tuple[int, int]) -> None:
    first, second = noise(1, hw), noise(2, hw)
    blended = even_share(0.3, hw).blend(first, second)
    assert torch.allclose(blended, torch.lerp(first, second, 0.3), atol=1e-5)


def test_shares_of_none_and_all_are_the_pictures() -> None:
    first, second = noise(1), noise(2)
    assert torch.allclose(even_share(0.0).blend(first, second), first, atol=1e-6)
    assert torch.allclose(even_share(1.0).blend(first, second), second, atol=1e-6)


def test_pictures_that_agree_are_not_touched_whatever_the_shares() -> None:
    first = noise(1)
    assert torch.equal(Bands(noise(2, channels=1), noise(3, channels=1)).blend(first, first.clone()), first)


def test_no_value_lies_outside_the_two_it_is_made_of() -> None:
    first, second = noise(1), noise(2)
    blended = Bands(noise(3, channels=1), noise(4, channels=1)).blend(first, second)
    assert (blended >= torch.minimum(first, second)).all()
    assert (blended <= torch.maximum(first, second)).all()


def test_fine_detail_comes_from_one_and_broad_colours_from_both() -> None:
    detail = 0.2 * (torch.arange(96) % 2 - 0.5).expand(3, *HW)
    first, second = 0.3 + detail, torch.full((3, *HW), 0.7)
    ones = torch.ones(1, *HW)
    kept = Bands(0.5 * ones, 0 * ones).gathered(second - first) + first
    assert torch.allclose(kept, 0.5 + detail, atol=0.02)
    gone = Bands(0.5 * ones, ones).gathered(second - first) + first
    assert torch.allclose(gone, torch.full_like(gone, 0.5), atol=0.02)


@pytest.mark.parametrize("hw", [(7, 10), (8, 8)])
def test_halving_and_growing_keep_what_is_flat(hw: tuple[int, int]) -> None:
    planes = torch.full((2, *hw), 0.4)
    assert torch.allclose(grown(halved(planes), planes), planes)


def test_a_picture_that_becomes_itself_never_changes() -> None:
    image = picture(HW)
    morph = Morph(image, image, correspondence(shifted((0.0, 0.0), HW)), HW, LAPLACIAN)
    for k in range(9):
        assert np.abs(morph.frame(k / 8).astype(np.int16) - codes(image)).max() <= 1


@pytest.mark.parametrize("draw", [Morph, Layers])
def test_the_ends_are_the_pictures(draw) -> None:
    first, second = picture(HW, 1), picture(HW, 2)
    if draw is Layers:
        first, second = Image(first.rgb, mask=middle(HW)), Image(second.rgb, mask=middle(HW))
    morph = draw(first, second, correspondence(shifted((9.0, 4.0), HW)), HW, LAPLACIAN)
    for t, image in ((0.0, first), (1.0, second)):
        assert np.abs(morph.frame(t).astype(np.int16) - codes(image)).max() <= 1


def test_what_both_contribute_is_the_frame() -> None:
    first, second = picture(HW, 1), flat(HW, 0.5)
    morph = Morph(first, second, correspondence(shifted((3.0, 0.0), HW)), HW, LAPLACIAN)
    one, other = morph.contributions(0.4)
    total = codes(Image(light.to_srgb((one + other).clamp(0, 1))))
    assert np.percentile(np.abs(morph.frame(0.4).astype(np.int16) - total), 90) <= 1  # elsewhere values are held


def test_in_between_pictures_that_clash_keep_their_contrast() -> None:
    first, second = (Image(noise(seed)) for seed in (1, 2))
    field = correspondence(shifted((0.0, 0.0), HW))
    spread = [float(Morph(first, second, field, HW, MorphOptions(blend=b)).frame(0.5).std()) for b in BLENDS]
    assert spread[1] > spread[0]
