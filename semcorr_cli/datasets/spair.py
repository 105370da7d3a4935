"""SPair-71k (Min et al. 2019), and data sets in its layout.

JPEGImages/CATEGORY/NAME.jpg
PairAnnotation/SPLIT/ID-SOURCE-TARGET:CATEGORY.json     the colon may be an underscore
Layout/large/SPLIT.txt                                  names of the split's pairs; optional
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from semcorr_cli.core import coords
from semcorr_cli.datasets import TruePair
from semcorr_cli.errors import InputError


def read(root: Path, split: str = "test") -> Iterator[TruePair]:
    """Yields the pairs of a split in the order of its list, or by name where there is no list.

    Raises:
        InputError: the folder is not in this layout, or a pair's file is damaged.
    """
    folder = root / "PairAnnotation" / split
    if not folder.is_dir():
        raise InputError(f"{root} is not in SPair-71k's layout: there is no folder {folder}")
    for path in _files(root, folder, split):
        yield _pair(root, path)


def _files(root: Path, folder: Path, split: str) -> list[Path]:
    layout = root / "Layout" / "large" / f"{split}.txt"
    if not layout.is_file():
        files = sorted(folder.glob("*.json"))
        if not files:
            raise InputError(f"{folder} holds no pairs")
        return files
    names = layout.read_text(encoding="utf-8").split()
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
        )
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:  # the last from points that are null
        raise InputError(f"{path} is not a pair of SPair-71k: {error!r}") from None
