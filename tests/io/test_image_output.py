from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from semcorr_cli.core.image import Image
from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.io import images
from tests.conftest import textured


def picture(*, alpha: bool = False, depth: int = 8) -> Image:
    rgb = torch.from_numpy(textured((40, 50)).copy()).permute(2, 0, 1) / 255
    opacity = torch.linspace(0.2, 1, 50).expand(1, 40, 50).mul(255).round() / 255
    return Image(rgb, opacity if alpha else None, depth=depth)


@pytest.mark.parametrize("suffix", images.FORMATS)
@pytest.mark.parametrize("alpha", [False, True])
def test_every_suffix_is_written_and_read_back(suffix: str, alpha: bool, tmp_path: Path) -> None:
    image = picture(alpha=alpha)
    path = tmp_path / f"out{suffix}"
    notes = images.save(image, path, overwrite=False)
    kept = images.output_format(path) in images.WITH_ALPHA
    with Pillow.open(path) as file:
        assert (file.format, file.size) == (images.output_format(path), (50, 40))
        assert file.mode == ("RGBA" if alpha and kept else "RGB")
        assert ("icc_profile" in file.info) == (suffix != ".bmp")
    again = images.load(str(path))
    lossless = suffix in (".png", ".tif", ".tiff", ".bmp")
    expected = image if kept else image.flattened()
    difference = np.abs(images.to_bytes(again).astype(int) - images.to_bytes(expected))
    assert difference.max() == 0 if lossless else difference.mean() < 4
    assert notes == (
        [] if kept or not alpha else [f"{images.output_format(path)} has no transparency: flattened onto white"]
    )
    assert again.notes == ()


def test_an_output_is_not_replaced_and_an_unknown_suffix_not_guessed(tmp_path: Path) -> None:
    image = picture()
    images.save(image, tmp_path / "a.png", overwrite=False)
    with pytest.raises(OutputError, match="exists already"):
        images.save(image, tmp_path / "a.png", overwrite=False)
    images.save(image, tmp_path / "a.png", overwrite=True)
    for name in ("a.docx", "a"):
        with pytest.raises(UsageError, match=r"\.png \.jpg"):
            images.save(image, tmp_path / name, overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_every_8_bit_value_survives_a_round_trip(tmp_path: Path) -> None:
    values = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16) + np.uint8(k) for k in range(3)], axis=-1)
    Pillow.fromarray(values).save(tmp_path / "a.png")
    images.save(images.load(str(tmp_path / "a.png")), tmp_path / "b.png", overwrite=False)
    assert np.array_equal(np.asarray(Pillow.open(tmp_path / "b.png")), values)


def test_the_same_picture_gives_the_same_bytes() -> None:
    for kind in images.FORMATS.values():
        assert images.encode(picture(), kind) == images.encode(picture(), kind)


def test_quality_makes_files_larger_and_pictures_closer() -> None:
    for kind in ("JPEG", "WEBP", "AVIF"):
        small, large = (images.encode(picture(), kind, quality=quality)[0] for quality in (30, 95))
        assert len(small) < len(large)


def test_transparency_is_flattened_onto_white_only_where_it_must_be() -> None:
    clear = Image(torch.zeros(3, 16, 16), torch.zeros(1, 16, 16))
    content, notes = images.encode(clear, "BMP")
    assert "flattened onto white" in notes[0]
    assert content[-16 * 16 * 3 :] == b"\xff" * (16 * 16 * 3)
    assert images.encode(clear, "PNG")[1] == []


def test_lost_depth_is_noted() -> None:
    assert images.encode(picture(depth=16), "JPEG")[1] == ["JPEG has no 16-bit channels: written with 8"]
    assert images.encode(picture(depth=16), "PNG")[1] == []


def test_values_outside_the_range_are_clipped() -> None:
    rgb = torch.stack([torch.full((8, 8), value) for value in (-0.2, 0.5, 1.3)])
    assert images.to_bytes(Image(rgb))[0, 0].tolist() == [0, 128, 255]
