import math
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.io.palette import CLEAR, Palette
from tests.conftest import textured

Frame = NDArray[np.uint8]


def redrawn(indices: Frame, palette: Frame) -> Frame:
    """Returns the (h, w, 4) picture that indices and colours of alpha, red, green, blue stand for."""
    return palette[indices][..., [1, 2, 3, 0]]


def psnr(a: Frame, b: Frame) -> float:
    error = float(np.square(a.astype(float) - b).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def few_colours(count: int, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    cells = rng.permutation(32**3)[:count]
    colours = np.stack([cells // 1024, cells // 32 % 32, cells % 32], axis=1) * 8 + rng.integers(0, 8, (count, 3))
    return colours[rng.integers(0, count, (60, 80))].astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 16, 64])
def test_few_colours_come_out_exactly(count: int) -> None:
    frame = few_colours(count)
    assert np.array_equal(redrawn(*Palette().map(frame))[..., :3], frame)


def test_256_colours_come_out_nearly_exactly() -> None:
    frame = few_colours(256)
    assert psnr(redrawn(*Palette().map(frame))[..., :3], frame) > 40


@pytest.mark.parametrize("seed", range(4))
def test_pictures_come_out_no_worse_than_by_median_cut(seed: int) -> None:
    frame = textured((120, 160), seed)
    plain = Pillow.fromarray(frame).quantize(256, method=Pillow.Quantize.MEDIANCUT, dither=Pillow.Dither.NONE)
    ours = psnr(redrawn(*Palette().map(frame))[..., :3], frame)
    assert ours >= psnr(np.asarray(plain.convert("RGB")), frame)


def test_what_stands_still_does_not_flicker() -> None:
    palette, frame = Palette(), textured((60, 80))
    shown = [redrawn(*palette.map(frame)) for _ in range(8)]
    for earlier, later in pairwise(shown[4:]):
        assert psnr(earlier, later) > 40
    fresh = redrawn(*Palette().map(frame))
    assert psnr(shown[-1][..., :3], frame) >= psnr(fresh[..., :3], frame) - 0.1


def test_the_same_frames_give_the_same_indices() -> None:
    first, second = Palette(), Palette()
    for seed in (0, 1, 0):
        for mine, other in zip(first.map(textured((60, 80), seed)), second.map(textured((60, 80), seed)), strict=True):
            assert np.array_equal(mine, other)


def test_colours_follow_a_film_that_changes() -> None:
    palette = Palette()
    palette.map(np.full((20, 20, 3), 255, np.uint8))
    for seed in range(3):
        frame = few_colours(200, seed)
        shown = redrawn(*palette.map(frame))[..., :3]
    assert psnr(shown, frame) > 25


def test_transparency_has_an_index_of_its_own() -> None:
    frame = np.dstack([textured((60, 80)), np.tile(np.arange(80, dtype=np.uint8) * 3, (60, 1))])
    indices, palette = Palette().map(frame)
    assert np.array_equal(indices == CLEAR, frame[..., 3] < 128)
    assert palette[CLEAR, 0] == 0
    assert (palette[:CLEAR, 0] == 255).all()
    visible = frame[..., 3] >= 128
    assert psnr(redrawn(indices, palette)[visible][:, :3], frame[visible][:, :3]) > 30


def test_frames_that_are_clear_everywhere_or_become_visible_are_no_trouble() -> None:
    palette = Palette()
    clear = np.zeros((20, 30, 4), np.uint8)
    assert (palette.map(clear)[0] == CLEAR).all()
    solid = clear.copy()
    solid[...] = [10, 200, 30, 255]
    assert (redrawn(*palette.map(solid)) == solid).all()
    assert (palette.map(clear)[0] == CLEAR).all()


@pytest.mark.parametrize("dither", ["bayer", "floyd-steinberg"])
def test_a_dither_gives_wide_areas_their_mean_colour(dither: str) -> None:
    shades = np.linspace(0, 255, 512).astype(np.uint8)  # more shades than a palette of 8 colours has
    ramp = np.repeat(np.repeat(shades[None, :], 64, axis=0)[..., None], 3, axis=2)
    colours = np.repeat(np.linspace(0, 255, 32, dtype=np.float32)[:, None], 3, axis=1)
    wide = (64, 64)
    plain, dithered = (
        redrawn(*Palette(how, colours).map(ramp))[..., 0].astype(float).reshape(wide[0], -1, wide[1]).mean(axis=(0, 2))
        for how in ("none", dither)
    )
    truth = ramp[..., 0].astype(float).reshape(wide[0], -1, wide[1]).mean(axis=(0, 2))
    assert np.abs(dithered - truth).max() < 2
    bands = [np.unique(redrawn(*Palette(how, colours).map(ramp[:, :8]))[..., 0]).size for how in ("none", dither)]
    assert bands[1] > bands[0]
    assert np.abs(plain - truth).max() < 8


def test_a_dither_of_few_colours_leaves_them_alone() -> None:
    frame = few_colours(16)
    assert np.array_equal(redrawn(*Palette("floyd-steinberg").map(frame))[..., :3], frame)


@pytest.mark.parametrize("dither", ["none", "bayer"])
def test_one_palette_for_all_frames_keeps_still_what_stands_still(dither: str) -> None:
    frame = textured((60, 80))
    moved = frame.copy()
    moved[30:] = 0
    colours = np.random.default_rng(0).uniform(0, 255, (200, 3)).astype(np.float32)
    first, second = (redrawn(*Palette(dither, colours).map(f)) for f in (frame, moved))
    assert np.array_equal(first[:30], second[:30])


def test_one_palette_for_all_frames_knows_them_all() -> None:
    film = [few_colours(60, seed) for seed in range(4)]
    palette = Palette.of(iter(film))
    shown = [palette.map(frame) for frame in film]
    assert all(np.array_equal(colours, shown[0][1]) for _, colours in shown)
    for (indices, colours), frame in zip(shown, film, strict=True):
        assert psnr(redrawn(indices, colours)[..., :3], frame) > 40


def test_one_palette_for_transparent_frames_keeps_an_index_for_nothing() -> None:
    frame = np.dstack([textured((60, 80)), np.tile(np.arange(80, dtype=np.uint8) * 3, (60, 1))])
    indices, colours = Palette.of([frame]).map(frame)
    assert np.array_equal(indices == CLEAR, frame[..., 3] < 128)
    assert colours[CLEAR, 0] == 0
    nothing = np.zeros((8, 8, 4), np.uint8)
    assert (Palette.of([nothing]).map(nothing)[0] == CLEAR).all()


def test_opaque_frames_may_use_every_index() -> None:
    indices, palette = Palette().map(textured((120, 160)))
    assert (palette[:, 0] == 255).all()
    assert len(np.unique(indices)) > 240
    assert (indices.dtype, palette.dtype, palette.shape) == (np.uint8, np.uint8, (256, 4))
