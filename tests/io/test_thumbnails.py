import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from semcorr_cli.io import thumbnails
from tests.conftest import textured


def shown(*paths: Path) -> Pillow.Image:
    kind, _, content = thumbnails.strip(paths).partition(",")
    assert kind == "data:image/jpeg;base64"
    return Pillow.open(io.BytesIO(base64.b64decode(content)))


def test_pictures_stand_side_by_side_and_fit(tmp_path: Path):
    for name, hw in (("a.png", (300, 200)), ("b.jpg", (50, 400))):
        Pillow.fromarray(textured(hw)).save(tmp_path / name)
    strip = shown(tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "nowhere.png")
    assert strip.size == (48 + 2 + 72, 72)
    assert thumbnails.strip([tmp_path / "nowhere.png"]) == ""


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "RGBA", "LA", "I;16"])
def test_pictures_of_every_kind_are_shown(tmp_path: Path, mode: str):
    grey = Pillow.fromarray(textured((90, 90))).convert("L")
    deep = Pillow.fromarray(np.asarray(grey, np.uint16) * 257)
    picture = deep if mode == "I;16" else grey.convert("RGB").convert(mode)
    picture.save(tmp_path / "x.tiff")
    seen = np.asarray(shown(tmp_path / "x.tiff").convert("L"), np.float32)
    assert abs(seen.mean() - np.asarray(grey, np.float32).mean()) < 12


def test_films_and_folders_show_their_middle(tmp_path: Path):
    frames = [Pillow.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "f.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(frames):
        frame.save(tmp_path / "frames" / f"frame_{number}.png")
    for path in (tmp_path / "f.gif", tmp_path / "frames"):
        red, green, blue = shown(path).getpixel((20, 36))
        assert green > 200 > max(red, blue)


def test_a_changed_file_is_looked_at_again(tmp_path: Path):
    import os

    for number, colour in enumerate(("red", "blue")):
        Pillow.new("RGB", (72, 72), colour).save(tmp_path / "x.png")
        os.utime(tmp_path / "x.png", (number, number))
        assert shown(tmp_path / "x.png").getpixel((30, 30))[2 * number] > 200
