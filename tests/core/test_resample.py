import numpy as np
import pytest
import torch

from semcorr_cli.core import processor, resample
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from tests.conftest import textured


def picture(hw: tuple[int, int], *, alpha: bool = False) -> Image:
    rgb = torch.from_numpy(textured(hw).astype(np.float32) / 255).permute(2, 0, 1)
    plane = None
    if alpha:
        plane = torch.zeros(1, *hw)
        plane[:, hw[0] // 4 : -hw[0] // 4, hw[1] // 4 : -hw[1] // 4] = 1
    return Image(rgb, plane)


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
def test_identity_gives_the_picture_back(mode: str) -> None:
    image = picture((61, 83))
    drawn = resample.draw(image, Warp.identity((61, 83), (61, 83)), mode=mode)
    assert float((drawn.rgb - image.rgb).abs().max()) < 0.5 / 255


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    image, warp = picture((80, 60)), Warp.identity((80, 60), (30, 25))
    whole = resample.draw(image, warp).rgb
    monkeypatch.setattr(resample, "STRIP_PIXELS", 60)
    assert torch.allclose(resample.draw(image, warp).rgb, whole, atol=1e-6)


def test_shrinking_does_not_alias() -> None:
    stripes = torch.zeros(3, 256, 256)
    stripes[:, :, ::2] = 1
    drawn = resample.draw(Image(stripes), Warp.identity((256, 256), (40, 40)))
    assert float((drawn.rgb - 0.5).abs().max()) < 0.05  # an even grey, not a moiré of black and white


def test_enlarging_reads_the_picture_itself() -> None:
    assert resample.halvings(Warp.identity((50, 50), (120, 120))) is None


def test_colours_do_not_leak_from_transparent_pixels() -> None:
    image = picture((64, 64), alpha=True)
    hidden = image.alpha.expand(3, -1, -1) == 0
    poisoned = Image(torch.where(hidden, torch.ones(()), image.rgb * 0.2), image.alpha)
    drawn = resample.draw(poisoned, Warp.identity((64, 64), (91, 91)))
    assert float(drawn.rgb[:, drawn.alpha[0] > 0.5].max()) < 0.25


def test_the_mask_travels_along() -> None:
    image = Image(picture((40, 40)).rgb, mask=torch.zeros(1, 40, 40))
    image.mask[:, :, 20:] = 1
    mirrored = resample.draw(image, Warp.identity((40, 40), (40, 40), mirrored=True))
    assert mirrored.mask is not None
    assert float(mirrored.mask[:, :, :20].mean()) > 0.99
    assert float(mirrored.mask[:, :, 20:].mean()) < 0.01


def test_shrink_keeps_small_pictures_and_reduces_large_ones() -> None:
    image = picture((60, 90))
    assert resample.shrink(image, 90) is image
    small = resample.shrink(Image(image.rgb, digest="d"), 30)
    assert small.hw == (20, 30)
    assert small.digest == "d:30"
    assert torch.allclose(small.rgb.mean(), image.rgb.mean(), atol=1e-3)


def test_inside_is_soft_at_the_rim() -> None:
    xy = torch.tensor([[[-2.0, 5.0], [0.0, 5.0], [0.25, 5.0], [5.0, 5.0], [10.4, 5.0], [12.0, 5.0]]])
    assert resample.inside(xy, (10, 10))[0].tolist() == pytest.approx([0, 0.5, 0.75, 1, 0.1, 0], abs=1e-5)


@pytest.mark.parametrize("beyond", ["border", "reflection"])
@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("scale", [0.7, 1.0, 2.6])
def test_the_faster_reader_reads_as_the_general_one(
    mode: str, beyond: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    planes = picture((60, 80)).rgb
    warp = Warp.sampled(lambda xy: scale * xy + 4 * torch.sin(xy.flip(1) / 9) - 6, (60, 80), (50, 70))
    fast = resample.Reader(planes, mode=mode, beyond=beyond).read(warp)
    monkeypatch.setattr(processor, "holds", lambda tensor: False)
    general = resample.Reader(planes, mode=mode, beyond=beyond).read(warp)
    assert float((fast - general).abs().max()) < 0.05 / 255


@pytest.mark.parametrize("shift", [0.0, 30.0, -200.0], ids=["inside", "partly outside", "far outside"])
@pytest.mark.parametrize("hw", [(30, 40), (90, 70)], ids=["shrunk", "enlarged"])
def test_a_picture_under_its_cover_is_read_as_if_multiplied(
    hw: tuple[int, int], shift: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture((61, 83), alpha=True)
    assert image.alpha is not None
    cover = (image.alpha * torch.rand(1, 61, 83, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    warp = Warp.sampled(
        lambda xy: xy * torch.tensor([83 / hw[1], 61 / hw[0]]) + 4 * torch.sin(xy.flip(1) / 9) + shift, (61, 83), hw
    )
    whole = resample.Reader(torch.cat([image.rgb * cover, cover])).read(warp)
    monkeypatch.setattr(resample, "STRIP_PIXELS", 200)
    monkeypatch.setattr(resample, "PIECE", 13)
    strips = [strip for _, strip in resample.Reader(image.rgb, cover=cover).strips(warp)]
    assert len(strips) > 1
    assert torch.allclose(torch.cat(strips, dim=1), whole, atol=1e-4)
