"""The features of Stable Diffusion and DINO from the command line, with small random weights."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from safetensors.torch import save_file

from tests.conftest import ROOT, SAMPLES
from tests.extractors.test_hybrid import head
from tests.fake_hub import FakeHub, serving
from tests.tiny_weights import unet_file

SMALL = ("--max-side", 168)


def test_hybrid_features_match_warp_and_are_deterministic_to_the_byte(semcorr, pictures, tiny, tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for path in (first, second):
        arguments = ("--features", "hybrid", "--weights", f"hybrid={tiny}", *SMALL, "--no-cache", "-o", path, "--json")
        ran = semcorr("match", *pictures, *arguments)
        assert ran.code == 0, ran.err
        assert ran.envelope["run"]["features"] == "hybrid"
        assert ran.envelope["run"]["cached"] == [False, False]
    assert first.read_bytes() == second.read_bytes()


WATCHED = """
import sys
from semcorr_cli.cli.app import main
code = main(sys.argv[1:])
print("loaded:", sorted({"diffusers", "transformers"} & set(sys.modules)), file=sys.stderr)
raise SystemExit(code)
"""


def test_a_second_run_takes_features_from_the_cache_without_importing_diffusers(pictures, tiny, tmp_path):
    def run() -> subprocess.CompletedProcess[str]:
        arguments = ["match", *pictures, "--features", "hybrid", "--weights", f"hybrid={tiny}", *SMALL, "--json"]
        command = [sys.executable, "-c", WATCHED, *map(str, arguments)]
        environment = {"PYTHONPATH": str(ROOT), "SEMCORR_CACHE": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=True)

    first, second = run(), run()
    one, other = json.loads(first.stdout), json.loads(second.stdout)
    assert one["run"]["cached"] == [False, False]
    assert other["run"]["cached"] == [True, True]
    assert "loaded: ['diffusers', 'transformers']" in first.stderr
    assert "loaded: []" in second.stderr
    assert one["result"] == other["result"]
    assert "it/s" not in first.stderr


@pytest.mark.parametrize("features", ["dino", "diffusion", "diffusion:dift", "hybrid:sd-dino", "geoaware"])
def test_every_family_describes_a_picture(semcorr, pictures, tiny, tmp_path, features):
    given = ("--weights", f"dino={tiny / 'dino'}", "--weights", f"diffusion={tiny}")
    ran = semcorr("extract", pictures[0], "--features", features, *given, *SMALL, "-o", tmp_path / "f.npz", "--json")
    assert ran.code == 0, ran.err
    data = np.load(tmp_path / "f.npz")["features"]
    assert np.allclose(np.linalg.norm(data, axis=0), 1, atol=1e-5)
    assert list(data.shape[1:]) == ran.envelope["result"]["grid_hw"]


def test_halves_are_given_apart_and_the_unet_as_a_file(semcorr, pictures, tiny, tmp_path):
    own = unet_file(tmp_path / "unet.safetensors")
    given = ("--features", "hybrid", "--weights", f"dino={tiny / 'dino'}", *SMALL)
    whole = semcorr("extract", pictures[0], *given, "--weights", f"diffusion={tiny}", "-o", tmp_path / "a.npz")
    assert whole.code == 0, whole.err
    alone = semcorr("extract", pictures[0], *given, "--weights", f"diffusion={own}", "-o", tmp_path / "b.npz")
    assert alone.code == 4  # nobody said where encoder and schedule are
    assert "semcorr models pull hybrid" in alone.err


def test_a_picture_of_the_sample_kind_warps_with_dino(semcorr, tiny, tmp_path):
    given = ("--features", "dino", "--weights", f"dino={tiny / 'dino'}", *SMALL)
    ran = semcorr("warp", SAMPLES / "fox.jpg", SAMPLES / "corgi.jpg", *given, "-o", tmp_path / "w.png", "--json")
    assert ran.code == 0, ran.err
    assert Pillow.open(tmp_path / "w.png").size == Pillow.open(SAMPLES / "corgi.jpg").size
    assert any("none have been fitted" in reason for reason in ran.envelope["result"]["quality"]["reasons"])


def test_options_prompt_and_adapter_reach_the_extractor(semcorr, pictures, tiny, tmp_path):
    dino = ("extract", pictures[0], "--features", "dino", "--weights", f"dino={tiny / 'dino'}", *SMALL, "--overwrite")
    clean = ("extract", pictures[0], "--features", "diffusion", "--weights", f"diffusion={tiny}", *SMALL, "--overwrite")
    adapter = head(tmp_path / "head.safetensors", [32])
    found = {}
    for name, arguments in {
        "plain": dino,
        "layer": (*dino, "--feature-option", "layer=0"),
        "facet": (*dino, "--feature-option", "facet=key", "--feature-option", "frame=fit"),
        "adapter": (*dino, "--adapter", adapter),
        "diffusion": clean,
        "prompt": (*clean, "--prompt", "a cat"),
        "timestep": (*clean, "--feature-option", "timestep=50"),
    }.items():
        ran = semcorr(*arguments, "-o", tmp_path / "f.npz")
        assert ran.code == 0, ran.err
        found[name] = np.load(tmp_path / "f.npz")["features"]
    assert found["adapter"].shape[0] == 64
    for base, others in (("plain", ("layer", "facet", "adapter")), ("diffusion", ("prompt", "timestep"))):
        for other in others:
            same = found[base].shape == found[other].shape and np.allclose(found[base], found[other], atol=1e-3)
            assert not same, other


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--feature-option", "layers=9"), 2, "there is no such option"),
        (("--feature-option", "layer=last"), 2, "must be a int"),
        (("--feature-option", "layer"), 2, "KEY=VALUE"),
        (("--feature-option", "layer=99"), 2, "has 3 blocks"),
        (("--feature-option", "facet=keys"), 2, "none of token"),
        (("--prompt", "a cat"), 2, "takes no prompt"),
        (("--adapter", "nowhere.pth"), 4, "there is no adapter"),
        (("--adapter", "diy-sc"), 4, "semcorr models pull diy-sc"),
        (("--features", "hybrid", "--prompt", "a cat"), 4, "semcorr models pull hybrid"),
    ],
)
def test_what_makes_no_sense_is_said(semcorr, pictures, tiny, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    given = ("--features", "dino", "--weights", f"dino={tiny / 'dino'}", *SMALL, *arguments)
    ran = semcorr("extract", pictures[0], *given, "-o", "f.npz")
    assert ran.code == code, ran.err
    assert said in ran.err
    assert not Path("f.npz").exists()


def test_an_adapter_for_other_features_says_which_it_is_for(semcorr, pictures, tiny, tmp_path):
    adapter = tmp_path / "other.safetensors"
    save_file({"weight": __import__("torch").zeros(3)}, adapter)
    given = ("--features", "dino", "--weights", f"dino={tiny / 'dino'}", *SMALL, "-o", tmp_path / "f.npz")
    assert semcorr("extract", pictures[0], *given, "--adapter", adapter).code == 3
    wide = head(tmp_path / "wide.safetensors", [64])
    ran = semcorr("extract", pictures[0], *given, "--adapter", wide)
    assert ran.code == 2
    assert "takes layers of 64 channels; these features have 32" in ran.err


def test_models_are_listed_pulled_verified_and_found(semcorr, tmp_path, monkeypatch):
    monkeypatch.setenv("SEMCORR_HOME", str(tmp_path / "home"))
    listed = semcorr("models", "list", "--json").envelope["result"]
    rows = {row["name"]: row for row in listed["models"]}
    assert {"hybrid", "dino", "diffusion", "builtin", "diy-sc"} <= set(rows)
    assert rows["hybrid"]["here"] is False
    assert rows["dino:v3-base"]["gated"] is True
    weights = {row["name"]: row for row in listed["weights"]}
    assert weights["sd21"]["formerly"] == ["stabilityai/stable-diffusion-2-1"]
    assert {"path", "bytes", "sha256", "git_sha1"} == set(weights["dinov2-base"]["files"][0])
    assert "hybrid" in semcorr("models", "list").out.decode()

    content = {"facebook/dinov2-with-registers-small/config.json": b"{}"}
    content["facebook/dinov2-with-registers-small/model.safetensors"] = bytes(5000)
    with serving(FakeHub(content)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        pulled = semcorr("models", "pull", "dino:small-reg", "--json")
        assert pulled.code == 0, pulled.err
        assert [Path(path).name for path in pulled.envelope["result"]["files"]] == ["config.json", "model.safetensors"]
        assert "everything is here already" in semcorr("models", "pull", "dino:small-reg").err
        assert semcorr("models", "pull", "dino:small").code == 4  # the server does not have it
        assert semcorr("models", "pull", "dino:small", "--offline").code == 4
    verified = semcorr("models", "verify", "--json").envelope["result"]["files"]
    assert [row["state"] for row in verified] == ["ok", "ok"]
    place = Path(semcorr("models", "path", "dino:small-reg").out.decode().splitlines()[1])
    assert place.name == "model.safetensors"
    place.write_bytes(b"damaged")
    broken = semcorr("models", "verify", "dino:small-reg")
    assert broken.code == 4
    assert "model.safetensors is damaged" in broken.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "no-such"),
        ("pull",),
        ("pull", "dino", "--revision", "main"),
        ("pull", "hybrid", "--from", "a/b"),
        ("verify", "no-such"),
        ("path", "no-such"),
    ],
)
def test_models_that_make_no_sense_are_usage_errors(semcorr, arguments):
    assert semcorr("models", *arguments).code == 2
