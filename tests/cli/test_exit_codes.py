import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.conftest import textured

pytestmark = pytest.mark.usefixtures("small_features")


def bomb(path: Path) -> Path:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def truncated(path: Path) -> Path:
    whole = path.with_suffix(".whole.jpg")
    Pillow.fromarray(textured((200, 200))).save(whole, quality=95)
    path.write_bytes(whole.read_bytes()[:4000])
    whole.unlink()
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def single(path: Path) -> Path:
    Pillow.new("RGB", (1, 1)).save(path)
    return path


BAD = {
    "empty": (lambda folder: written(folder / "x.png", b""), "is empty"),
    "truncated": (lambda folder: truncated(folder / "x.jpg"), "truncated or damaged"),
    "text": (lambda folder: written(folder / "x.png", b"hello there\n" * 20), "text, not a picture"),
    "one pixel": (lambda folder: single(folder / "x.png"), "too small to match"),
    "bomb": (lambda folder: bomb(folder / "x.png"), "more than the 100,000,000 allowed"),
    "missing": (lambda folder: folder / "nowhere.png", "there is no file"),
    "folder": (lambda folder: folder, "is a folder"),
}


@pytest.mark.parametrize("verb", ["match", "warp", "morph"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_picture_is_exit_3_with_one_sentence_and_no_output(semcorr, pictures, tmp_path, verb, kind):
    make, sentence = BAD[kind]
    bad = make(tmp_path)
    place = tmp_path / "out"
    place.mkdir()
    ran = semcorr(verb, pictures[0], bad, "-o", place / ("o.gif" if verb == "morph" else "o.png"), "-q")
    assert ran.code == 3
    lines = ran.err.strip().splitlines()
    assert sentence in lines[0]
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("  try: "))
    assert ran.out == b""
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--features", "nonsense"), "nonsense"),
        (("--weights", "nonsense"), "NAME=PATH"),
        (("--weights", "nonsense=x"), "no extractor"),
        (("-o", "x.docx"), ".docx"),
        (("--format", "png"), "--format"),
        (("--points", "nowhere.csv"), "neither points nor a file"),
    ],
)
def test_a_senseless_option_is_exit_2(semcorr, pictures, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    ran = semcorr("match", *pictures, *arguments)
    assert ran.code == 2
    assert word in ran.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    "arguments",
    [("match",), ("match", "a.png"), ("nonsense",), ("morph", "a.png"), ("warp", "a.png", "b.png", "--strength", "2")],
)
def test_wrong_usage_is_exit_2(semcorr, pictures, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert semcorr(*arguments).code == 2


def test_missing_weights_file_is_exit_4(semcorr, pictures, tmp_path):
    ran = semcorr("match", *pictures, "--features", "dino", "--weights", f"dino={tmp_path / 'none'}")
    assert ran.code == 4
    ran = semcorr("match", *pictures, "--features", "hybrid:geoaware")
    assert ran.code == 4
    assert "semcorr models pull hybrid:geoaware" in ran.err


def test_an_absent_device_is_exit_5(semcorr, pictures, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    for device in ("cuda", "cuda:3", "toaster"):
        ran = semcorr("match", *pictures, "-o", tmp_path / "o.png", "--device", device)
        assert ran.code == 5
        assert device in ran.err
    assert not (tmp_path / "o.png").exists()


def test_an_existing_output_is_exit_6_and_untouched(semcorr, pictures, tmp_path):
    place = tmp_path / "o.png"
    place.write_bytes(b"precious")
    ran = semcorr("match", *pictures, "-o", place)
    assert ran.code == 6
    assert "--overwrite" in ran.err
    assert place.read_bytes() == b"precious"
    assert semcorr("match", *pictures, "-o", place, "--overwrite").code == 0
    assert place.read_bytes()[:4] == b"\x89PNG"


def test_an_existing_output_is_refused_before_any_picture_is_read(semcorr, tmp_path):
    (tmp_path / "o.png").write_bytes(b"precious")
    ran = semcorr("warp", "nowhere.png", "nowhere.png", "-o", tmp_path / "o.png")
    assert ran.code == 6


def test_a_missing_folder_is_exit_6(semcorr, pictures, tmp_path):
    ran = semcorr("match", *pictures, "-o", tmp_path / "no" / "o.png")
    assert ran.code == 6
    assert "mkdir" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_an_unwritable_folder_is_exit_6(semcorr, pictures, tmp_path):
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    assert semcorr("match", *pictures, "-o", place / "o.png").code == 6


def test_a_folder_of_the_system_is_exit_6(semcorr, pictures):
    ran = semcorr("match", *pictures, "-o", "/proc/o.png")
    assert ran.code == 6
    assert "/proc/o.png" in ran.err


def test_below_min_quality_is_exit_7_and_writes_nothing(semcorr, tmp_path):
    paths = tmp_path / "a.png", tmp_path / "b.png"
    Pillow.fromarray(textured((120, 160))).save(paths[0])
    Pillow.fromarray(np.full((120, 160, 3), 128, np.uint8)).save(paths[1])
    ran = semcorr("warp", *paths, "-o", tmp_path / "o.png", "--min-quality", "good", "--json")
    assert ran.code == 7
    assert not (tmp_path / "o.png").exists()
    assert ran.envelope["status"] == "error"
    assert ran.envelope["errors"][0]["kind"] == "quality"
    assert ran.envelope["errors"][0]["exit_code"] == 7
    assert semcorr("warp", *paths, "-o", tmp_path / "o.png").code == 0


def test_an_unforeseen_failure_is_exit_1_with_a_sentence(semcorr, pictures, tmp_path, monkeypatch):
    from semcorr_cli.session import Session

    def fail(self, source, target):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(Session, "correspond", fail)
    ran = semcorr("match", *pictures, "--json")
    assert ran.code == 1
    assert "ZeroDivisionError: of all things" in ran.err
    assert "Traceback" not in ran.err
    assert json.loads(ran.out)["errors"][0]["kind"] == "bug"
    assert "Traceback" in semcorr("match", *pictures, "--json", "-vv").err


def test_memory_that_runs_out_is_exit_5(semcorr, pictures, monkeypatch):
    from semcorr_cli.session import Session

    def fail(self, source, target):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr(Session, "correspond", fail)
    assert semcorr("match", *pictures, "--json").code == 5


def test_odd_pictures_are_taken(semcorr, tmp_path):
    rgb = Pillow.fromarray(textured((100, 140)))
    files = {
        "cmyk.jpg": rgb.convert("CMYK"),
        "la.png": rgb.convert("LA"),
        "palette.png": rgb.convert("P"),
        "one.png": rgb.convert("1"),
        "deep.png": Pillow.fromarray(np.asarray(rgb.convert("L"), np.uint16) * 257),
    }
    for name, picture in files.items():
        picture.save(tmp_path / name)
        warped = tmp_path / f"{name}.warp.png"
        ran = semcorr("warp", tmp_path / name, tmp_path / name, "-o", warped, "--features", "sift", "-q")
        assert ran.code == 0, ran.err
        with Pillow.open(warped) as written:
            assert written.size == (140, 100)
