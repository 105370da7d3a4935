"""Cosine similarity between two sets of descriptors, in chunks: nearest both ways, windowed soft-argmax."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from semcorr_cli.core.coords import Hw

CHUNK = 1024
"""Source descriptors compared at once with all target descriptors, where not all similarities are kept."""

BLOCK = 64
"""Rows of a matrix whose maximum is found together."""

KEPT = 16_777_216
"""Similarities of two pictures that are kept, at most, once they have been worked out: 64 MB of float32."""

GATHERED = 2_000_000
"""Numbers of windows' descriptors gathered at once: 8 MB of float32."""


@dataclass(frozen=True, slots=True, eq=False)
class NearestNeighbours:
    """Nearest neighbours by cosine similarity, both ways.

    Attributes:
        forward: index of the nearest target descriptor for each source descriptor.
        forward_similarity: its similarity.
        backward: index of the nearest source descriptor for each target descriptor.
        backward_similarity: its similarity.
        matrix: all similarities, one row a source descriptor; None where there are more than `KEPT`.
    """

    forward: Int[Tensor, " n"]
    forward_similarity: Float[Tensor, " n"]
    backward: Int[Tensor, " m"]
    backward_similarity: Float[Tensor, " m"]
    matrix: Float[Tensor, "n m"] | None

    def reversed(self) -> "NearestNeighbours":
        """Returns the same with source and target exchanged."""
        matrix = None if self.matrix is None else self.matrix.T
        return NearestNeighbours(self.backward, self.backward_similarity, self.forward, self.forward_similarity, matrix)


def nearest_both_ways(source: Float[Tensor, "n c"], target: Float[Tensor, "m c"]) -> NearestNeighbours:
    """Finds nearest neighbours both ways in one pass over the similarity matrix, held whole only where it is small."""
    forward, forward_similarity = [], []
    backward = torch.zeros(target.shape[0], dtype=torch.long, device=target.device)
    backward_similarity = torch.full((target.shape[0],), -torch.inf, dtype=target.dtype, device=target.device)
    size = (source.shape[0], target.shape[0])
    matrix = source.new_empty(size) if size[0] * size[1] <= KEPT else None
    step = CHUNK if matrix is None else max(1, size[0])  # one large product takes less time than several
    for start in range(0, size[0], step):
        similarity = torch.mm(source[start : start + step], target.T, out=matrix)
        value, index = _best_of_columns(similarity.T)
        forward.append(index)
        forward_similarity.append(value)
        value, index = _best_of_columns(similarity)
        better = value > backward_similarity
        backward[better] = index[better] + start
        backward_similarity[better] = value[better]
    return NearestNeighbours(torch.cat(forward), torch.cat(forward_similarity), backward, backward_similarity, matrix)


def _best_of_columns(similarity: Float[Tensor, "n m"]) -> tuple[Float[Tensor, " m"], Int[Tensor, " m"]]:
    """Returns `similarity.max(dim=0)`, which takes torch as long on a CPU as the matrix product itself, block by block.

    Which block holds a column's maximum is found without indices; where in it, in a handful of numbers a column.
    """
    rows, columns = similarity.shape
    whole = rows - rows % BLOCK
    value = similarity.new_full((columns,), -torch.inf)
    index = torch.zeros(columns, dtype=torch.long, device=similarity.device)
    if whole:
        blocks = similarity[:whole].reshape(-1, BLOCK, columns)
        value, block = blocks.amax(dim=1).max(dim=0)
        index = block * BLOCK + blocks[block, :, torch.arange(columns, device=block.device)].argmax(dim=1)
    if whole < rows:
        last, where = similarity[whole:].max(dim=0)
        better = last > value
        value, index = torch.where(better, last, value), torch.where(better, where + whole, index)
    return value, index


def window_soft_argmax(
    similarity: Float[Tensor, "n h w"], *, window: int = 5, temperature: float = 0.02
) -> Float[Tensor, "n 2"]:
    """Returns the sub-cell (x, y) position of each map's peak, in cells.

    The softmax of similarity / temperature is taken over the square of ±`window` cells round the maximum, clamped to
    the grid, and its mean position returned (Zhang et al., "Telling Left from Right", 2024, section 3.4). Cells outside
    the window have no share; the reference gives them similarity 0, which differs by less than e⁻²⁰ for peaks above 0.4
    and would pull weaker peaks to the middle of the picture.
    """
    maps = similarity.flatten(1)
    window_ = _Window.about(maps.argmax(dim=1), (similarity.shape[1], similarity.shape[2]), window)
    return window_.mean(maps.gather(1, window_.index), temperature)


def soft_positions(
    queries: Float[Tensor, "n c"],
    grid: Float[Tensor, "c h w"],
    peaks: Int[Tensor, " n"],
    *,
    region: Bool[Tensor, "h w"] | None = None,
    known: tuple[Float[Tensor, "m k"], Int[Tensor, " n"]] | None = None,
    window: int = 5,
    temperature: float = 0.02,
) -> Float[Tensor, "n 2"]:
    """Returns where each query descriptor is found in a feature grid whose most similar cell is known, in cells.

    The same as `window_soft_argmax` of all similarities, of which only those in the windows are looked at, and worked
    out, in chunks, where they are not known.

    Args:
        queries: descriptors.
        grid: where they are looked for.
        peaks: flat index of the cell most similar to each.
        region: cells that count; None for all.
        known: similarities to the cells that count, and which of the rows are the queries'.
        window: half-width of the window in cells.
        temperature: of the softmax.
    """
    hw = (grid.shape[1], grid.shape[2])
    if known is not None:
        matrix, rows = known
        near = _Window.about(peaks, hw, window, region)
        columns = near.index if region is None else (region.flatten().cumsum(0) - 1).clamp_min(0)[near.index]
        return near.mean(matrix[rows[:, None], columns], temperature)
    flat = grid.flatten(1).T.contiguous()  # whose rows are gathered
    most = max(1, GATHERED // ((2 * window + 1) ** 2 * grid.shape[0]))
    parts = []
    for chunk, peak in zip(queries.split(most), peaks.split(most), strict=True):
        near = _Window.about(peak, hw, window, region)
        parts.append(near.mean(torch.einsum("nc,nkc->nk", chunk, flat[near.index]), temperature))
    return torch.cat(parts) if parts else queries.new_zeros(0, 2)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """The cells round a peak, row by row; those beyond the grid are drawn to its border and not inside."""

    x: Int[Tensor, "n k"]
    y: Int[Tensor, "n k"]
    index: Int[Tensor, "n k"]
    inside: Bool[Tensor, "n k"]

    @classmethod
    def about(
        cls, peak: Int[Tensor, " n"], hw: Hw, window: int, region: Bool[Tensor, "h w"] | None = None
    ) -> "_Window":
        """Returns the square of ±`window` cells round each flat index; cells beside the region are not inside."""
        h, w = hw
        steps = torch.arange(-window, window + 1, device=peak.device)
        y = ((peak // w)[:, None, None] + steps[None, :, None]).expand(-1, -1, len(steps)).flatten(1)
        x = ((peak % w)[:, None, None] + steps[None, None, :]).expand(-1, len(steps), -1).flatten(1)
        inside = (y >= 0) & (y < h) & (x >= 0) & (x < w)
        index = y.clamp(0, h - 1) * w + x.clamp(0, w - 1)
        return cls(x, y, index, inside if region is None else inside & region.flatten()[index])

    def mean(self, similarity: Float[Tensor, "n k"], temperature: float) -> Float[Tensor, "n 2"]:
        """Returns the mean position by the softmax of the cells' similarities."""
        share = (similarity / temperature).masked_fill(~self.inside, -torch.inf).softmax(dim=1)
        return torch.stack([(share * self.x).sum(dim=1), (share * self.y).sum(dim=1)], dim=-1)
