import json

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from semcorr_cli.cli import preview
from tests.conftest import textured

pytestmark = pytest.mark.usefixtures("small_features")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "apng", "avif", "mp4", "webm"])
def test_morph_writes_every_kind_of_film(semcorr, pictures, tmp_path, suffix):
    place = tmp_path / f"film.{suffix}"
    ran = semcorr("morph", *pictures, "--frames", 4, "--fps", 10, "-o", place, "--json")
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["frames"] == 4
    if suffix in ("mp4", "webm"):
        with av.open(str(place)) as film:
            sizes = [(frame.height, frame.width) for frame in film.decode(video=0)]
    else:
        with Pillow.open(place) as film:
            sizes = [(film.height, film.width)] * film.n_frames
    assert sizes == [tuple(ran.envelope["result"]["hw"])] * 4


def test_morph_writes_a_folder(semcorr, pictures, tmp_path):
    assert semcorr("morph", *pictures, "--frames", 3, "-o", tmp_path / "frames", "-q").code == 0
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == ["frame_00000.png", "frame_00001.png", "frame_00002.png"]
    first = np.asarray(Pillow.open(tmp_path / "frames" / names[0]), np.int16)
    assert np.abs(first - np.asarray(Pillow.open(pictures[0]).convert("RGB"), np.int16)).max() <= 1


def test_morph_of_three_with_hold_and_ping_pong(semcorr, pictures, tmp_path):
    ran = semcorr(
        "morph", *pictures, pictures[0], "--frames", 3, "--hold", "0.1s", "--fps", 20, "--ping-pong",
        "-o", tmp_path / "film.gif", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    # 1 + 2 held, 2 steps, 2 held, 2 steps, 2 held; then back without showing the ends again.
    assert ran.envelope["result"]["frames"] == Pillow.open(tmp_path / "film.gif").n_frames
    assert ran.envelope["result"]["fps"] == 20


@pytest.mark.parametrize(("size", "hw"), [("64x48", [48, 64]), ("80", [60, 80]), ("63", [46, 62])])
def test_morph_sizes(semcorr, pictures, tmp_path, size, hw):
    ran = semcorr("morph", *pictures, "--frames", 2, "--size", size, "-o", tmp_path / "film.mp4", "--json")
    assert ran.envelope["result"]["hw"] == hw


@pytest.mark.parametrize(("option", "value"), [("--size", "huge"), ("--size", "4x4"), ("--hold", "often")])
def test_morph_refuses_senseless_values(semcorr, pictures, tmp_path, option, value):
    ran = semcorr("morph", *pictures, option, value, "-o", tmp_path / "film.gif")
    assert ran.code == 2
    assert not (tmp_path / "film.gif").exists()


REFUSED = {
    ("--duration", "2", "--frames", "10"): ("o.gif", "--frames 10 lasts 0.4 s"),
    ("--duration", "0.02"): ("o.gif", "the film needs 2"),
    ("--duration", "soon"): ("o.gif", "is no time"),
    ("--duration", "9000"): ("o.gif", "more than 10000 frames"),
    ("--duration", "1s", "--hold", "2s"): ("o.gif", "the film needs"),
    ("--crf", "20"): ("o.gif", "--crf is for mp4"),
    ("--crf", "52"): ("o.mp4", "0 (best) to 51"),
    ("--crf", "20", "--quality", "50"): ("o.mp4", "twice"),
    ("--quality", "50"): ("o.png", "nothing to png"),
    ("--frame-format", "jpg"): ("o.mp4", "folders of frames"),
    ("--gif-dither", "bayer"): ("o.webp", "for gif"),
    ("--gif-palette", "global"): ("o", "for gif"),
    ("--contact-sheet", "4x2", "--fps", "3"): ("o.png", "--fps is for films"),
    ("--contact-sheet", "4x2", "--ping-pong"): ("o.png", "--ping-pong is for films"),
    ("--contact-sheet", "4x2"): ("o.mp4", "not written as mp4"),
    ("--contact-sheet", "1x1"): ("o.png", "two frames or more"),
    ("--contact-sheet", "many"): ("o.png", "is no grid"),
    (): ("o.jpg", "holds one picture"),
    ("--background", "transparent"): ("o.gif", "needs to know the objects"),
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_morph_refuses_what_means_nothing(semcorr, pictures, tmp_path, options):
    name, sentence = REFUSED[options]
    ran = semcorr("morph", *pictures, *options, "-o", tmp_path / name)
    assert ran.code == 2
    assert sentence in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_morph_lasts_as_long_as_asked(semcorr, pictures, tmp_path):
    film = ("morph", *pictures, "--features", "sift", "--size", 64, "--json", "-o", tmp_path / "o.gif")
    result = semcorr(*film, "--duration", "0.8s", "--fps", 20, "--hold", 2, "--ping-pong").envelope["result"]
    assert (result["frames"], result["seconds"]) == (16, 0.8)
    assert Pillow.open(tmp_path / "o.gif").n_frames <= 16
    agreeing = ("--duration", "0.5", "--fps", 10, "--frames", 5, "--overwrite")
    assert semcorr(*film, *agreeing).envelope["result"]["frames"] == 5


def test_morph_writes_contact_sheets_and_frames_of_other_kinds(semcorr, pictures, tmp_path):
    film = ("morph", *pictures, "--features", "sift", "--size", 64)
    ran = semcorr(*film, "--contact-sheet", "3x2", "--json", "-o", tmp_path / "sheet.jpg")
    assert ran.code == 0, ran.err
    (made,) = ran.envelope["outputs"]
    with Pillow.open(tmp_path / "sheet.jpg") as sheet:
        assert [sheet.height, sheet.width] == made["hw"]
        assert sheet.width > 3 * 64
    assert semcorr(*film, "--frames", 2, "--frame-format", "jpg", "-o", tmp_path / "frames").code == 0
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["frame_00000.jpg", "frame_00001.jpg"]


@pytest.mark.parametrize("suffix", ["gif", "avif"])
def test_morph_of_objects_on_nothing(semcorr, pictures, tmp_path, suffix):
    mask = np.zeros((120, 160), np.uint8)
    mask[40:80, 50:110] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    Pillow.fromarray(mask[:116, :150]).save(tmp_path / "other.png")
    masks = ("--source-mask", tmp_path / "mask.png", "--target-mask", tmp_path / "other.png")
    film = ("morph", *pictures, *masks, "--features", "sift", "--background", "transparent", "--frames", 3)
    assert semcorr(*film, "-o", tmp_path / f"o.{suffix}").code == 0
    shown = np.asarray(Pillow.open(tmp_path / f"o.{suffix}").convert("RGBA")).astype(int)
    assert np.abs(shown[..., 3] - mask).mean() < 3
    inside = mask > 0
    original = np.asarray(Pillow.open(pictures[0]).convert("RGB")).astype(int)
    assert np.abs(shown[..., :3] - original)[inside].mean() < 12
    ran = semcorr(*film, "-o", tmp_path / "o.mp4")
    assert ran.code == 2
    assert "transparent" in ran.err


def test_morph_says_what_a_format_cannot_do(semcorr, pictures, tmp_path):
    film = ("morph", *pictures, "--features", "sift", "--size", 64, "--frames", 2)
    assert "--loop is left out" in semcorr(*film, "--loop", 2, "-o", tmp_path / "o.mp4").err
    assert "at ten" in semcorr(*film, "--fps", 60, "-o", tmp_path / "o.gif").err


def test_morph_points_by_hand(semcorr, pictures, tmp_path):
    points = tmp_path / "p.csv"
    points.write_text("source_x,source_y,target_x,target_y\n60,60,66,56\n")
    ran = semcorr("morph", *pictures, "--points", points, "--frames", 2, "-o", tmp_path / "film.gif")
    assert ran.code == 0, ran.err
    points.write_text("60,60,66,56\n60,60,66,oops\n")
    ran = semcorr("morph", *pictures, "--points", points, "--frames", 2, "-o", tmp_path / "other.gif")
    assert ran.code == 3
    assert "line 2" in ran.err


def test_warp_draws_the_source_on_the_targets_canvas(semcorr, pictures, tmp_path):
    assert semcorr("warp", *pictures, "-o", tmp_path / "o.png", "-q").code == 0
    drawn = np.asarray(Pillow.open(tmp_path / "o.png").convert("RGB"), np.float32)
    target = np.asarray(Pillow.open(pictures[1]).convert("RGB"), np.float32)
    assert drawn.shape == target.shape
    inner = (slice(20, -20), slice(20, -20))
    assert np.abs(drawn - target)[inner].mean() < 6


def test_warp_keeps_16_bits_and_transparency(semcorr, tmp_path):
    import cv2

    values = (textured((100, 120)).astype(np.uint16) * 257) + 3
    alpha = np.full((100, 120, 1), 65535, np.uint16)
    alpha[:, :30] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), np.concatenate([values[..., ::-1], alpha], axis=2))
    ran = semcorr("warp", tmp_path / "deep.png", tmp_path / "deep.png", "-o", tmp_path / "o.png", "-q")
    assert ran.code == 0, ran.err
    written = cv2.imread(str(tmp_path / "o.png"), cv2.IMREAD_UNCHANGED)
    assert written.dtype == np.uint16
    assert written.shape == (100, 120, 4)
    assert (written[:, :20, 3] == 0).mean() > 0.9
    assert np.abs(written[20:-20, 50:-20, 2].astype(int) - values[20:-20, 50:-20, 0]).mean() < 1200


def test_warp_background_transparent(semcorr, pictures, tmp_path):
    assert semcorr("warp", *pictures, "--background", "transparent", "-o", tmp_path / "o.png", "-q").code == 0
    assert Pillow.open(tmp_path / "o.png").mode == "RGBA"


def test_masks_are_taken_and_checked(semcorr, pictures, tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:120] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    ran = semcorr("match", *pictures, "--source-mask", tmp_path / "mask.png", "--json")
    points = np.array([entry["source"] for entry in ran.envelope["result"]["matches"]])
    assert points[:, 0].min() > 30
    assert points[:, 0].max() < 130
    Pillow.fromarray(mask[:, :50]).save(tmp_path / "narrow.png")
    ran = semcorr("match", *pictures, "--source-mask", tmp_path / "narrow.png", "--json")
    assert ran.code == 3
    assert "another shape" in ran.err


def test_a_transparent_avif_says_that_it_is_played_for_ever(semcorr, pictures, tmp_path):
    masks = ("--source-mask", "auto", "--target-mask", "auto", "--background", "transparent")
    ran = semcorr("morph", *pictures, *masks, "--frames", 2, "--size", 64, "--loop", 2, "-o", tmp_path / "film.avif")
    assert ran.code == 0, ran.err
    assert "--loop is left out" in ran.err


def test_masks_are_estimated(semcorr, pictures, tmp_path):
    ran = semcorr("warp", *pictures, "--source-mask", "auto", "--target-mask", "auto", "-v", "-o", tmp_path / "o.png")
    assert ran.code == 0, ran.err
    assert "the source's object was found on " in ran.err
    assert "the target's object was found on " in ran.err
    rows = [{"source": str(pictures[0]), "target": str(pictures[1]), "output": "a.png", "source_mask": "auto"}]
    rows.append(rows[0] | {"output": "b.png", "source_mask": "there is none"})
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ran = semcorr("batch", "warp", tmp_path / "jobs.jsonl", "-o", tmp_path / "out", "--check")
    assert ran.code != 0
    assert "there is no file there is none" in ran.err
    assert "no file auto" not in ran.err


def test_the_source_is_turned_as_told(semcorr, pictures, tmp_path):
    Pillow.open(pictures[1]).convert("RGB").rotate(90, expand=True).save(tmp_path / "fallen.png")
    ran = semcorr("match", tmp_path / "fallen.png", pictures[1], "--rotate", -90, "--flip", "never", "--json")
    assert ran.envelope["result"]["pose"]["angle"] == -90
    assert ran.envelope["result"]["quality"]["verdict"] == "good"
    ran = semcorr("match", *pictures, "--rotate", "sideways", "--json")
    assert ran.code == 2
    assert "sideways" in ran.err


def test_extract_writes_safetensors_and_pictures(semcorr, pictures, tmp_path):
    from safetensors.torch import load_file

    assert semcorr("extract", pictures[0], "-o", tmp_path / "f.safetensors", "-q").code == 0
    features = load_file(tmp_path / "f.safetensors")["features"]
    ran = semcorr("extract", pictures[0], "-o", tmp_path / "f.npz", "--json")
    result = ran.envelope["result"]
    assert [result["channels"], *result["grid_hw"]] == list(features.shape)
    with np.load(tmp_path / "f.npz") as file:
        assert np.array_equal(file["features"], features.numpy())
    assert semcorr("extract", pictures[0], "-o", tmp_path / "f.png", "-q").code == 0
    assert Pillow.open(tmp_path / "f.png").size == (160, 120)


def test_morph_of_points_by_hand_alone_matches_nothing(semcorr, pictures, tmp_path):
    points = tmp_path / "p.csv"
    points.write_text("60,60,66,56\n20,90,30,80\n")
    arguments = ("morph", *pictures, "--points", points, "--only-points", "--frames", 2, "--json")
    ran = semcorr(*arguments, "-o", tmp_path / "film.gif")
    assert ran.code == 0, ran.err
    assert max(ran.envelope["result"]["points_missed"]) < 1
    assert "quality" not in ran.envelope["result"]
    assert semcorr("morph", *pictures, "--only-points", "-o", tmp_path / "o.gif").code == 2


def test_points_that_contradict_each_other_are_told(semcorr, pictures, tmp_path):
    points = tmp_path / "p.csv"
    points.write_text("60,60,100,60\n100,60,60,60\n80,40,80,40\n80,80,80,80\n")
    arguments = ("morph", *pictures, "--points", points, "--only-points", "--frames", 2, "--json")
    ran = semcorr(*arguments, "-o", tmp_path / "film.gif")
    assert ran.code == 0, ran.err
    assert "of --points is missed by" in ran.err or "folds over itself" in ran.err
    result = ran.envelope["result"]
    assert max(result["points_missed"]) > 1 or result["folded"] > 0


def test_a_morph_in_front_of_a_plate_needs_both_masks(semcorr, pictures, tmp_path):
    mask = tmp_path / "mask.png"
    content = np.zeros((120, 160), np.uint8)
    content[30:90, 40:120] = 255
    Pillow.fromarray(content).save(mask)
    other = tmp_path / "other.png"
    Pillow.fromarray(content[4:, :150]).save(other)
    arguments = ("morph", *pictures, "--background", "plate", "--frames", 3, "--source-mask", mask)
    assert semcorr(*arguments, "-o", tmp_path / "film.gif").code == 2
    ran = semcorr(*arguments, "--target-mask", other, "-o", tmp_path / "frames", "--features", "sift")
    assert ran.code == 0, ran.err
    first = np.asarray(Pillow.open(tmp_path / "frames" / "frame_00000.png"), np.int16)
    assert np.abs(first - np.asarray(Pillow.open(pictures[0]).convert("RGB"), np.int16)).max() <= 1


def test_saved_points_can_be_edited_and_used(semcorr, pictures, tmp_path):
    points = tmp_path / "p.json"
    assert semcorr("match", *pictures, "--save-points", points, "--json", "--max-matches", 12).code == 0
    assert 3 <= len(json.loads(points.read_text())["matches"]) <= 12
    arguments = ("morph", *pictures, "--points", points, "--frames", 2, "--size", 64)
    assert semcorr(*arguments, "-o", tmp_path / "a.gif").code == 0
    assert semcorr(*arguments, "--only-points", "-o", tmp_path / "b.gif").code == 0
    assert semcorr("match", *pictures, "--save-points", points, "--json").code == 6
    assert semcorr("match", *pictures, "--save-points", tmp_path / "p.txt", "--json").code == 2
    lines = points.read_text().splitlines()
    lines[2] = lines[2].replace("target", "tarot")
    points.write_text("\n".join(lines))
    ran = semcorr(*arguments, "-o", tmp_path / "c.gif")
    assert ran.code == 3
    assert "line 3" in ran.err


def test_warp_points_by_hand(semcorr, pictures, tmp_path):
    points = tmp_path / "p.json"
    assert semcorr("match", *pictures, "--save-points", points, "-o", tmp_path / "m.csv", "-q").code == 0
    ran = semcorr("warp", *pictures, "--points", points, "-o", tmp_path / "both.png", "--json")
    assert ran.code == 0, ran.err
    assert max(ran.envelope["result"]["points_missed"]) < 1
    points.write_text('[\n{"source": [60, 60], "target": [66, 56]},\n{"source": [60, 60], "target": [66]}]')
    ran = semcorr("warp", *pictures, "--points", points, "-o", tmp_path / "o.png")
    assert ran.code == 3
    assert "line 3" in ran.err
    points.write_text('[{"source": [80, 60], "target": [60, 60]}]')
    ran = semcorr("warp", *pictures, "--points", points, "--only-points", "-o", tmp_path / "alone.png", "--json")
    assert ran.code == 0, ran.err
    source, drawn = (np.asarray(Pillow.open(path), np.int16) for path in (pictures[0], tmp_path / "alone.png"))
    assert np.abs(source[60, 80] - drawn[60, 60]).max() < 12
    assert semcorr("warp", *pictures, "--only-points", "-o", tmp_path / "o.png").code == 2


def test_morph_previews_are_small(semcorr, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "PREVIEW_SIDE", 64)
    ran = semcorr("morph", *pictures, "--frames", 2, "--preview", "-o", tmp_path / "film.mp4", "--json")
    assert ran.envelope["result"]["hw"] == [48, 64]


@pytest.mark.parametrize(("background", "limit"), [("keep", 16_000_000), ("target", 16_000_000), ("target", 100)])
def test_warp_previews_are_small_and_the_same_otherwise(semcorr, pictures, tmp_path, monkeypatch, background, limit):
    monkeypatch.setattr(preview, "PREVIEW_SIDE", 75)
    monkeypatch.setattr("semcorr_cli.cli.warp.LARGE", limit)
    pictures = [*pictures, "--background", background]
    assert semcorr("warp", *pictures, "-o", tmp_path / "whole.png", "-q").code == 0
    ran = semcorr("warp", *pictures, "--preview", "-o", tmp_path / "small.png", "--json")
    assert ran.envelope["outputs"][0]["hw"] == [58, 75]
    whole, small = (Pillow.open(tmp_path / f"{name}.png").convert("RGB") for name in ("whole", "small"))
    reduced = np.asarray(whole.resize((75, 58), Pillow.Resampling.BOX), np.float32)
    assert np.abs(reduced - np.asarray(small, np.float32)).mean() < 4


@pytest.mark.parametrize("background", ["keep", "target"])
def test_warp_of_a_large_target_is_that_of_any(semcorr, pictures, tmp_path, monkeypatch, background):
    drawn = []
    for name, limit in (("any", 16_000_000), ("large", 100)):
        monkeypatch.setattr("semcorr_cli.cli.warp.LARGE", limit)
        ran = semcorr("warp", *pictures, "--background", background, "-o", tmp_path / f"{name}.png", "--json")
        assert [entry["hw"] for entry in ran.envelope["inputs"]] == [[120, 160], [116, 150]]
        drawn.append((tmp_path / f"{name}.png").read_bytes())
    assert drawn[0] == drawn[1]
