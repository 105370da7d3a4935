"""Colour statistics on a grid: first and second moments of Lab, gathered in one pass over the full-size picture."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from kornia.color import rgb_to_lab
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image

GRID = 60
"""Cells along a picture's longer side."""

SAMPLES = 24
"""Pixels along a cell's side that tell its moments."""

PRODUCTS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Pairs of Lab channels whose products are kept: the variances, then the covariances."""

PLANES = 1 + 3 + len(PRODUCTS)
"""Planes of a statistics grid: visible share, means, mean products."""


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """Moments of a picture's colours, cell by cell.

    Attributes:
        planes: visible share v, v·E[Lab], v·E[products]: sums over cells are sums over pixels.
        image_hw: size of the picture that the grid covers.
    """

    planes: Float[Tensor, "10 h w"]
    image_hw: Hw

    @classmethod
    def of(cls, image: Image) -> "Statistics":
        """Gathers a picture's statistics, one row of cells at a time; what is transparent does not count.

        Of large cells, every so manieth row and column is taken: `SAMPLES` along a side tell a mean and a spread.
        """
        h, w = image.hw
        rows, columns = grid = grid_of(image.hw)
        step = max(1, min(h // rows, w // columns) // SAMPLES)
        planes = image.rgb.new_empty(PLANES, *grid)
        for row in range(rows):
            strip = slice(row * h // rows, -(-(row + 1) * h // rows))
            lab = rgb_to_lab(image.rgb[:, strip][:, ::step, ::step].contiguous())
            share = torch.ones_like(lab[:1]) if image.alpha is None else image.alpha[:, strip][:, ::step, ::step]
            products = torch.stack([lab[i] * lab[j] for i, j in PRODUCTS])
            moments = torch.cat([share, lab * share, products * share])
            planes[:, row] = functional.adaptive_avg_pool2d(moments, (1, columns))[:, 0]
        return cls(planes, image.hw)

    @property
    def hw(self) -> Hw:
        """The size of the grid."""
        return self.planes.shape[1], self.planes.shape[2]

    @property
    def visible(self) -> Float[Tensor, "h w"]:
        """The visible share of every cell."""
        return self.planes[0]

    @property
    def lab(self) -> Float[Tensor, "3 h w"]:
        """The mean colour of every cell."""
        return self.planes[1:4] / self.visible.clamp_min(1e-6)

    def at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "10 n"]:
        """Returns moments at pixel positions, read bilinearly."""
        grid = coords.pixels_to_unit(xy.to(self.planes), self.image_hw)[None, None]
        return functional.grid_sample(self.planes[None], grid, padding_mode="border", align_corners=False)[0, :, 0]

    def cell_of(self, xy: Float[Tensor, "n 2"]) -> Tensor:
        """Returns the flat index of the cell that each pixel position lies in."""
        return coords.nearest_cell(xy.to(self.planes), self.hw, self.image_hw)

    def summed(self, weights: Float[Tensor, "k h w"]) -> Float[Tensor, "10 k"]:
        """Returns moments summed over the cells, for each of several weightings."""
        return self.planes.flatten(1) @ weights.flatten(1).T


def grid_of(hw: Hw) -> Hw:
    """Returns the size of a picture's statistics grid; no cell is smaller than a pixel."""
    h, w = (max(1, min(side, round(GRID * side / max(hw)))) for side in hw)
    return h, w


def blurred(planes: Float[Tensor, "c h w"], sigma: float) -> Float[Tensor, "c h w"]:
    """Returns planes after a Gaussian window, in cells."""
    # A window cannot be mirrored at a border that is nearer than half of it; repeating the rim always works.
    size = 2 * round(3 * sigma) + 1
    wide: Tensor = gaussian_blur2d(planes[None], size, (sigma, sigma), border_type="replicate")
    return wide[0]
