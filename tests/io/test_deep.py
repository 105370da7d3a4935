import io
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.io import colour, images
from tests.io import handmade
from tests.io.handmade import GREY, GREY_ALPHA, RGB, RGBA, png, written
from tests.io.test_images import FIRST_ROW_AND_COLUMN, stored

FORMATS = {"PNG": ".png", "TIFF": ".tif"}


def values(channels: int, hw: tuple[int, int] = (20, 30)) -> NDArray[np.uint16]:
    return np.random.default_rng(channels).integers(0, 65536, (*hw, channels), dtype=np.uint16)


def sixteen_bits(image: Image) -> NDArray[np.int64]:
    planes = image.rgb if image.alpha is None else torch.cat([image.rgb, image.alpha])
    return (planes.double() * 65535).round().long().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGBA])
def test_all_16_bits_of_a_png_are_read(kind: int, tmp_path: Path) -> None:
    original = values(handmade.CHANNELS[kind])
    image = images.load(written(tmp_path / "a.png", png(original, kind)))
    expected = {GREY: [0, 0, 0], RGB: [0, 1, 2], GREY_ALPHA: [0, 0, 0, 1], RGBA: [0, 1, 2, 3]}[kind]
    assert np.array_equal(sixteen_bits(image), original[..., expected])
    assert image.depth == 16
    assert image.notes == ()


@pytest.mark.parametrize("channels", [1, 3])
def test_all_16_bits_of_a_foreign_tiff_are_read(channels: int, tmp_path: Path) -> None:
    original = values(channels)
    content = cv2.imencode(".tiff", original[..., ::-1])[1].tobytes()
    image = images.load(written(tmp_path / "a.tif", content))
    assert np.array_equal(sixteen_bits(image), np.broadcast_to(original, (20, 30, 3)))
    assert image.depth == 16


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("hw", [(20, 30), (9, 8), (700, 301)])
def test_what_is_written_is_read_back_to_the_last_bit(
    kind: str, channels: int, hw: tuple[int, int], tmp_path: Path
) -> None:
    original = values(channels, hw)
    planes = torch.from_numpy(original.astype(np.float32) / 65535).permute(2, 0, 1)
    content, notes = images.encode(Image(planes[:3], planes[3:] if channels == 4 else None, depth=16), kind)
    path = written(tmp_path / f"a{FORMATS[kind]}", content)
    again = images.load(path)
    assert np.array_equal(sixteen_bits(again), original)
    assert (again.depth, again.notes, notes) == (16, (), [])
    assert images.encode(again, kind)[0] == content


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("channels", [3, 4])
def test_what_is_written_is_sound_for_other_programs(kind: str, channels: int, tmp_path: Path) -> None:
    planes = torch.from_numpy(values(channels).astype(np.float32) / 65535).permute(2, 0, 1)
    content, _ = images.encode(Image(planes[:3], planes[3:] if channels == 4 else None, depth=16), kind)
    with Pillow.open(io.BytesIO(content)) as picture:
        assert picture.info["icc_profile"] == colour.srgb_profile()
        assert (picture.format, picture.mode) == (kind, "RGB" if channels == 3 else "RGBA")
        assert np.array_equal(np.asarray(picture), values(channels) >> 8)
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16
    assert np.array_equal(read, values(channels)[..., [2, 1, 0, 3][:channels]])


@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_exif_orientation_comes_out_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    upright = values(1, (24, 36))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    picture = Pillow.fromarray(np.ascontiguousarray(stored(upright, orientation)[..., 0]))
    picture.save(tmp_path / "a", kind, exif=exif.tobytes())
    image = images.load(str(tmp_path / "a"))
    assert np.array_equal(sixteen_bits(image)[..., :1], upright)
    assert image.notes == (() if orientation == 1 else (f"turned upright (EXIF orientation {orientation})",))


def test_a_profile_of_a_deep_picture_is_applied(tmp_path: Path) -> None:
    content = png(values(3), RGB, handmade.icc_chunk(handmade.exchanged_profile()))
    image = images.load(written(tmp_path / "a.png", content))
    assert np.abs(sixteen_bits(image) - values(3)[..., [1, 0, 2]]).max() <= 257
    assert image.notes == ("converted from aRGB built-in to sRGB",)


@pytest.mark.parametrize("kind", FORMATS)
def test_damage_is_refused_in_one_sentence_without_noise(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planes = torch.from_numpy(values(3).astype(np.float32) / 65535).permute(2, 0, 1)
    content, _ = images.encode(Image(planes, depth=16), kind)
    middle = len(content) // 2 if kind == "PNG" else 40  # a TIFF's index comes last
    damaged = content[:middle] + bytes(255 - value for value in content[middle : middle + 20]) + content[middle + 20 :]
    path = written(tmp_path / "a", damaged)
    with pytest.raises(InputError, match="truncated or damaged") as caught:
        images.load(path)
    assert "\n" not in caught.value.message
    assert capfd.readouterr() == ("", "")
