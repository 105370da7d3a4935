"""Measures of a correspondence against the truth."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def correct(
    predicted: Float[Tensor, "n 2"], truth: Float[Tensor, "n 2"], threshold: float, *, strict: bool = False
) -> Bool[Tensor, " n"]:
    """Tells which predictions lie within a distance of the truth.

    Args:
        predicted: pixel positions.
        truth: pixel positions.
        threshold: pixels.
        strict: closer than the threshold (Zhang et al. 2023, 2024) rather than at most it (Tang et al. 2023, Min et al.
            2019).
    """
    error = (predicted.double() - truth.double()).norm(dim=-1)
    return torch.lt(error, threshold) if strict else torch.le(error, threshold)


@dataclass(frozen=True, slots=True)
class Pck:
    """Percentage of correct keypoints of a set of pairs (Yang & Ramanan 2013).

    Attributes:
        per_image: mean over pairs of each pair's share, in per cent.
        per_point: share of all points, in per cent.
        pairs: number of pairs.
        points: number of points.
    """

    per_image: float
    per_point: float
    pairs: int
    points: int


def pck(hits: list[Bool[Tensor, " _"]]) -> Pck:
    """Returns the two averages of one threshold's hits, one tensor a pair; pairs without points do not count."""
    counted = [pair for pair in hits if pair.numel()]
    if not counted:
        return Pck(0.0, 0.0, 0, 0)
    shares = torch.stack([pair.double().mean() for pair in counted])
    points = torch.cat(counted)
    return Pck(100 * float(shares.mean()), 100 * float(points.double().mean()), len(counted), points.numel())


def end_point_error(predicted: Float[Tensor, "... 2"], truth: Float[Tensor, "... 2"]) -> float:
    """Returns the mean distance in pixels; positions whose truth is NaN do not count."""
    error = (predicted.double() - truth.double()).norm(dim=-1)
    known = error.isfinite()
    return float(error[known].mean()) if bool(known.any()) else float("nan")
