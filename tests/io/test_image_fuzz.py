"""The image door takes any bytes: a picture, or one sentence."""

import io
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.io import images, thumbnails
from tests.conftest import textured

KINDS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "PPM", "ICO")


def sound(kind: str) -> bytes:
    target = io.BytesIO()
    Pillow.fromarray(textured((16, 20))).save(target, kind, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    return target.getvalue()


SOUND = {kind: sound(kind) for kind in KINDS}


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(SOUND[draw(st.sampled_from(KINDS))])
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        some = draw(st.binary(min_size=1, max_size=8))
        match draw(st.sampled_from(("change", "insert", "drop", "cut"))):
            case "change":
                content[at : at + len(some)] = some
            case "insert":
                content[at:at] = some
            case "drop":
                del content[at : at + len(some) * 4]
            case _:
                del content[max(at, 8) :]
    return bytes(content)


@settings(max_examples=250, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged() | st.binary(max_size=64))
@pytest.mark.filterwarnings("ignore")
def test_damage_of_any_kind_is_a_picture_or_one_sentence(tmp_path: Path, content: bytes):
    path = tmp_path / "x.png"
    path.write_bytes(content)
    try:
        picture = images.load(str(path), max_pixels=1_000_000)
    except InputError as error:
        assert str(path) in error.message
        assert "\n" not in error.message
    else:
        assert isinstance(picture, Image)
        assert bool(torch.isfinite(picture.rgb).all())
    assert not thumbnails.strip([path]).removeprefix("data:image/jpeg;base64,").count(":")  # nothing is raised
