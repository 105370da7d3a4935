import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFile

from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.io import images
from tests.conftest import textured
from tests.io.handmade import GREY, RGB, chunk, png, written

# EXIF 2.32, table 6: which side of the upright picture the stored first row and first column are.
FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def corners(channels: int = 3) -> NDArray[np.uint8]:
    """Red, green, blue and white corners on black; a fourth channel is half see-through on the left."""
    picture = np.zeros((32, 48, channels), np.uint8)
    picture[:8, :8, 0] = picture[:8, -8:, 1] = picture[-8:, :8, 2] = 255
    picture[-8:, -8:, :3] = 255
    if channels == 4:
        picture[..., 3] = 255
        picture[:, :24, 3] = 128
    return picture


def stored(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    height, width = upright.shape[:2]
    sides = {
        "top": range(height),
        "bottom": range(height - 1, -1, -1),
        "left": range(width),
        "right": range(width - 1, -1, -1),
    }
    first_row, first_column = FIRST_ROW_AND_COLUMN[orientation]
    if orientation < 5:
        return upright[np.ix_(sides[first_row], sides[first_column])]
    return upright[np.ix_(sides[first_column], sides[first_row])].swapaxes(0, 1)


def encoded(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def eight_bits(image: Image) -> NDArray[np.uint8]:
    return images.to_bytes(image)


def refusal(path: Path | str, **options: int) -> InputError:
    with pytest.raises(InputError) as caught:
        images.load(str(path), **options)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_every_exif_orientation_comes_out_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    lossless = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    content = encoded(Pillow.fromarray(stored(corners(), orientation)), kind, exif=exif.tobytes(), **lossless)
    image = images.load(written(tmp_path / "a", content))
    assert image.hw == (32, 48)
    assert np.abs(eight_bits(image).astype(int) - corners()).max() <= (2 if kind == "JPEG" else 0)
    assert image.notes == (() if orientation == 1 else (f"turned upright (EXIF orientation {orientation})",))


def test_alpha_turns_with_the_colours(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    content = encoded(Pillow.fromarray(stored(corners(4), 6)), "PNG", exif=exif.tobytes())
    assert np.array_equal(eight_bits(images.load(written(tmp_path / "a.png", content))), corners(4))


def test_orientations_that_do_not_exist_and_exif_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 9
    odd = images.load(written(tmp_path / "odd.png", encoded(Pillow.fromarray(corners()), "PNG", exif=exif.tobytes())))
    broken = images.load(written(tmp_path / "broken.png", png(corners(), RGB, chunk(b"eXIf", b"MM\0\x2agarbage"))))
    for image in (odd, broken):
        assert np.array_equal(eight_bits(image), corners())


def test_grey_palette_and_one_bit_become_colours(tmp_path: Path) -> None:
    picture = Pillow.fromarray(corners())
    for name, changed in (
        ("grey", picture.convert("L")),
        ("palette", picture.convert("P", palette=Pillow.Palette.ADAPTIVE, colors=8)),
        ("bits", picture.convert("1")),
    ):
        image = images.load(written(tmp_path / f"{name}.png", encoded(changed, "PNG")))
        assert np.array_equal(eight_bits(image), np.asarray(changed.convert("RGB"))), name
        assert image.alpha is None
        assert image.depth == 8


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_kept_apart_from_the_colours(mode: str, tmp_path: Path) -> None:
    picture = Pillow.fromarray(corners(4))
    if mode == "PA":
        changed = picture.convert("RGB").convert("P", palette=Pillow.Palette.ADAPTIVE, colors=8)
        black = int(np.asarray(changed)[16, 24])
        content = encoded(changed, "PNG", transparency=black)
        expected = np.where(np.asarray(changed) == black, 0, 255)
    else:
        content, expected = encoded(picture.convert(mode), "PNG"), corners(4)[..., 3]
    image = images.load(written(tmp_path / "a.png", content))
    assert image.alpha is not None
    assert np.array_equal(eight_bits(image)[..., 3], expected)
    colours = np.asarray(picture.convert(mode if mode == "LA" else "RGB").convert("RGB"))
    assert np.array_equal(eight_bits(image)[..., :3], colours)


def test_alpha_that_is_opaque_everywhere_is_dropped(tmp_path: Path) -> None:
    picture = corners(4)
    picture[..., 3] = 255
    assert images.load(written(tmp_path / "a.png", encoded(Pillow.fromarray(picture), "PNG"))).alpha is None


def test_of_a_film_the_first_frame_is_taken_and_a_note_says_so(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(corners()), Pillow.fromarray(255 - corners())]
    content = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    image = images.load(written(tmp_path / "a.tif", content))
    assert np.array_equal(eight_bits(image), corners())
    assert image.notes == ("first of 2 frames",)
    cut = images.load(written(tmp_path / "b.tif", content[: len(content) // 2 + 100]))
    assert np.array_equal(eight_bits(cut), corners()), "damage behind the first frame is no damage to it"


def test_stdin_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = encoded(Pillow.fromarray(corners()), "PNG")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    image = images.load("-")
    assert image.digest == images.load(written(tmp_path / "a.png", content)).digest
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(InputError, match="stdin is empty"):
        images.load("-")


def test_what_is_no_picture_is_refused_with_the_reason(tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    written(text, b"Not a picture at all,\nalthough it says so.\n")
    written(tmp_path / "empty.png", b"")
    written(tmp_path / "noise.png", bytes(range(128, 256)))
    written(tmp_path / "small.png", encoded(Pillow.fromarray(corners()[:1, :1]), "PNG"))
    written(tmp_path / "floats.tif", encoded(Pillow.fromarray(np.ones((20, 20), np.float32)), "TIFF"))
    assert "text, not a picture" in refusal(text).message
    assert "empty" in refusal(tmp_path / "empty.png").message
    assert "not a picture in a format known here" in refusal(tmp_path / "noise.png").message
    assert "1×1 pixels: too small" in refusal(tmp_path / "small.png").message
    assert "32-bit" in refusal(tmp_path / "floats.tif").message
    assert "no file" in refusal(tmp_path / "missing.png").message
    assert "a folder" in refusal(tmp_path).message
    assert refusal(tmp_path / "n\0l.png").exit_code == 3


def test_a_bomb_is_refused_by_its_size_and_never_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    bomb = png(np.zeros((9, 30000, 1), np.uint8), GREY, hw=(30000, 30000))
    error = refusal(written(tmp_path / "bomb.png", bomb))
    assert "30000×30000 pixels, more than the 100,000,000 allowed" in error.message
    assert error.hint is not None
    assert error.hint.endswith("--max-pixels 900000000")


def test_the_limit_on_pixels_is_the_largest_size_that_passes(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", encoded(Pillow.fromarray(corners()), "PNG"))
    assert images.load(path, max_pixels=32 * 48).hw == (32, 48)
    assert "48×32" in refusal(path, max_pixels=32 * 48 - 1).message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP"])
def test_damage_is_refused_in_one_sentence_or_does_not_matter(kind: str, tmp_path: Path) -> None:
    frames = [Pillow.fromarray(textured((40, 50), seed)) for seed in range(2)]
    more = {"save_all": True, "append_images": frames[1:]} if kind in ("GIF", "TIFF") else {}
    content = encoded(frames[0], kind, **more)
    rng = np.random.default_rng(0)
    damaged = [content[: len(content) * k // 16] for k in range(1, 16)]
    for _ in range(24):
        changed = bytearray(content)
        changed[rng.integers(0, min(300, len(content)))] = rng.integers(256)
        damaged.append(bytes(changed))
    refused = 0
    for number, data in enumerate(damaged):
        path = written(tmp_path / f"{number}", data)
        try:
            assert images.load(path, max_pixels=10_000).rgb.isfinite().all()
        except InputError:
            refusal(path, max_pixels=10_000)
            refused += 1
    assert refused > 0


def test_a_picture_cut_short_is_refused(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "WEBP"):
        content = encoded(Pillow.fromarray(textured((64, 64))), kind)
        message = refusal(written(tmp_path / kind, content[: len(content) // 2])).message
        assert "truncated or damaged" in message or "not a picture" in message
