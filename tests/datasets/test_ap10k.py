import json
from pathlib import Path
from typing import Any

import pytest

from semcorr_cli.datasets import TruePair, ap10k
from semcorr_cli.errors import InputError

CAT, LION, WOLF = "Felidae/cat/000000000001", "Felidae/lion/000000000002", "Canidae/wolf/000000000003"
SEEN = {
    CAT: {0: (10, 20), 1: (30, 20), 5: (12, 50), 7: (12, 90)},
    LION: {0: (11, 21), 5: (13, 51), 8: (60, 51), 7: (13, 91)},
    WOLF: {0: (9, 19), 1: (29, 19), 7: (14, 92), 16: (70, 92)},
}


def animal(name: str) -> dict[str, Any]:
    numbers = [(*SEEN[name][k], 2) if k in SEEN[name] else (0, 0, 0) for k in range(17)]
    return {
        "id": 1,
        "bbox": [5, 10, 80, 90],
        "keypoints": [value for point in numbers for value in point],
        "num_keypoints": len(SEEN[name]),
        "width": 120,
        "height": 110,
        "category_id": 8,
    }


def tree(root: Path, colon: str = ":") -> Path:
    for name in SEEN:
        path = root / "ImageAnnotation" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(animal(name)))
    for split, source, target, group in (
        ("test", CAT, CAT, "cat"),
        ("test_cross_species", CAT, LION, "Felidae"),
        ("test_cross_family", WOLF, CAT, "all"),
        ("test_cross_family", CAT, WOLF, "all"),
    ):
        folder = root / "PairAnnotation" / split
        folder.mkdir(parents=True, exist_ok=True)
        places = {key: f"data/ap-10k/ImageAnnotation/{name}.json" for key, name in (("src", source), ("trg", target))}
        content = {f"{key}_json_path": place for key, place in places.items()}
        name = f"{Path(source).name}-{Path(target).name}{colon}{group}.json"
        (folder / name).write_text(json.dumps(content))
    return root


def only(root: Path, split: str) -> TruePair:
    return ap10k.read(root, split)[0]


def refusal(root: Path) -> str:
    with pytest.raises(InputError) as caught:
        list(ap10k.read(root, "test_cross_species"))
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("colon", [":", "_"])
def test_pairs_are_broken_down_by_species_family_or_not_at_all(colon: str, tmp_path: Path) -> None:
    tree(tmp_path, colon)
    assert only(tmp_path, "test").category == "cat"
    assert only(tmp_path, "test_cross_species").category == "Felidae"
    families = list(ap10k.read(tmp_path, "test_cross_family"))
    assert [pair.category for pair in families] == ["all", "all"]
    assert [pair.source.parent.name for pair in families] == ["cat", "wolf"]


def test_points_seen_in_both_pictures_are_translated_from_the_first_pixels_centre(tmp_path: Path) -> None:
    pair = only(tree(tmp_path), "test_cross_species")
    assert pair.source == tmp_path / "JPEGImages" / f"{CAT}.jpg"
    assert pair.target == tmp_path / "JPEGImages" / f"{LION}.jpg"
    assert pair.source_points.tolist() == [[10.5, 20.5], [12.5, 50.5], [12.5, 90.5]]
    assert pair.target_points.tolist() == [[11.5, 21.5], [13.5, 51.5], [13.5, 91.5]]
    assert pair.target_box == (5, 10, 85, 100)
    assert pair.box_side == 90


def test_points_with_a_look_alike_in_the_target_are_marked(tmp_path: Path) -> None:
    tree(tmp_path)
    to_lion, to_wolf = only(tmp_path, "test_cross_species"), only(tmp_path, "test_cross_family")
    assert to_lion.ambiguous is not None
    assert to_lion.ambiguous.tolist() == [False, True, False]  # eye, one of two shoulders, the only paw in sight
    assert to_wolf.ambiguous is not None
    assert to_wolf.ambiguous.tolist() == [False, False, True]  # eyes are told apart; two paws are in sight


def test_a_folder_in_another_layout_is_refused(tmp_path: Path) -> None:
    assert "is not in AP-10K's layout" in refusal(tmp_path)
    (tmp_path / "PairAnnotation" / "test_cross_species").mkdir(parents=True)
    assert "holds no pairs" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"src_json_path": 1, "trg_json_path": 2}',
        '{"src_json_path": "a.json", "trg_json_path": "b"}',
        '{"src_json_path": "ImageAnnotation/../../c.json", "trg_json_path": "ImageAnnotation/a/b/c.json"}',
    ],
)
def test_a_damaged_pair_is_refused_by_name(content: str, tmp_path: Path) -> None:
    path = next((tree(tmp_path) / "PairAnnotation" / "test_cross_species").iterdir())
    path.write_text(content)
    assert f"{path} is not a pair of AP-10K" in refusal(tmp_path)


@pytest.mark.parametrize("change", [{"keypoints": [1, 2, 3]}, {"bbox": [1, 2]}, {"keypoints": None}, {"bbox": "box"}])
def test_a_damaged_animal_is_refused_by_name(change: dict[str, Any], tmp_path: Path) -> None:
    path = tree(tmp_path) / "ImageAnnotation" / f"{LION}.json"
    path.write_text(json.dumps(animal(LION) | change))
    assert f"{path} is not an animal of AP-10K" in refusal(tmp_path)
    path.unlink()
    ap10k._animal.cache_clear()
    assert f"{path} is not an animal of AP-10K" in refusal(tmp_path)
