import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from semcorr_cli.datasets import pf
from semcorr_cli.errors import InputError, MissingError

A, B = "2008_000033", "2010_004348"
TEST = f"PF-dataset-PASCAL/JPEGImages/{A}.jpg,PF-dataset-PASCAL/JPEGImages/{B}.jpg,2,1.5;2;3,4;5;6,7;8;9.25,10;11;12"
TRAIN = f"PF-dataset-PASCAL/JPEGImages/{A}.jpg,PF-dataset-PASCAL/JPEGImages/{B}.jpg,2"


def willow(root: Path, name: str = "test_pairs.csv", *, heading: bool = True) -> Path:
    folder = root / "PF-dataset" / "car(S)"
    folder.mkdir(parents=True)
    for picture in ("Cars_000a", "Cars_001b"):
        (folder / f"{picture}.png").touch()
    points = [*range(10), *range(20, 30), *range(100, 110), *range(200, 230, 3)]
    columns = ["imageA", "imageB", *(f"X{k}" for k in range(40))]
    row = ["PF-dataset/car(S)/Cars_000a.png", "PF-dataset/car(S)/Cars_001b.png", *points]
    lines = ([",".join(columns)] if heading else []) + [",".join(map(str, row))]
    (root / name).write_text("\n".join(lines) + "\n")
    return root


def pascal(root: Path) -> Path:
    folder = root / "PF-dataset-PASCAL"
    (folder / "JPEGImages").mkdir(parents=True)
    (folder / "Annotations" / "bicycle").mkdir(parents=True)
    shown = {A: [[1, 2], [3, 4], [np.nan, np.nan], [7, 8]], B: [[11, 12], [np.nan, np.nan], [15, 16], [17, 18], [1, 1]]}
    for name, kps in shown.items():
        (folder / "JPEGImages" / f"{name}.jpg").touch()
        content = {"kps": np.array(kps, dtype=float), "bbox": np.array([[10, 20, 310, 120]], dtype=np.uint16)}
        savemat(folder / "Annotations" / "bicycle" / f"{name}.mat", content)
    (folder / "test_pairs_pf_pascal.csv").write_text(f"source_image,target_image,class,XA,YA,XB,YB\n{TEST}\n")
    (folder / "train_pairs_pf_pascal.csv").write_text(f"source_image,target_image,class,flip\n{TRAIN},0\n{TRAIN},1\n")
    return folder


def refusal(read: Callable[..., Any], root: Path, split: str = "test") -> str:
    with pytest.raises(InputError) as caught:
        list(read(root, split))
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("name", ["test_pairs.csv", "test_pairs_pf.csv"])
@pytest.mark.parametrize("heading", [True, False])
def test_willow_lists_ten_points_of_each_picture(name: str, heading: bool, tmp_path: Path) -> None:
    (pair,) = pf.read_willow(willow(tmp_path, name, heading=heading))
    assert pair.category == "car(S)"
    assert pair.source == tmp_path / "PF-dataset" / "car(S)" / "Cars_000a.png"
    assert pair.source_points[1].tolist() == [1.5, 21.5]
    assert pair.target_points[9].tolist() == [109.5, 227.5]
    assert (len(pair.source_points), pair.target_box, pair.points_side) == (10, None, 27)


def test_willow_is_found_from_the_folder_of_its_pictures_too(tmp_path: Path) -> None:
    (willow(tmp_path) / "test_pairs.csv").rename(tmp_path / "PF-dataset" / "test_pairs.csv")
    for root in (tmp_path, tmp_path / "PF-dataset"):
        (pair,) = pf.read_willow(root)
        assert pair.target.is_file()


@pytest.mark.parametrize("up", [False, True])
def test_pascal_takes_points_from_its_list(up: bool, tmp_path: Path) -> None:
    folder = pascal(tmp_path)
    (pair,) = pf.read_pascal(tmp_path if up else folder)
    assert pair.category == "bicycle"
    assert pair.source == folder / "JPEGImages" / f"{A}.jpg"
    assert pair.source_points.tolist() == [[2, 4.5], [2.5, 5.5], [3.5, 6.5]]
    assert pair.target_points.tolist() == [[7.5, 10.5], [8.5, 11.5], [9.75, 12.5]]
    assert pair.target_box is None


def test_pascal_takes_boxes_from_its_annotations(tmp_path: Path) -> None:
    (pair,) = pf.read_pascal(pascal(tmp_path), boxes=True)
    assert pair.target_box == (10, 20, 310, 120)
    assert pair.box_side == 300


def test_pascals_training_split_is_read_from_annotations_without_its_mirrored_repeats(tmp_path: Path) -> None:
    (pair,) = pf.read_pascal(pascal(tmp_path), "trn")
    assert pair.source_points.tolist() == [[1.5, 2.5], [7.5, 8.5]]  # what both show; B's fifth is left out of A's
    assert pair.target_points.tolist() == [[11.5, 12.5], [17.5, 18.5]]


def test_without_scipy_lists_are_read_and_annotations_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.startswith("scipy"):
            raise ImportError(name)
        return imported(name, *arguments, **more)

    folder = pascal(tmp_path)
    monkeypatch.setattr(builtins, "__import__", without)
    assert len(list(pf.read_pascal(folder))) == 1
    for arguments in ({"boxes": True}, {"split": "trn"}):
        with pytest.raises(MissingError, match="scipy") as caught:
            list(pf.read_pascal(folder, **arguments))
        assert caught.value.hint == "pip install scipy"


@pytest.mark.parametrize("read", [pf.read_willow, pf.read_pascal])
def test_a_folder_in_another_layout_is_refused(read: Callable[..., Any], tmp_path: Path) -> None:
    assert "'s layout: there is no" in refusal(read, tmp_path)


@pytest.mark.parametrize("content", ["", "source_image,target_image,class\n", "a\n", "\0", "a.png,b.png\n"])
@pytest.mark.parametrize(
    ("read", "name"), [(pf.read_willow, "test_pairs.csv"), (pf.read_pascal, "test_pairs_pf_pascal.csv")]
)
def test_a_damaged_list_is_refused_by_name(read: Callable[..., Any], name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert str(tmp_path / name) in refusal(read, tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("1.5;2;3", "1.5;2"), "the numbers of x and y differ"),
        (("1.5;2;3", "1.5;two;3"), "'two' is no number"),
        (("1.5;2;3", "1.5;nan;3"), "'nan' is no number"),
        ((",2,", ",21,"), "21 is no class"),
    ],
)
def test_a_damaged_line_is_refused_by_number(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    path = pascal(tmp_path) / "test_pairs_pf_pascal.csv"
    path.write_text(f"source_image,target_image,class,XA,YA,XB,YB\n{TEST.replace(*change)}\n")
    assert f"{path}, line 2: " in refusal(pf.read_pascal, tmp_path)
    assert says in refusal(pf.read_pascal, tmp_path)


def test_a_line_of_willow_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = willow(tmp_path, heading=False) / "test_pairs.csv"
    path.write_text(path.read_text().rstrip() + ",1\n")
    assert f"{path}, line 1: 43 columns, not 42" in refusal(pf.read_willow, tmp_path)


@pytest.mark.parametrize("content", [b"", b"MATLAB", {"kps": np.zeros((3, 3))}, {"points": np.zeros((3, 2))}])
def test_a_damaged_annotation_is_refused_by_name(content: Any, tmp_path: Path) -> None:
    path = pascal(tmp_path) / "Annotations" / "bicycle" / f"{B}.mat"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        savemat(path, content)
    assert str(path) in refusal(pf.read_pascal, tmp_path, "trn")
