"""AP-10K made a benchmark of correspondence (Yu et al. 2021; Zhang et al. 2024).

JPEGImages/FAMILY/SPECIES/NAME.jpg
ImageAnnotation/FAMILY/SPECIES/NAME.json      one animal: bbox (left, top, width, height), 17 keypoints x, y, seen
PairAnnotation/SPLIT/SOURCE-TARGET:GROUP.json   src_json_path, trg_json_path; the colon may be an underscore
"""

import json
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.datasets import Pairs, TruePair, lookalikes
from semcorr_cli.errors import InputError

PAIRS, ANIMALS = "PairAnnotation", "ImageAnnotation"
CROSS_SPECIES, CROSS_FAMILY = "_cross_species", "_cross_family"
SPLITS = (
    "test",
    "val",
    "trn",
    *(f"{part}{cross}" for cross in (CROSS_SPECIES, CROSS_FAMILY) for part in ("test", "val")),
)
"""Pairs of one species, of two species of a family, and of two families."""

KEYPOINTS = 17


def read(root: Path, split: str = "test") -> Pairs[Path]:
    """Returns the pairs of a split by name.

    Raises:
        InputError: the folder is not in this layout; when a pair is read, a file is missing or damaged.
    """
    folder = root / PAIRS / split
    if not folder.is_dir():
        raise InputError(f"{root} is not in AP-10K's layout: there is no folder {folder}")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"{folder} holds no pairs")
    return Pairs(files, lambda path: _pair(root, path, split))


def _pair(root: Path, path: Path, split: str) -> TruePair:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        source, target = (_inside(data[key]) for key in ("src_json_path", "trg_json_path"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a pair of AP-10K: {error!r}") from None
    (points_s, _), (points_t, box) = (_animal(root / ANIMALS / place) for place in (source, target))
    shared = (points_s[:, 2] > 0) & (points_t[:, 2] > 0)
    in_sight = (points_t[:, 2] > 0).nonzero()[:, 0].tolist()
    return TruePair(
        name=path.stem,
        category=_category(source, split),
        source=(root / "JPEGImages" / source).with_suffix(".jpg"),
        target=(root / "JPEGImages" / target).with_suffix(".jpg"),
        source_points=coords.from_centre_origin(points_s[shared, :2]),
        target_points=coords.from_centre_origin(points_t[shared, :2]),
        target_box=box,
        ambiguous=lookalikes.ambiguous(lookalikes.AP10K, shared.nonzero()[:, 0].tolist(), in_sight),
    )


def _inside(place: str) -> PurePosixPath:
    """Returns a path as it is below ANIMALS; files hold it as seen from where the set was made."""
    parts = PurePosixPath(place.replace("\\", "/")).parts
    inside = PurePosixPath(*parts[parts.index(ANIMALS) + 1 :])
    if len(inside.parts) != 3 or ".." in inside.parts:
        raise ValueError(f"{place} is not FAMILY/SPECIES/NAME.json")
    return inside


def _category(source: PurePosixPath, split: str) -> str:
    """Returns what results are broken down by: the species, the family of two species, all of two families."""
    if split.endswith(CROSS_FAMILY):
        return "all"
    family, species, _ = source.parts
    return family if split.endswith(CROSS_SPECIES) else species


@lru_cache(maxsize=16384)
def _animal(path: Path) -> tuple[Float[Tensor, "17 3"], tuple[float, float, float, float]]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        points = torch.tensor(data["keypoints"], dtype=torch.float32).reshape(KEYPOINTS, 3)
        left, top, width, height = (float(value) for value in data["bbox"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # the last from numbers that are too few
        raise InputError(f"{path} is not an animal of AP-10K: {error!r}") from None
    return points, (left, top, left + width, top + height)
