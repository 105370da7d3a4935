import json
from pathlib import Path
from typing import Any

import pytest

from semcorr_cli.datasets import TruePair, spair
from semcorr_cli.errors import InputError

# Two pairs of the test split, and one of val, named as SPair-71k names them.
PAIRS = [
    ("test", "000002-2008_003743-2009_000934:cat", [[10, 20], [30.5, 40]], [[0, 0], [99, 49]]),
    ("test", "000001-2008_000021-2008_003743:aeroplane", [[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 10], [11, 12]]),
    ("val", "000003-2009_000934-2008_003743:cat", [[0, 0]], [[5, 5]]),
]


def annotation(name: str, source: list[Any], target: list[Any]) -> dict[str, Any]:
    number, pair = name.split("-", 1)
    (left, right), category = pair.split(":")[0].split("-"), name.split(":")[1]
    return {
        "filename": f"{name}.json",
        "src_imname": f"{left}.jpg",
        "trg_imname": f"{right}.jpg",
        "pair_id": int(number),
        "category": category,
        "viewpoint_variation": 1,
        "scale_variation": 0,
        "truncation": 3,
        "occlusion": 0,
        "mirror": 0,
        "src_pose": "Left",
        "trg_pose": "Unspecified",
        "src_imsize": [100, 50, 3],
        "trg_imsize": [100, 50, 3],
        "src_bndbox": [1, 2, 90, 48],
        "trg_bndbox": [10, 5, 70, 45],
        "src_kps": source,
        "trg_kps": target,
        "kps_ids": [str(k) for k in range(len(source))],
    }


def tree(root: Path, *, colon: str = ":", layout: bool = True) -> Path:
    for split, name, source, target in PAIRS:
        folder = root / "PairAnnotation" / split
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name.replace(':', colon)}.json"
        path.write_text(json.dumps(annotation(name, source, target)))
        if layout:
            listed = root / "Layout" / "large" / f"{split}.txt"
            listed.parent.mkdir(parents=True, exist_ok=True)
            with listed.open("a") as file:
                file.write(f"{name}\n")
    return root


def refusal(root: Path, split: str = "test") -> str:
    with pytest.raises(InputError) as caught:
        list(spair.read(root, split))
    assert "\n" not in caught.value.message
    return caught.value.message


def damaged(root: Path, **changes: Any) -> Path:
    """Returns a data set whose first listed pair differs in some keys; None leaves a key out."""
    _, name, source, target = PAIRS[0]
    data = annotation(name, source, target) | changes
    path = tree(root) / "PairAnnotation" / "test" / f"{name}.json"
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    return root


@pytest.mark.parametrize("colon", [":", "_", "-"])
def test_pairs_come_in_the_order_of_the_list_whatever_became_of_the_colons(colon: str, tmp_path: Path) -> None:
    pairs = list(spair.read(tree(tmp_path, colon=colon)))
    assert [pair.category for pair in pairs] == ["cat", "aeroplane"]
    assert [len(pair.source_points) for pair in pairs] == [2, 3]


def test_pairs_come_by_name_where_there_is_no_list(tmp_path: Path) -> None:
    pairs = list(spair.read(tree(tmp_path, layout=False)))
    assert [pair.category for pair in pairs] == ["aeroplane", "cat"]


def test_a_pair_is_translated_from_the_first_pixels_centre(tmp_path: Path) -> None:
    pair: TruePair = spair.read(tree(tmp_path))[0]
    assert pair.source_points.tolist() == [[10.5, 20.5], [31, 40.5]]
    assert pair.target_points.tolist() == [[0.5, 0.5], [99.5, 49.5]]
    assert pair.source == tmp_path / "JPEGImages" / "cat" / "2008_003743.jpg"
    assert pair.target == tmp_path / "JPEGImages" / "cat" / "2009_000934.jpg"
    assert pair.box_side == 60
    assert (pair.source_change, pair.target_change, pair.ambiguous) == (None, None, None)
    assert pair.traits == ("viewpoint 1", "scale 0", "truncation 3", "occlusion 0", "mirror 0")


def test_the_small_layout_is_a_part_of_the_large_one(tmp_path: Path) -> None:
    tree(tmp_path)
    assert "has no small layout" in refusal(tmp_path, "test-small")
    (tmp_path / "Layout" / "small").mkdir()
    (tmp_path / "Layout" / "small" / "test.txt").write_text(f"{PAIRS[1][1]}\n")
    assert [pair.category for pair in spair.read(tmp_path, "test-small")] == ["aeroplane"]


def test_points_with_a_look_alike_in_the_target_are_marked(tmp_path: Path) -> None:
    _, name, source, target = PAIRS[1]
    path = tree(tmp_path) / "PairAnnotation" / "test" / f"{name}.json"
    path.write_text(json.dumps(annotation(name, source, target) | {"kps_ids": ["0", "4", "8"]}))
    seen = {"0": [7, 8], "4": [9, 10], "5": [1, 1], "8": [11, 12], "9": None}
    kps = {str(k): seen.get(str(k)) for k in range(30)}
    picture = tmp_path / "ImageAnnotation" / "aeroplane" / "2008_003743.json"
    picture.parent.mkdir(parents=True)
    picture.write_text(json.dumps({"filename": "2008_003743.jpg", "kps": kps}))
    pair = spair.read(tmp_path)[1]
    assert pair.ambiguous is not None
    assert pair.ambiguous.tolist() == [False, True, False]  # wing ends 4 and 5 are in sight, of 8 and 9 only one
    path.write_text(json.dumps(annotation(name, source, target) | {"kps_ids": ["0", "4"]}))
    assert "3 points and 2 ids" in refusal(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"kps": {"nose": [1, 2]}}'])
def test_a_damaged_picture_annotation_is_refused_by_name(content: str, tmp_path: Path) -> None:
    picture = tree(tmp_path) / "ImageAnnotation" / "cat" / "2009_000934.json"
    picture.parent.mkdir(parents=True)
    picture.write_text(content)
    assert f"{picture} is not a picture's annotation" in refusal(tmp_path)


def test_splits_are_read_apart_and_names_tell_pairs_apart(tmp_path: Path) -> None:
    tree(tmp_path)
    assert [pair.source_points.tolist() for pair in spair.read(tmp_path, "val")] == [[[0.5, 0.5]]]
    assert len({pair.name for pair in spair.read(tmp_path)}) == 2


def test_a_folder_in_another_layout_is_refused(tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'PairAnnotation' / 'test'}" in refusal(tmp_path)
    tree(tmp_path)
    assert "no folder" in refusal(tmp_path, "trn")
    (tmp_path / "PairAnnotation" / "trn").mkdir()
    assert "holds no pairs" in refusal(tmp_path, "trn")


def test_a_damaged_list_is_refused_by_name(tmp_path: Path) -> None:
    path = tree(tmp_path) / "Layout" / "large" / "test.txt"
    path.write_bytes(b"\xff\xfe\x00")
    assert f"{path} is not a list of pairs" in refusal(tmp_path)


def test_a_listed_pair_that_is_missing_is_named(tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "PairAnnotation" / "test" / f"{PAIRS[0][1]}.json").unlink()
    assert f"lacks the listed pair {PAIRS[0][1]}.json" in refusal(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"src_kps": [[1, 2]]},
        {"src_kps": [[1, 2, 3], [4, 5, 6]], "trg_kps": [[1, 2, 3], [4, 5, 6]]},
        {"src_kps": [1, 2], "trg_kps": [1, 2]},
    ],
)
def test_points_that_do_not_pair_up_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    message = refusal(damaged(tmp_path, **change))
    assert "do not pair up" in message
    assert PAIRS[0][1] in message


@pytest.mark.parametrize(
    "change",
    [
        {"src_kps": None},
        {"trg_bndbox": [1, 2, 3]},
        {"trg_bndbox": None},
        {"category": None},
        {"src_imname": None},
        {"trg_imname": 7},
        {"src_kps": [[1, 2], [3]]},
        {"src_kps": [[1, None], [3, 4]]},
        {"src_kps": "points"},
    ],
)
def test_an_annotation_that_lacks_something_is_refused_by_name(change: dict[str, Any], tmp_path: Path) -> None:
    assert PAIRS[0][1] in refusal(damaged(tmp_path, **change))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00"])
def test_a_damaged_annotation_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tree(tmp_path) / "PairAnnotation" / "test" / f"{PAIRS[0][1]}.json"
    path.write_bytes(content)
    assert f"{path} is not a pair of SPair-71k" in refusal(tmp_path)
