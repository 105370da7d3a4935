"""Nearest neighbours of points, read off the target's grid in the ways in which published numbers are."""

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.evaluate.protocol import PADDED_SIDE

ROWS = 16
"""Rows of pixels whose descriptors are in memory at once."""


def nearest(source: FeatureMap, target: FeatureMap, points: Float[Tensor, "n 2"], reading: str) -> Float[Tensor, "n 2"]:
    """Returns where in the target each point of the source is most similar.

    Args:
        source: descriptors of the source.
        target: descriptors of the target.
        points: pixel positions in the source.
        reading: see `Protocol`.
    """
    if reading == "bilinear":
        return _by_pixel(source, target, points)
    cells = coords.nearest_cell(points, source.hw, source.image_hw).to(source.data.device)
    used, which = cells.unique(return_inverse=True)
    best = (source.flat()[used] @ target.flat().T).argmax(dim=1)[which].cpu()
    found = coords.cell_centres(target.hw, target.image_hw)[best]
    return found + 0.5 * max(target.image_hw) / PADDED_SIDE if reading == "+7" else found


def _by_pixel(source: FeatureMap, target: FeatureMap, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Compares all pixels of the target with those that the points lie in, descriptors interpolated bilinearly."""
    device = target.data.device
    corner = coords.wh(source.image_hw, points) - 1
    pixels = coords.from_centre_origin(coords.to_centre_origin(points).trunc().clamp_min(0).minimum(corner))
    wanted = source.at(pixels.to(device))
    best = torch.full((len(points),), -torch.inf, device=device)
    found = torch.zeros(len(points), 2, device=device)
    height, width = target.image_hw
    for top in range(0, height, ROWS):
        centres = coords.pixel_centres((min(ROWS, height - top), width), top=top, device=device).reshape(-1, 2)
        similarity, at = (wanted @ target.at(centres).T).max(dim=1)
        better = similarity > best
        best = torch.where(better, similarity, best)
        found = torch.where(better[:, None], centres[at], found)
    return found.cpu()
