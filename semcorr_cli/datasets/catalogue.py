"""The data sets that can be read, and how results on them are published."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from semcorr_cli.datasets import Pairs, ap10k, pf, samples, spair, tss
from semcorr_cli.errors import UsageError


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set.

    Attributes:
        read: its reader, called with a folder and a split.
        splits: its parts; the first is what results are published on.
        size: what thresholds are shares of, unless told otherwise: "bbox", "img" or "kps".
        alphas: these shares.
        read_boxes: the reader that takes the trouble to find boxes, where that is another one.
    """

    read: Callable[[Path, str], Pairs[Any]]
    splits: tuple[str, ...]
    size: str = "bbox"
    alphas: tuple[float, ...] = (0.05, 0.10, 0.20)
    read_boxes: Callable[[Path, str], Pairs[Any]] | None = None


DATASETS = {
    "spair": DataSet(spair.read, spair.SPLITS),
    "pf-pascal": DataSet(
        pf.read_pascal, pf.PASCAL_SPLITS, "img", (0.05, 0.10, 0.15), partial(pf.read_pascal, boxes=True)
    ),
    "pf-willow": DataSet(pf.read_willow, pf.WILLOW_SPLITS, "kps", (0.05, 0.10, 0.15)),
    "ap10k": DataSet(ap10k.read, ap10k.SPLITS),
    "tss": DataSet(tss.read, tss.SPLITS, "img", (0.05, 0.10, 0.15)),
    "samples": DataSet(samples.read, samples.SPLITS),
}


def read(name: str, root: Path, split: str | None = None, *, boxes: bool = False) -> Pairs[Any]:
    """Returns the pairs of a data set.

    Args:
        name: one of `DATASETS`.
        root: where it lies.
        split: one of its parts; None for the first.
        boxes: boxes round the targets are wanted.

    Raises:
        UsageError: the data set has no such split.
        InputError: the folder is not in its layout.
    """
    found = DATASETS[name]
    split = split or found.splits[0]
    if split not in found.splits:
        raise UsageError(f"{name} has no split {split!r}", hint=f"one of: {' '.join(found.splits)}")
    reader = found.read_boxes if boxes and found.read_boxes is not None else found.read
    return reader(root, split)
