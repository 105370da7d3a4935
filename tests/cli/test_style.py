import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from tests.conftest import SAMPLES, textured


def read(path):
    return np.asarray(Pillow.open(path).convert("RGB"), np.int16)


@pytest.mark.parametrize("method", ["color", "patch"])
def test_a_picture_in_its_own_style_comes_back(semcorr, tmp_path, method):
    from semcorr_cli.core import metrics
    from semcorr_cli.io import images

    content, place = SAMPLES / "fox.jpg", tmp_path / "o.png"
    if method == "patch":
        Pillow.open(content).resize((192, 192)).save(tmp_path / "small.png")
        content = tmp_path / "small.png"
    assert semcorr("transfer-style", content, content, "--method", method, "-o", place, "-q").code == 0
    both = [images.load(str(path)).rgb for path in (content, place)]
    assert float(metrics.colour_difference(*both).mean()) < 1


def test_json_carries_the_pinned_measures(semcorr, tmp_path):
    ran = semcorr(
        "transfer-style", SAMPLES / "beetle.jpg", SAMPLES / "van.jpg", "-o", tmp_path / "o.png", "--json"
    )  # fmt: skip
    assert ran.code == 0, ran.err
    style = ran.envelope["result"]["style"]
    assert list(style) == [
        "method", "reach", "local_share", "distance", "parts", "gradient_correlation", "leak", "gamut_share"
    ]  # fmt: skip
    assert (style["method"], style["reach"], style["leak"]) == ("color", "local", None)
    assert style["distance"]["ratio"] < 0.6
    assert style["gradient_correlation"] > 0.95
    assert Pillow.open(tmp_path / "o.png").size == Pillow.open(SAMPLES / "beetle.jpg").size


def test_a_mask_confines_the_change(semcorr, pictures, tmp_path):
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:120] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    Pillow.fromarray(255 - read(pictures[1]).astype(np.uint8)).save(tmp_path / "style.png")
    place = tmp_path / "o.png"
    ran = semcorr(
        "transfer-style", pictures[0], tmp_path / "style.png", "--mask", tmp_path / "mask.png", "-o", place, "--json"
    )
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["style"]["leak"] < 0.5
    changed = np.abs(read(place) - read(pictures[0])).max(axis=2)
    assert changed[mask == 0].max() == 0
    assert changed[mask == 255].mean() > 1
    Pillow.fromarray(mask[:, :50]).save(tmp_path / "narrow.png")
    ran = semcorr("transfer-style", *pictures, "--mask", tmp_path / "narrow.png", "-o", tmp_path / "p.png")
    assert ran.code == 3
    assert not (tmp_path / "p.png").exists()


def test_a_background_is_kept_only_where_one_knows_the_object(semcorr, pictures, tmp_path):
    place = tmp_path / "o.png"
    told = ("transfer-style", *pictures, "--features", "sift", "--background", "keep", "-o", place)
    ran = semcorr(*told)
    assert ran.code == 2
    assert "--source-mask" in ran.err
    assert not place.exists()
    mask = np.zeros((120, 160), np.uint8)
    mask[30:90, 40:120] = 255
    Pillow.fromarray(mask).save(tmp_path / "mask.png")
    assert semcorr(*told, "--source-mask", tmp_path / "mask.png").code == 0
    assert np.abs(read(place) - read(pictures[0])).max(axis=2)[mask == 0].max() == 0


def test_16_bits_and_transparency_survive(semcorr, pictures, tmp_path):
    values = (textured((100, 120)).astype(np.uint16) * 257) + 3
    alpha = np.full((100, 120, 1), 65535, np.uint16)
    alpha[:, :30] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), np.concatenate([values[..., ::-1], alpha], axis=2))
    ran = semcorr("transfer-style", tmp_path / "deep.png", pictures[1], "-o", tmp_path / "o.png", "-q")
    assert ran.code == 0, ran.err
    written = cv2.imread(str(tmp_path / "o.png"), cv2.IMREAD_UNCHANGED)
    assert written.dtype == np.uint16
    assert np.array_equal(written[..., 3], alpha[..., 0])
    assert len(np.unique(written[..., :3])) > 300


def test_doubtful_matches_are_confessed(semcorr, pictures, tmp_path):
    Pillow.new("RGB", (120, 100), (200, 90, 30)).save(tmp_path / "blank.png")
    ran = semcorr("transfer-style", pictures[0], tmp_path / "blank.png", "-o", tmp_path / "o.png", "--json")
    assert ran.code == 0
    assert ran.envelope["result"]["style"]["reach"] == "global"
    assert "as a whole" in ran.err


@pytest.mark.parametrize(
    "arguments", [("--method", "magic"), ("--strength", "2"), ("--luma", "some"), ("--stats", "mode"), ("-o", "x.gif")]
)
def test_senseless_options_are_exit_2(semcorr, pictures, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    assert semcorr("transfer-style", *pictures, *arguments).code == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_patches_are_laid_and_previews_go(semcorr, pictures, tmp_path):
    place = tmp_path / "o.png"
    ran = semcorr(
        "transfer-style", *pictures, "--method", "patch", "--features", "sift", "--preview-every", 0, "-o", place, "-q"
    )
    assert ran.code == 0, ran.err
    assert Pillow.open(place).size == (160, 120)
    assert not (tmp_path / "o.preview.png").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_an_interrupted_method_keeps_its_preview_if_asked(semcorr, pictures, tmp_path, monkeypatch, keep):
    from semcorr_cli.effects.style import search

    voted, calls = search.voted, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return voted(*arguments)

    monkeypatch.setattr(search, "voted", interrupted)
    ran = semcorr(
        "transfer-style", *pictures, "--method", "patch", "--features", "sift", "--preview-every", 0,
        *(["--keep-preview"] if keep else []), "-o", tmp_path / "o.png",
    )  # fmt: skip
    assert ran.code == 130
    assert (tmp_path / "o.preview.png").exists() == keep
    assert ("last preview is" in ran.err) == keep
    assert not (tmp_path / "o.png").exists()


def test_previews_need_a_place(semcorr, pictures, tmp_path):
    for arguments in (("-o", "-", "--preview-every", 1), ("-o", tmp_path / "o.png", "--keep-preview")):
        assert semcorr("transfer-style", *pictures, "--method", "patch", *arguments).code == 2


def test_diffusion_without_weights_is_exit_4_at_once(semcorr, pictures, tmp_path):
    for weights in ((), ("--weights", f"diffusion={tmp_path / 'none'}")):
        ran = semcorr("transfer-style", *pictures, "--method", "diffusion", *weights, "-o", tmp_path / "o.png")
        assert ran.code == 4
        assert "semcorr models pull diffusion" in ran.err
        assert not (tmp_path / "o.png").exists()
