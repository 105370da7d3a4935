import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from semcorr_cli.datasets import samples
from semcorr_cli.errors import InputError
from semcorr_cli.io import images
from tests.conftest import SAMPLES


def packed(xy: np.ndarray, steps: int = 32) -> dict[str, Any]:
    """Returns a map as the files hold it: fixed point, then differences along columns and rows."""
    fixed = np.where(np.isnan(xy), samples.NONE, np.nan_to_num(xy) * steps).astype(np.uint16)
    across = np.diff(fixed, axis=1, prepend=np.zeros_like(fixed[:, :1]))
    return {"delta": np.diff(across, axis=0, prepend=np.zeros_like(across[:1])), "steps": np.array(steps)}


def folder(root: Path, xy: np.ndarray, **changes: Any) -> Path:
    """Returns a folder with one pair of pictures, whose true map is given."""
    np.savez(root / "a--b.npz", **packed(xy))
    picture = {"category": "thing", "hw": list(xy.shape[:2]), "box": [1.5, 2.5, 21.5, 12.5]}
    pair = {"source": "a.png", "target": "b.png", "map": "a--b.npz"} | changes
    index = {"images": {"a.png": picture, "b.png": picture}, "pairs": [pair]}
    (root / "pairs.json").write_text(json.dumps(index))
    return root


def shifted(hw: tuple[int, int]) -> np.ndarray:
    """Returns the map that reads two pixels to the right and one above; there is none in the left half."""
    y, x = np.mgrid[: hw[0], : hw[1]] + 0.5
    xy = np.stack([x + 2, y + 1], axis=-1)
    xy[:, : hw[1] // 2] = np.nan
    return xy


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(samples.read(root))
    assert "\n" not in caught.value.message
    return caught.value.message


def test_a_map_is_read_to_its_last_step_and_is_nan_where_there_is_none(tmp_path: Path) -> None:
    xy = shifted((24, 32))
    np.savez(tmp_path / "a.npz", **packed(xy))
    read = samples.dense(tmp_path / "a.npz")
    assert read.dtype == torch.float32
    assert np.array_equal(read.numpy(), xy.astype(np.float32), equal_nan=True)


def test_a_lattice_of_the_pixels_that_have_a_counterpart_becomes_points(tmp_path: Path) -> None:
    pair = samples.read(folder(tmp_path, shifted((24, 32))))[0]
    expected = [[x + 0.5, y + 0.5] for y in (4, 12, 20) for x in (20, 28)]
    assert pair.target_points.tolist() == expected
    assert pair.source_points.tolist() == [[x + 2, y + 1] for x, y in expected]
    assert (pair.source, pair.target) == (tmp_path / "a.png", tmp_path / "b.png")
    assert (pair.name, pair.category, pair.box_side) == ("a.png--b.png", "thing", 20)


def test_the_samples_of_the_repository_are_whole() -> None:
    pairs = list(samples.read(SAMPLES))
    assert len(pairs) == len({pair.name for pair in pairs}) == len(list((SAMPLES / "truth").glob("*.npz")))
    assert {pair.category for pair in pairs} == {"car", "face", "quadruped", "teapot"}
    for pair in pairs:
        assert len(pair.source_points) == len(pair.target_points) > 50
        assert pair.source_points.isfinite().all()
        left, top, right, bottom = pair.target_box
        x, y = pair.target_points.unbind(-1)
        assert (x > left - 2).all()
        assert (x < right + 2).all()
        assert (y > top - 2).all()
        assert (y < bottom + 2).all()


def test_points_of_the_samples_lie_in_their_pictures_and_agree_both_ways() -> None:
    there, back = (
        next(pair for pair in samples.read(SAMPLES) if pair.name == name)
        for name in ("fox.jpg--corgi.jpg", "corgi.jpg--fox.jpg")
    )
    for points, path in ((there.source_points, there.source), (there.target_points, there.target)):
        height, width = images.load(str(path)).hw
        assert (points >= 0).all()
        assert (points <= torch.tensor([width, height])).all()
    returned = samples.dense(SAMPLES / "truth" / "corgi--fox.npz")
    column, row = there.source_points.floor().long().unbind(-1)
    error = (returned[row, column] - there.target_points).norm(dim=-1)
    known = error.isfinite()
    assert known.float().mean() > 0.8
    assert float(error[known].median()) < 2
    assert back.category == there.category


def test_a_folder_without_an_index_is_no_samples(tmp_path: Path) -> None:
    assert "does not hold the samples" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"pairs": []}'])
def test_a_damaged_index_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text(content)
    assert f"{tmp_path / 'pairs.json'} is not an index of samples" in refusal(tmp_path)


@pytest.mark.parametrize("change", [{"target": "c.png"}, {"map": None}, {"map": "missing.npz"}, {"source": None}])
def test_a_damaged_entry_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    assert str(tmp_path) in refusal(folder(tmp_path, shifted((24, 32)), **change))


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_map_is_refused(content: bytes, tmp_path: Path) -> None:
    folder(tmp_path, shifted((24, 32)))
    (tmp_path / "a--b.npz").write_bytes(content)
    assert f"{tmp_path / 'a--b.npz'} is not a true map" in refusal(tmp_path)


def test_a_map_cut_short_or_of_other_contents_is_refused(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "truth" / "fox--corgi.npz", tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "b.npz", something=np.zeros(3))
    np.savez(tmp_path / "c.npz", delta=np.zeros((4, 4)), steps=np.array(32))
    (tmp_path / "d.npz").write_bytes(whole[:200] + bytes(100) + whole[300:])
    for name in ("a", "b", "c", "d"):
        with pytest.raises(InputError, match="is not a true map"):
            samples.dense(tmp_path / f"{name}.npz")
