"""SPair-71k (Min et al. 2019), and data sets in its layout.

JPEGImages/CATEGORY/NAME.jpg
ImageAnnotation/CATEGORY/NAME.json                      all keypoints of one picture by id; optional
PairAnnotation/SPLIT/ID-SOURCE-TARGET:CATEGORY.json     the colon may be an underscore
Layout/large/SPLIT.txt, Layout/small/SPLIT.txt          names of the split's pairs; optional
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.datasets import Pairs, TruePair, lookalikes
from semcorr_cli.errors import InputError

SPLITS = ("test", "val", "trn", "test-small", "val-small", "trn-small")
"""The large layout, which results are published on, and the small one, a part of it."""

TRAITS = {"viewpoint": "viewpoint_variation", "scale": "scale_variation", "truncation": "truncation"} | {
    "occlusion": "occlusion",
    "mirror": "mirror",
}
"""What a pair's annotation says of its difficulty: 0 easy to 2 hard; truncation and occlusion 0 none, 1 source, 2
target, 3 both."""


def read(root: Path, split: str = "test") -> Pairs[Path]:
    """Returns the pairs of a split in the order of its list, or by name where there is no list.

    Raises:
        InputError: the folder is not in this layout; when a pair is read, its file is damaged.
    """
    name, _, size = split.partition("-")
    folder = root / "PairAnnotation" / name
    if not folder.is_dir():
        raise InputError(f"{root} is not in SPair-71k's layout: there is no folder {folder}")
    return Pairs(_files(root, folder, name, size or "large"), lambda path: _pair(root, path))


def _files(root: Path, folder: Path, split: str, size: str) -> list[Path]:
    layout = root / "Layout" / size / f"{split}.txt"
    if not layout.is_file():
        if size != "large":
            raise InputError(f"{root} has no {size} layout: there is no file {layout}")
        files = sorted(folder.glob("*.json"))
        if not files:
            raise InputError(f"{folder} holds no pairs")
        return files
    try:
        names = layout.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise InputError(f"{layout} is not a list of pairs: {error}") from None
    return [_existing(folder, name) for name in names]


def _existing(folder: Path, name: str) -> Path:
    """Finds a listed pair; archives unpacked where colons are not allowed have something else in their place."""
    for candidate in (name, name.replace(":", "_"), name.replace(":", "-")):
        path = folder / f"{candidate}.json"
        if path.is_file():
            return path
    raise InputError(f"{folder} lacks the listed pair {name}.json")


def _pair(root: Path, path: Path) -> TruePair:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        pictures = root / "JPEGImages" / data["category"]
        source, target = torch.tensor(data["src_kps"]).float(), torch.tensor(data["trg_kps"]).float()
        left, top, right, bottom = (float(value) for value in data["trg_bndbox"])
        if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
            raise InputError(f"{path} has {len(source)} source and {len(target)} target points that do not pair up")
        return TruePair(
            name=path.stem,
            category=str(data["category"]),
            source=pictures / data["src_imname"],
            target=pictures / data["trg_imname"],
            source_points=coords.from_centre_origin(source),
            target_points=coords.from_centre_origin(target),
            target_box=(left, top, right, bottom),
            ambiguous=_ambiguous(root, path, data, len(target)),
            traits=tuple(f"{name} {int(data[key])}" for name, key in TRAITS.items() if data.get(key) is not None),
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # the last from points that are null
        raise InputError(f"{path} is not a pair of SPair-71k: {error!r}") from None


def _ambiguous(root: Path, path: Path, data: dict[str, Any], count: int) -> Bool[Tensor, " n"] | None:
    """Tells which points have a look-alike in the target; None for categories and sets that do not say."""
    groups, ids = lookalikes.SPAIR.get(data["category"]), data.get("kps_ids")
    picture = root / "ImageAnnotation" / data["category"] / f"{Path(data['trg_imname']).stem}.json"
    if groups is None or ids is None or not picture.is_file():
        return None
    if len(ids) != count:
        raise InputError(f"{path} has {count} points and {len(ids)} ids of points")
    return lookalikes.ambiguous(groups, [int(name) for name in ids], _in_sight(picture))


@lru_cache(maxsize=4096)
def _in_sight(picture: Path) -> frozenset[int]:
    """Returns the ids of a picture's keypoints that can be seen."""
    try:
        kps = json.loads(picture.read_text(encoding="utf-8"))["kps"]
        return frozenset(int(name) for name, point in kps.items() if point is not None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{picture} is not a picture's annotation: {error!r}") from None
