"""Keypoints that look alike on one object: the geometry-aware subset (Zhang et al. 2024, "Telling Left from Right").

A keypoint is ambiguous when it belongs to a group of look-alikes of which at least two are in sight in the target: an
ear beside the other ear, a wheel beside three others. Ids are those of the data sets' own annotations.
"""

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

_QUADRUPED = "2 3, 9 10 11 12"

SPAIR = {
    "aeroplane": "4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17, 18 19, 20 21",
    "bicycle": "2 3, 6 7, 9 10",
    "bird": "1 2, 10 11, 12 13, 14 15",
    "boat": "1 2, 3 4, 5 6, 7 8, 9 10, 11 12",
    "bottle": "0 1, 2 3, 4 5, 6 7, 8 9",
    "bus": "0 1, 2 3 5 6, 4 7, 10 13 20 23, 11 14 21 24, 12 15 22 25, 16 17 26 27, 18 19 28 29",
    "car": "0 1, 2 3 6 7, 4 8, 5 9, 10 13 20 23, 11 14 21 24, 12 15 22 25, 16 17 26 27, 18 19 28 29",
    "cat": _QUADRUPED,
    "chair": "0 1, 2 3, 4 5 6 7, 8 9, 10 11, 12 13",
    "cow": f"{_QUADRUPED}, 15 16 17 18, 19 20",
    "dog": _QUADRUPED,
    "horse": "2 3, 10 11 12 13, 16 17 18 19",
    "motorbike": "0 1, 2 3",
    "person": "8 9, 10 11, 12 13, 14 15, 16 17, 18 19",
    "pottedplant": "0 1 2 3, 4 5, 6 8",
    "sheep": f"{_QUADRUPED}, 15 16 17 18, 19 20",
    "train": "0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17",
    "tvmonitor": "0 2 4 6, 1 3 5 7, 8 10 12 14, 9 11 13 15",
}
"""Groups of look-alikes of SPair-71k's categories, by commas."""

AP10K = "5 8, 6 9 12 15, 7 10 13 16, 11 14"
"""Groups of AP-10K: shoulders; elbows and knees; paws; hips."""


def ambiguous(groups: str, ids: Sequence[int], in_sight: Collection[int]) -> Bool[Tensor, " n"]:
    """Tells which keypoints have a look-alike in sight.

    Args:
        groups: as in `SPAIR`.
        ids: the keypoints asked about.
        in_sight: ids of all keypoints of the target that can be seen.
    """
    alike = [{int(word) for word in group.split()} for group in groups.split(",")]
    clash = {name for group in alike if len(group.intersection(in_sight)) > 1 for name in group}
    return torch.tensor([name in clash for name in ids], dtype=torch.bool)
