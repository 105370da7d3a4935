"""Where a picture's matches are, and where it has none."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.matches import Matches

SUPPORT_CELLS = 32
"""Cells along the target's longer side on which confidence is gathered."""

FULL_SUPPORT = 0.5
"""Mean score of the matches round about at which a place is fully trusted."""


def local_support(matches: Matches) -> Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]]:
    """Returns the confidence at target positions: the mean score of the matches round about, full at `FULL_SUPPORT`."""
    h, w = matches.target_hw
    grid: Hw = (max(1, round(SUPPORT_CELLS * h / max(h, w))), max(1, round(SUPPORT_CELLS * w / max(h, w))))
    cell = coords.nearest_cell(matches.target, grid, matches.target_hw)
    sums = torch.zeros(2, grid[0] * grid[1])
    sums[0].index_add_(0, cell, matches.score)
    sums[1].index_add_(0, cell, torch.ones_like(matches.score))
    blurred = gaussian_blur2d(sums.reshape(1, 2, *grid), 9, (1.5, 1.5), border_type="replicate")[0]
    share = (blurred[0] / blurred[1].clamp_min(1e-3) / FULL_SUPPORT).clamp(0, 1)

    def confidence(xy: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        unit = coords.pixels_to_unit(xy, (h, w))[None, None]
        return functional.grid_sample(share[None, None], unit, padding_mode="border", align_corners=False)[0, 0, 0]

    return confidence
