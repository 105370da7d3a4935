"""Cosine similarity between two sets of descriptors, in chunks: nearest both ways, windowed soft-argmax."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

CHUNK = 1024
"""Source descriptors compared at once with all target descriptors: 15 MB of float32 for a 60 × 60 grid."""


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbours:
    """Nearest neighbours by cosine similarity, both ways.

    Attributes:
        forward: index of the nearest target descriptor for each source descriptor.
        forward_similarity: its similarity.
        backward: index of the nearest source descriptor for each target descriptor.
        backward_similarity: its similarity.
    """

    forward: Int[Tensor, " n"]
    forward_similarity: Float[Tensor, " n"]
    backward: Int[Tensor, " m"]
    backward_similarity: Float[Tensor, " m"]


def nearest_both_ways(source: Float[Tensor, "n c"], target: Float[Tensor, "m c"]) -> NearestNeighbours:
    """Finds nearest neighbours both ways in one pass over the similarity matrix, never holding all of it."""
    forward, forward_similarity = [], []
    backward = torch.zeros(target.shape[0], dtype=torch.long, device=target.device)
    backward_similarity = torch.full((target.shape[0],), -torch.inf, dtype=target.dtype, device=target.device)
    for start in range(0, source.shape[0], CHUNK):
        similarity = source[start : start + CHUNK] @ target.T
        value, index = similarity.max(dim=1)
        forward.append(index)
        forward_similarity.append(value)
        value, index = similarity.max(dim=0)
        better = value > backward_similarity
        backward[better] = index[better] + start
        backward_similarity[better] = value[better]
    return NearestNeighbours(torch.cat(forward), torch.cat(forward_similarity), backward, backward_similarity)


def window_soft_argmax(
    similarity: Float[Tensor, "n h w"], *, window: int = 5, temperature: float = 0.02
) -> Float[Tensor, "n 2"]:
    """Returns the sub-cell (x, y) position of each map's peak, in cells.

    The softmax of similarity / temperature is taken over the square of ±`window` cells round the maximum, clamped to
    the grid, and its mean position returned (Zhang et al., "Telling Left from Right", 2024, section 3.4). Cells outside
    the window have no share; the reference gives them similarity 0, which differs by less than e⁻²⁰ for peaks above 0.4
    and would pull weaker peaks to the middle of the picture.
    """
    h, w = similarity.shape[1:]
    peak = similarity.flatten(1).argmax(dim=1)
    steps = torch.arange(-window, window + 1, device=similarity.device)
    y = (peak // w)[:, None, None] + steps[None, :, None]
    x = (peak % w)[:, None, None] + steps[None, None, :]
    inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
    index = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
    near = similarity.flatten(1).gather(1, index.flatten(1))
    share = (near / temperature).masked_fill(~inside.flatten(1), -torch.inf).softmax(dim=1).reshape(index.shape)
    return torch.stack([(share * x).sum(dim=(1, 2)), (share * y).sum(dim=(1, 2))], dim=-1)


def soft_positions(
    queries: Float[Tensor, "n c"],
    grid: Float[Tensor, "c h w"],
    *,
    region: Bool[Tensor, "h w"] | None = None,
    window: int = 5,
    temperature: float = 0.02,
) -> Float[Tensor, "n 2"]:
    """Returns where each query descriptor is found in a feature grid, in fractional cells, in chunks.

    Only cells of the region, which must not be empty, are looked at; None for all.
    """
    h, w = grid.shape[1:]
    flat = grid.flatten(1)
    parts = []
    for chunk in queries.split(CHUNK):
        maps = (chunk @ flat).reshape(-1, h, w)
        if region is not None:
            maps = maps.masked_fill(~region, -torch.inf)
        parts.append(window_soft_argmax(maps, window=window, temperature=temperature))
    return torch.cat(parts) if parts else queries.new_zeros(0, 2)
