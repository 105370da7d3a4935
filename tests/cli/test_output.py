import csv
import io
import json
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image as Pillow

from semcorr_cli import __version__

pytestmark = pytest.mark.usefixtures("small_features")

SMALL, USUAL = ("--max-side", 160), ("--max-side", 320)  # for other processes; where positions are measured

ENVELOPE = ["semcorr", "schema", "command", "status", "inputs", "outputs", "result", "run", "errors"]


def test_the_envelope_has_its_keys(semcorr, pictures, tmp_path):
    ran = semcorr("match", *pictures, "-o", tmp_path / "o.png", "--json")
    assert ran.code == 0, ran.err
    envelope = ran.envelope
    assert list(envelope) == ENVELOPE
    assert envelope["semcorr"] == __version__
    assert envelope["schema"] == 1
    assert envelope["command"] == "match"
    assert envelope["status"] == "ok"
    assert envelope["errors"] == []
    assert [sorted(entry) for entry in envelope["inputs"]] == [["hw", "notes", "path"]] * 2
    assert envelope["inputs"][0]["hw"] == [120, 160]
    assert [sorted(entry) for entry in envelope["outputs"]] == [["hw", "path"]]
    assert envelope["outputs"][0]["path"] == str(tmp_path / "o.png")
    assert sorted(envelope["run"]) == ["cached", "device", "dtype", "features", "seconds"]
    assert envelope["run"]["cached"] == [False, False]
    assert sorted(envelope["result"]) == ["matches", "pose", "quality"]
    quality = ["agreement", "consistency", "coverage", "cycle_rate", "fold_share", "inlier_rate", "kin", "matches"]
    quality += ["facing", "first_inliers", "likeness", "probability", "reasons", "support", "swapped", "verdict"]
    assert sorted(envelope["result"]["quality"]) == sorted(quality)
    assert envelope["result"]["quality"]["matches"] == len(envelope["result"]["matches"])


def test_matches_are_scored_points_with_the_origin_at_a_pixels_centre(semcorr, pictures):
    matches = semcorr("match", *pictures, *USUAL, "--json").envelope["result"]["matches"]
    assert len(matches) > 20
    for entry in matches:
        assert sorted(entry) == ["score", "source", "target"]
        assert 0 < entry["score"] <= 1
        assert -0.5 <= entry["source"][0] <= 159.5
        assert -0.5 <= entry["target"][1] <= 115.5
    scores = [entry["score"] for entry in matches]
    assert scores == sorted(scores, reverse=True)
    # The second picture is the first one, shifted by 6 to the right and 4 up.
    shift = np.median([np.subtract(entry["target"], entry["source"]) for entry in matches], axis=0)
    assert np.abs(shift - [6, -4]).max() < 1.5


def test_json_without_output_writes_no_file(semcorr, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert semcorr("match", *pictures, "--json").envelope["outputs"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_without_output_the_result_lies_here_named_after_the_source(semcorr, pictures, tmp_path, monkeypatch):
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    assert semcorr("match", *pictures).code == 0
    assert semcorr("warp", *pictures).code == 0
    assert semcorr("morph", *pictures, "--frames", 2).code == 0
    assert semcorr("extract", pictures[0]).code == 0
    names = sorted(path.name for path in place.iterdir())
    assert names == ["a.features.npz", "a.match.png", "a.morph.gif", "a.warp.png"]


def test_points_are_answered(semcorr, pictures):
    points = semcorr("match", *pictures, "--points", "60,60 100,40", *USUAL, "--json").envelope["result"]["points"]
    assert [entry["source"] for entry in points] == [[60, 60], [100, 40]]
    for entry, (x, y) in zip(points, [(66, 56), (106, 36)], strict=True):
        assert abs(entry["target"][0] - x) < 2
        assert abs(entry["target"][1] - y) < 2
        assert 0 <= entry["confidence"] <= 1


def test_points_beside_a_file_are_told_on_stdout(semcorr, pictures, tmp_path):
    ran = semcorr("match", *pictures, "--points", "60,60", "-o", tmp_path / "o.csv")
    assert ran.out.decode().startswith("60,60 -> ")


def test_max_matches_keeps_the_best(semcorr, pictures):
    everything = semcorr("match", *pictures, "--json").envelope["result"]["matches"]
    assert semcorr("match", *pictures, "--json", "--max-matches", 7).envelope["result"]["matches"] == everything[:7]


def test_every_kind_of_match_file(semcorr, pictures, tmp_path):
    for suffix in ("png", "jpg", "webp", "json", "csv", "npz", "flo"):
        ran = semcorr("match", *pictures, "-o", tmp_path / f"o.{suffix}", "-q")
        assert ran.code == 0, ran.err
    for suffix in ("png", "jpg", "webp"):
        assert Pillow.open(tmp_path / f"o.{suffix}").width > 300
    count = len(json.loads((tmp_path / "o.json").read_text())["matches"])
    assert len(list(csv.DictReader((tmp_path / "o.csv").open()))) == count
    with np.load(tmp_path / "o.npz") as file:
        assert file["source"].shape == (count, 2)
        assert file["map"].shape == (116, 150, 2)
    assert (tmp_path / "o.flo").stat().st_size == 12 + 116 * 150 * 8


def test_every_drawing_of_a_match(semcorr, pictures, tmp_path):
    drawn = set()
    for draw in ("lines", "points", "field", "heatmap", "pca"):
        points = ["--points", "60,60"] if draw in ("points", "heatmap") else []
        ran = semcorr("match", *pictures, "--draw", draw, *points, "-o", tmp_path / f"{draw}.png", "-q")
        assert ran.code == 0, ran.err
        drawn.add(Pillow.open(tmp_path / f"{draw}.png").tobytes())
    assert len(drawn) == 5
    for arguments in (["--draw", "heatmap"], ["--draw", "heatmap", "--points", "1,1 2,2"]):
        assert semcorr("match", *pictures, *arguments, "-o", tmp_path / "o.png").code == 2
    assert semcorr("match", *pictures, "--draw", "field", "-o", tmp_path / "o.csv").code == 2
    assert semcorr("match", *pictures, "--draw", "field", "--json").code == 2


@pytest.mark.parametrize(("verb", "magic"), [("warp", b"\x89PNG"), ("morph", b"GIF89a"), ("match", b"\x89PNG")])
def test_stdout_holds_the_artefact_and_nothing_else(shell, pictures, tmp_path, verb, magic):
    extra = ["--frames", 3] if verb == "morph" else []
    ran = shell(verb, *pictures, "-o", "-", *extra, *SMALL, "-vv")
    assert ran.code == 0, ran.err
    assert ran.out.startswith(magic)
    picture = Pillow.open(io.BytesIO(ran.out))
    assert getattr(picture, "n_frames", 1) == (3 if verb == "morph" else 1)


def test_extract_to_stdout_is_a_whole_archive(semcorr, pictures):
    ran = semcorr("extract", pictures[0], "-o", "-")
    assert zipfile.ZipFile(io.BytesIO(ran.out)).testzip() is None
    with np.load(io.BytesIO(ran.out)) as file:
        features, hw = file["features"], file["image_hw"]
    assert features.dtype == np.float32
    assert np.allclose(np.linalg.norm(features, axis=0), 1, atol=1e-4)
    assert hw.tolist() == [120, 160]


def test_stdin_is_read(shell, pictures):
    ran = shell("match", "-", pictures[1], *SMALL, "--json", stdin=pictures[0].read_bytes())
    assert ran.code == 0, ran.err
    assert ran.envelope["inputs"][0]["path"] == "-"


def test_stdin_serves_one_input_only(semcorr):
    assert semcorr("match", "-", "-", "--json").code == 2


def test_stdout_and_json_cannot_both_have_it(semcorr, pictures):
    assert semcorr("warp", *pictures, "-o", "-", "--json").code == 2


def test_a_failure_still_prints_one_envelope(semcorr, pictures):
    ran = semcorr("match", pictures[0], "nowhere.png", "--json")
    assert ran.code == 3
    assert list(ran.envelope) == ENVELOPE
    assert ran.envelope["status"] == "error"
    assert ran.envelope["errors"] == [
        {"kind": "input", "exit_code": 3, "message": "there is no file nowhere.png", "hint": None}
    ]


def test_quiet_is_quiet_and_verbose_tells(semcorr, pictures, tmp_path):
    assert semcorr("warp", *pictures, "-o", tmp_path / "1.png", "-q").err == ""
    assert "features: " in semcorr("warp", *pictures, "-o", tmp_path / "2.png").err
    loud = semcorr("warp", *pictures, "-o", tmp_path / "3.png", "-v").err
    assert "quality: " in loud


def test_the_second_run_is_cached_and_gives_the_same_bytes(semcorr, pictures, tmp_path):
    first = semcorr("warp", *pictures, "-o", tmp_path / "1.png", "--json")
    second = semcorr("warp", *pictures, "-o", tmp_path / "2.png", "--json")
    assert first.envelope["run"]["cached"] == [False, False]
    assert second.envelope["run"]["cached"] == [True, True]
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.parametrize("arguments", [(), ("match",), ("warp",), ("morph",), ("extract",), ("evaluate",), ("doctor",)])
def test_help_shows_examples_and_imports_nothing_heavy(arguments):
    import subprocess

    code = (
        "import sys; from semcorr_cli.cli.app import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'cv2', 'kornia', 'diffusers', 'transformers', 'PIL', 'av'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments, "--help"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"semcorr" in done.stdout


def test_version(semcorr):
    assert semcorr("--version").out.decode().strip() == f"semcorr {__version__}"


def test_doctor_and_models_and_cache_answer_in_json(semcorr, pictures):
    doctor = semcorr("doctor", "--json").envelope["result"]
    assert doctor["packages"]["torch"]
    assert "cpu" in doctor["devices"]
    names = [row["name"] for row in semcorr("models", "list", "--json").envelope["result"]["models"]]
    assert "builtin" in names
    semcorr("match", *pictures, "--json")
    info = semcorr("cache", "info", "--json").envelope["result"]
    assert info["files"] >= 2
    assert info["bytes"] > 0
    removed = semcorr("cache", "prune", "--json").envelope["result"]
    assert removed["files"] == info["files"]
    assert semcorr("cache", "info", "--json").envelope["result"]["files"] == 0


def test_no_cache_leaves_nothing(semcorr, pictures):
    semcorr("match", *pictures, "--json", "--no-cache")
    assert semcorr("cache", "info", "--json").envelope["result"]["files"] == 0
