"""Measures: of a correspondence against the truth, and of what an edit did to colours and structure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from kornia.color import rgb_to_lab
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
    return averages([int(pair.sum()) for pair in hits], [pair.numel() for pair in hits])


def averages(found: Sequence[int], points: Sequence[int]) -> Pck:
    """Returns the two averages of how many of each pair's points were found; pairs without points do not count."""
    counted = [(right, total) for right, total in zip(found, points, strict=True) if total]
    if not counted:
        return Pck(0.0, 0.0, 0, 0)
    per_image = math.fsum(right / total for right, total in counted) / len(counted)
    total = sum(total for _, total in counted)
    return Pck(100 * per_image, 100 * sum(right for right, _ in counted) / total, len(counted), total)


def end_point_error(predicted: Float[Tensor, "... 2"], truth: Float[Tensor, "... 2"]) -> float:
    """Returns the mean distance in pixels; positions whose truth is NaN do not count."""
    error = (predicted.double() - truth.double()).norm(dim=-1)
    known = error.isfinite()
    return float(error[known].mean()) if bool(known.any()) else float("nan")


def colour_difference(a: Float[Tensor, "3 h w"], b: Float[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """Returns the distance in Lab between two sRGB pictures, pixel by pixel (ΔE, CIE 1976)."""
    difference: Tensor = (rgb_to_lab(a) - rgb_to_lab(b)).norm(dim=0)
    return difference


def sliced_wasserstein(
    a: Float[Tensor, "n c"], b: Float[Tensor, "m c"], *, directions: int = 64, quantiles: int = 256
) -> float:
    """Returns the sliced 2-Wasserstein distance between two clouds of points, in their own units (Rabin et al. 2012).

    Every direction compares the sorted projections at evenly spaced quantiles; the directions are always the same.
    """
    generator = torch.Generator().manual_seed(0)
    slices = torch.randn(a.shape[1], directions, generator=generator).to(a)
    slices = slices / slices.norm(dim=0)
    at = (torch.arange(quantiles, device=a.device) + 0.5) / quantiles
    low, high = (torch.quantile(cloud @ slices, at, dim=0) for cloud in (a, b))
    return float((low - high).square().mean().sqrt())


def gradient_correlation(a: Float[Tensor, "h w"], b: Float[Tensor, "h w"]) -> float:
    """Returns the Pearson correlation of two pictures' differences between neighbours: 1 when b keeps a's structure.

    A picture without any structure has none to lose: 1.
    """
    slopes = [torch.cat([plane.diff(dim=0).flatten(), plane.diff(dim=1).flatten()]).double() for plane in (a, b)]
    slopes = [slope - slope.mean() for slope in slopes]
    norms = [float(slope.norm()) for slope in slopes]
    if norms[0] == 0:
        return 1.0
    return float(slopes[0] @ slopes[1]) / (norms[0] * norms[1]) if norms[1] else 0.0
