"""`semcorr evaluate` from its options to its files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from semcorr_cli.session import Session
from tests.conftest import ROOT, SAMPLES, textured
from tests.datasets import test_ap10k as ap10k
from tests.datasets import test_pf as pf
from tests.datasets import test_tss as tss

PACKAGED = ROOT / "semcorr_cli" / "extractors" / "builtin.safetensors"
QUICK = ("--features", "sift", "--predict", "nearest")


@pytest.fixture(scope="module")
def spair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in SPair-71k's layout: four pairs of two categories, each of a picture and itself moved."""
    root = tmp_path_factory.mktemp("spair")
    for number, category in enumerate(("cat", "cat", "cow", "cow")):
        folder = root / "JPEGImages" / category
        folder.mkdir(parents=True, exist_ok=True)
        content = textured((100, 120), seed=number)
        Pillow.fromarray(content).save(folder / f"{number}.jpg", quality=95)
        Pillow.fromarray(np.roll(content, (4, 6), axis=(0, 1))).save(folder / f"{number}m.jpg", quality=95)
        points = [[x, y] for x in (30, 60, 90) for y in (30, 70)]
        annotation = {
            "src_imname": f"{number}.jpg",
            "trg_imname": f"{number}m.jpg",
            "category": category,
            "trg_bndbox": [20, 20, 110, 90],
            "src_kps": points,
            "trg_kps": [[x + 6, y + 4] for x, y in points],
            "viewpoint_variation": number,
        }
        path = root / "PairAnnotation" / "test" / f"00000{number}-{number}-{number}m:{category}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(annotation))
    return root


def test_evaluate_prints_the_pinned_keys(semcorr):
    ran = semcorr("evaluate", "samples", SAMPLES, "--predict", "nearest", "--limit", 4, "--json")
    assert ran.code == 0, ran.err
    result = ran.envelope["result"]
    keys = ["calibration", "categories", "category_mean", "hard", "pairs", "pck", "predict", "protocol", "traits"]
    assert sorted(result) == keys
    assert sorted(result["pck"]) == ["per_image", "per_point"]
    assert sorted(result["category_mean"]) == ["per_image", "per_point", "per_point_weighted_by_pairs"]
    assert list(result["pck"]["per_image"]) == ["0.05", "0.10", "0.20"]
    assert (result["pairs"], result["protocol"]) == (4, "per-image,<=,bbox")
    assert 20 < result["pck"]["per_image"]["0.10"] <= 100
    ran = semcorr("evaluate", "samples", SAMPLES, "--predict", "nearest", "--limit", 4)
    assert "mean of categories" in ran.out.decode()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--protocol", "sometimes"),
        ("--limit", "0"),
        ("--sample", "0"),
        ("--changes", "similarity"),
        ("--split", "trn"),
        ("--alphas", "much"),
        ("--protocol", "dift"),
        ("--protocol", "geo", "--predict", "nearest", "--limit", "1"),
        ("--output", "table.png"),
        ("--report", "report.pdf"),
    ],
)
def test_senseless_options_are_wrong_usage(semcorr, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    ran = semcorr("evaluate", "samples", SAMPLES, *arguments)
    assert ran.code == 2, ran.err
    assert list(tmp_path.iterdir()) == []


def test_large_pictures_are_refused(semcorr, spair):
    ran = semcorr("evaluate", "spair", spair, *QUICK, "--max-pixels", 100)
    assert (ran.code, "Traceback" in ran.err) == (3, False)


@pytest.mark.parametrize("dataset", ["spair", "pf-pascal", "pf-willow", "ap10k", "tss", "samples"])
def test_a_strange_folder_is_exit_3(semcorr, tmp_path, dataset):
    ran = semcorr("evaluate", dataset, tmp_path)
    assert (ran.code, "Traceback" in ran.err) == (3, False)


def test_a_run_that_was_stopped_goes_on_and_ends_alike(semcorr, spair, tmp_path, monkeypatch):
    options = ("--features", "sift", "--max-side", "64", "--limit", "3", "--json")
    arguments = ("evaluate", "spair", spair, *options, "--log", tmp_path / "log.jsonl")
    whole = semcorr(*arguments[:-1], tmp_path / "whole.jsonl")
    assert whole.code == 0, whole.err
    assert sum(called["pairs"] for called in whole.envelope["result"]["calibration"].values()) == 3
    count = 0
    correspond = Session.correspond

    def stopping(self: Session, *pictures: object) -> object:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        return correspond(self, *pictures)

    monkeypatch.setattr(Session, "correspond", stopping)
    assert semcorr(*arguments).code == 130
    again = semcorr(*arguments)
    assert again.envelope["result"] == whole.envelope["result"]
    assert "knows 1 of the results" in again.err
    assert count == 4  # one, the one that was stopped, and the two that were left
    assert semcorr(*arguments).envelope["result"] == whole.envelope["result"]
    assert count == 4
    refused = semcorr(*arguments, "--protocol", "<")
    assert refused.code == 2
    assert "protocol was 'per-image,<=,bbox' and is 'per-image,<,bbox'" in refused.err


@pytest.mark.parametrize("suffix", [".html", ".md"])
@pytest.mark.parametrize("hard", [(), ("--hard",)])
def test_a_report_shows_tables_and_the_worst_pairs(semcorr, spair, tmp_path, suffix, hard):
    path = tmp_path / f"report{suffix}"
    ran = semcorr("evaluate", "spair", spair, *QUICK, *hard, "--report", path)
    assert ran.code == 0, ran.err
    page = path.read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    for text in ("mean of categories", "viewpoint 3", "000002-2-2m", "sift", "points"):
        assert text in page
    assert semcorr("evaluate", "spair", spair, *QUICK, "--report", path).code == 6
    assert semcorr("evaluate", "spair", spair, *QUICK, "--report", path, "--overwrite").code == 0


def test_a_log_knows_the_content_of_weights(semcorr, spair, tmp_path):
    weights = tmp_path / "weights.safetensors"
    shutil.copy(PACKAGED, weights)
    arguments = ("--weights", f"builtin={weights}", "--max-side", 64, "--log", tmp_path / "log.jsonl", "--limit", 1)
    where = ("evaluate", "spair", spair, "--predict", "nearest", "--features", "builtin", *arguments)
    assert semcorr(*where).code == 0
    assert "knows 1 of the results" in semcorr(*where).err
    with weights.open("ab") as file:
        file.write(b" ")
    ran = semcorr(*where)
    assert ran.code == 2
    assert "holds results found otherwise: weights was" in ran.err


def test_a_sample_may_hold_a_pair_twice(semcorr, spair):
    result = semcorr("evaluate", "spair", spair, *QUICK, "--sample", 5, "--json").envelope["result"]
    assert result["pairs"] == 10
    assert [group["pairs"] for group in result["categories"].values()] == [5, 5]


def test_ways_of_reading_agree_on_moved_pictures(semcorr, spair):
    for words in ("dift", "sd-dino", "geoaware", "kps"):
        ran = semcorr("evaluate", "spair", spair, *QUICK, "--protocol", words, "--alphas", "0.1", "--json")
        assert ran.envelope["result"]["pck"]["per_image"]["0.10"] > 80


def found(semcorr: Callable[..., object], *arguments: object) -> dict[str, object]:
    ran = semcorr("evaluate", *arguments, "--features", "sift", "--json")
    assert ran.code == 0, ran.err
    return ran.envelope["result"]


def test_ap10k_is_measured(semcorr, tmp_path):
    root = ap10k.tree(tmp_path)
    content = textured((110, 120))
    for name in ap10k.SEEN:
        path = root / "JPEGImages" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(content).save(path)
    where = ("ap10k", root, "--split", "test_cross_family", "--predict", "nearest")
    assert found(semcorr, *where)["pck"]["per_image"]["0.10"] == 100
    geo = found(semcorr, *where, "--protocol", "geo")
    assert geo["categories"]["all"]["points"] < found(semcorr, *where)["categories"]["all"]["points"]


def test_pf_pascal_and_pf_willow_are_measured(semcorr, tmp_path):
    roots = pf.pascal(tmp_path / "pascal"), pf.willow(tmp_path / "willow")
    content = textured((240, 260))
    for path in [*tmp_path.rglob("*.jpg"), *tmp_path.rglob("*.png")]:
        Pillow.fromarray(content).save(path)
    pascal = found(semcorr, "pf-pascal", roots[0], "--predict", "nearest")
    assert (pascal["protocol"], list(pascal["pck"]["per_image"])) == ("per-image,<=,img", ["0.05", "0.10", "0.15"])
    boxes = found(semcorr, "pf-pascal", roots[0], "--predict", "nearest", "--protocol", "bbox")
    assert (boxes["protocol"], boxes["pairs"]) == ("per-image,<=,bbox", 1)
    willow = found(semcorr, "pf-willow", roots[1], "--predict", "nearest")
    assert (willow["protocol"], list(willow["categories"])) == ("per-image,<=,kps", ["car(S)"])


@pytest.mark.parametrize("flip", [0, 1])
def test_the_flow_of_tss_is_measured_mirrored_or_not(semcorr, tmp_path, flip):
    made = tss.folder(tmp_path / "tss", flip=str(flip))
    content = textured((96, 128))
    Pillow.fromarray(content).save(made / "image1.png")
    Pillow.fromarray(content[:, ::-1] if flip else content).save(made / "image2.png")
    for number in (1, 2):
        flow = np.full((96, 128, 2), 1e10)
        flow[30:60, 40:80] = 0
        tss.flo(made / f"flow{number}.flo", flow)
    how = () if flip else ("--predict", "nearest")  # only the field finds out that a picture is mirrored
    result = found(semcorr, "tss", tmp_path / "tss", *how)
    assert (result["protocol"], result["pairs"], result["categories"]["JODS"]["points"]) == (
        "per-image,<=,img",
        2,
        2400,
    )
    assert result["pck"]["per_image"]["0.05"] > 95
