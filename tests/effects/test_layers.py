from dataclasses import replace

import numpy as np
import torch

from semcorr_cli.core.image import Image
from semcorr_cli.effects.layers import Layers, composed, cut_out, plate
from semcorr_cli.effects.morph import MorphOptions
from tests.specimens import correspondence, flat, middle, picture, shifted

HW = (72, 96)


def disc(at: tuple[int, int], ground: Image) -> Image:
    """Returns a white disc on a ground, with its mask."""
    y, x = np.mgrid[: HW[0], : HW[1]] + 0.5
    mask = torch.from_numpy((np.hypot(x - at[0], y - at[1]) < 12).astype(np.float32))[None]
    return replace(ground, rgb=torch.where(mask > 0, torch.ones(()), ground.rgb), mask=mask)


def test_a_plate_has_no_trace_of_the_object_and_is_the_picture_elsewhere() -> None:
    ground = flat(HW, 0.3)
    masked = disc((40, 36), ground)
    filled = plate(masked)
    assert filled.mask is None
    assert float((filled.rgb - 0.3).abs().max()) < 0.02
    textured = disc((40, 36), picture(HW))
    far = torch.nn.functional.max_pool2d(textured.mask[None], 13, 1, 6)[0] == 0
    assert torch.equal(plate(textured).rgb * far, textured.rgb * far)


def test_a_plate_of_a_mask_that_is_full_or_empty_is_the_picture() -> None:
    for mask in (torch.zeros(1, *HW), torch.ones(1, *HW)):
        image = replace(picture(HW), mask=mask)
        assert torch.equal(plate(image).rgb, image.rgb)


def test_the_object_travels_and_the_background_stays() -> None:
    ground = picture(HW, 3)
    dim = replace(ground, rgb=0.6 * ground.rgb)
    first, second = disc((30, 36), dim), disc((60, 36), dim)
    field = correspondence(shifted((-30.0, 0.0), HW))
    layers = Layers(first, second, field, HW, MorphOptions())
    frame = layers.frame(0.5).astype(np.int16)
    y, x = np.mgrid[: HW[0], : HW[1]] + 0.5
    inside, outside = np.hypot(x - 45, y - 36) < 9, np.hypot(x - 45, y - 36) > 34
    assert frame[inside].min() > 250
    still = (dim.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy().astype(np.int16)
    away = outside & (np.abs(x - 45) > 32)
    assert np.abs(frame - still)[away].max() <= 1


def test_the_ends_are_the_pictures() -> None:
    first, second = disc((30, 36), picture(HW, 1)), disc((60, 36), picture(HW, 2))
    layers = Layers(first, second, correspondence(shifted((-30.0, 0.0), HW)), HW, MorphOptions())
    for t, image in ((0.0, first), (1.0, second)):
        expected = (image.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy().astype(np.int16)
        assert np.abs(layers.frame(t).astype(np.int16) - expected).max() <= 1


def test_cutting_out_keeps_what_was_transparent_transparent() -> None:
    image = replace(picture(HW, alpha=True), mask=torch.ones(1, *HW))
    assert torch.equal(cut_out(image).alpha, middle(HW))


def test_composing_covers_by_alpha() -> None:
    front = torch.tensor([0.4, 0.2, 0.0, 0.5]).reshape(4, 1, 1)
    back = torch.tensor([0.2, 0.2, 0.6]).reshape(3, 1, 1)
    assert torch.allclose(composed(front, back).flatten(), torch.tensor([0.5, 0.3, 0.3]))
