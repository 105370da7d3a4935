"""The structure of the content held on to: contrast that changes from place to place too much is evened out.

How well lightness gradients keep to the content's can be computed without knowing any answer, so the method measures
itself. Gradients suffer when contrast is raised here and lowered there; that is eased first, and every neighbourhood
keeps the lightness it was given. Where that is not enough, as when much is to become black, some of the content's own
lightness stays.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import metrics, resample
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style.affine import Affine
from semcorr_cli.effects.style.moments import Statistics, blurred

FLOOR = 0.97
"""Correlation of lightness gradients below which maps are eased: 0.95, and a margin, for maps that follow edges
are not simulated."""

TONE_FLOOR = 0.96
"""The same for curves, which come last and are simulated as they are."""

SIDE = 512
"""Longer side of the copy on which they are measured."""

NEIGHBOURHOOD = 2.0
"""Standard deviation in cells of the window whose mean lightness stays as it is when contrast is eased."""

HALVINGS = 6
"""Steps of the search for how much is needed: 1 / 64 of the way."""


def kept(content: Image, here: Statistics, maps: Affine) -> Affine:
    """Returns maps whose lightness keeps to the content's structure; those that do already are returned as they are.

    Args:
        content: the picture that is mapped.
        here: its statistics.
        maps: one map for every cell of the statistics.
    """
    small = resample.shrink(content, SIDE)
    lab = rgb_to_lab(small.rgb)
    mean = blurred(here.planes[:4], NEIGHBOURHOOD)
    mean = mean[1:] / mean[:1].clamp_min(1e-6)
    row, offset = maps.lightness()
    even = torch.zeros_like(row)
    even[0] = _slope(lab[0], _mapped(lab, row, offset))
    steps = [
        torch.cat([row, offset]),
        torch.cat([even, offset + ((row - even) * mean).sum(dim=0, keepdim=True)]),
        torch.cat([torch.ones_like(offset), torch.zeros_like(row)]),  # as it was
    ]

    def correlation(planes: Float[Tensor, "4 h w"]) -> float:
        return metrics.gradient_correlation(lab[0], _mapped(lab, planes[:3], planes[3:]))

    for start, end in pairwise(steps):
        if correlation(start) >= FLOOR:
            return maps.relit(start[:3], start[3:])
        if correlation(end) < FLOOR:
            continue  # even the end of this step will not do
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if correlation(torch.lerp(start, end, middle)) >= FLOOR else (middle, high)
        eased = torch.lerp(start, end, high)
        return maps.relit(eased[:3], eased[3:])
    return maps.relit(steps[-1][:3], steps[-1][3:])


def share_kept(before: Float[Tensor, "h w"], after: Float[Tensor, "h w"], added: Float[Tensor, "h w"]) -> float:
    """Returns how much of what is to be added to the new lightness leaves the structure of the old one.

    Args:
        before: lightness of the content.
        after: its new lightness so far.
        added: what would be added.
    """
    low, high = 0.0, 1.0
    if metrics.gradient_correlation(before, (after + added).clamp(0, 100)) >= TONE_FLOOR:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        kept = metrics.gradient_correlation(before, (after + middle * added).clamp(0, 100)) >= TONE_FLOOR
        low, high = (middle, high) if kept else (low, middle)
    return low


def _mapped(lab: Float[Tensor, "3 h w"], row: Float[Tensor, "3 g g2"], offset: Float[Tensor, "1 g g2"]) -> Tensor:
    """Returns lightness as it will be seen; what is darker than black is black."""
    planes = functional.interpolate(
        torch.cat([row, offset])[None], size=lab.shape[1:], mode="bilinear", align_corners=False
    )[0]
    mapped: Tensor = ((planes[:3] * lab).sum(dim=0) + planes[3]).clamp(0, 100)
    return mapped


def _slope(before: Float[Tensor, "h w"], after: Float[Tensor, "h w"]) -> float:
    """Returns the one contrast that comes nearest to what was done: the regression of gradients on gradients."""
    start, end = (torch.cat([plane.diff(dim=0).flatten(), plane.diff(dim=1).flatten()]) for plane in (before, after))
    return float(start @ end) / max(float(start @ start), 1e-9)
