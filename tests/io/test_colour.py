import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from semcorr_cli.io import colour, images
from tests.conftest import textured
from tests.io.handmade import exchanged_profile, ink_profile, written

INKS = {"paper": (0, 0, 0, 0), "cyan": (255, 0, 0, 0), "red": (0, 255, 255, 0), "black": (0, 0, 0, 255)}


def inks(profile: bytes | None) -> bytes:
    """Returns a CMYK JPEG with a patch of every ink side by side."""
    values = np.repeat(np.repeat(np.array([list(INKS.values())], np.uint8), 16, axis=0), 16, axis=1)
    target = io.BytesIO()
    options = {} if profile is None else {"icc_profile": profile}
    Pillow.frombytes("CMYK", (64, 16), values.tobytes()).save(target, "JPEG", quality=100, subsampling=0, **options)
    return target.getvalue()


def patches(path: str) -> dict[str, list[int]]:
    values = images.to_bytes(images.load(path))
    return {name: values[8, 16 * k + 8].tolist() for k, name in enumerate(INKS)}


def test_the_srgb_profile_is_one_and_always_the_same_bytes() -> None:
    profile = colour.srgb_profile()
    colour.srgb_profile.cache_clear()
    assert colour.srgb_profile() == profile
    described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    assert "sRGB" in described


def test_a_picture_in_srgb_is_left_as_it_is(tmp_path: Path) -> None:
    Pillow.fromarray(textured((40, 50))).save(tmp_path / "a.png", icc_profile=colour.srgb_profile())
    image = images.load(str(tmp_path / "a.png"))
    assert np.array_equal(images.to_bytes(image), textured((40, 50)))
    assert image.notes == ()


@pytest.mark.parametrize("alpha", [False, True])
def test_other_colours_are_converted_to_srgb(alpha: bool, tmp_path: Path) -> None:
    picture = Pillow.fromarray(textured((40, 50)))
    if alpha:
        picture.putalpha(77)
    picture.save(tmp_path / "a.png", icc_profile=exchanged_profile())
    image = images.load(str(tmp_path / "a.png"))
    converted = images.to_bytes(image)
    assert np.abs(converted[..., :3].astype(int) - textured((40, 50))[..., [1, 0, 2]]).max() <= 1
    assert image.notes == ("converted from aRGB built-in to sRGB",)
    if alpha:
        assert (converted[..., 3] == 77).all()


def test_a_profile_that_cannot_be_used_is_ignored_and_noted(tmp_path: Path) -> None:
    for name, profile in (("broken", b"not a profile at all"), ("inks", ink_profile())):
        Pillow.fromarray(textured((40, 50))).save(tmp_path / f"{name}.png", icc_profile=profile)
        image = images.load(str(tmp_path / f"{name}.png"))
        assert np.array_equal(images.to_bytes(image), textured((40, 50)))
        assert image.notes == ("its colour profile could not be used and was ignored",)


def test_cmyk_without_a_profile_is_converted_plainly_and_noted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg", inks(None))
    expected = {"paper": [255] * 3, "cyan": [0, 255, 255], "red": [255, 0, 0], "black": [0] * 3}
    for name, colours in patches(path).items():
        assert colours == pytest.approx(expected[name], abs=3), name
    assert images.load(path).notes == ("converted from CMYK without a colour profile",)


def test_cmyk_is_converted_by_its_profile(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jpg", inks(ink_profile()))
    # L* = 50 is sRGB 119
    for name, grey in (("paper", 255), ("cyan", 119), ("red", 0), ("black", 0)):
        assert patches(path)[name] == pytest.approx([grey] * 3, abs=4), name
    assert images.load(path).notes == ("converted from Four inks to sRGB",)


def test_deep_colours_keep_their_bits_where_the_conversion_leaves_them_alone() -> None:
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.random((20, 30, 1), np.float32), 3, axis=2)
    converted, note = colour.deep_to_srgb(grey, exchanged_profile())
    assert np.abs(converted - grey).max() < 0.5 / 255
    coloured = rng.random((20, 30, 3), np.float32)
    converted, note = colour.deep_to_srgb(coloured, exchanged_profile())
    assert np.abs(converted - coloured[..., [1, 0, 2]]).max() < 1 / 255
    assert note == "converted from aRGB built-in to sRGB"
    untouched, note = colour.deep_to_srgb(coloured, colour.srgb_profile())
    assert np.array_equal(untouched, coloured)
    assert note is None
