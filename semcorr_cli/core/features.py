"""FeatureMap: unit descriptors on a grid that covers one image exactly."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image

BLANK = 2 / 255
"""Range of brightness up to which a place is blank."""

BLANK_CELLS = 5
"""Cells along the side of the square that must be blank for the cell in its middle to count as such."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """Descriptors of one picture.

    Attributes:
        data: descriptors, unit L2 norm over c; cell (i, j) covers its share of the image, nothing is cut off or padded.
        image_hw: size in pixels of the picture that the grid covers.
        region: cells in which to look for matches; None for all.
    """

    data: Float[Tensor, "c h w"]
    image_hw: Hw
    region: Bool[Tensor, "h w"] | None = None

    @property
    def hw(self) -> Hw:
        """The size of the grid as (height, width) in cells."""
        return self.data.shape[1], self.data.shape[2]

    @property
    def cell(self) -> float:
        """The size of a cell in pixels: the geometric mean of its height and width."""
        return float(((self.image_hw[0] / self.hw[0]) * (self.image_hw[1] / self.hw[1])) ** 0.5)

    def flat(self) -> Float[Tensor, "n c"]:
        """Returns the descriptors row by row."""
        return self.data.flatten(1).T.contiguous()

    def centres(self) -> Float[Tensor, "n 2"]:
        """Returns the pixel positions of the cell centres, in the order of `flat`."""
        return coords.cell_centres(self.hw, self.image_hw, device=self.data.device)

    def at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        """Returns descriptors at pixel positions, read bilinearly and normalised again."""
        grid = coords.pixels_to_unit(xy, self.image_hw)[None, None]
        read = functional.grid_sample(self.data[None], grid, padding_mode="border", align_corners=False)
        return functional.normalize(read[0, :, 0].T, dim=-1)

    def cells(self) -> Int[Tensor, " k"]:
        """Returns the flat indices of the region's cells."""
        if self.region is None:
            return torch.arange(self.hw[0] * self.hw[1], device=self.data.device)
        return self.region.flatten().nonzero()[:, 0]

    def within(self, visible: Float[Tensor, "1 h2 w2"] | None) -> "FeatureMap":
        """Returns the map with a region: the cells of which a mask of the picture covers at least half."""
        if visible is None:
            return self
        share = functional.interpolate(visible[None], size=self.hw, mode="area")[0, 0]
        return self._only(share >= 0.5)

    def textured(self, image: Image) -> "FeatureMap":
        """Returns the map without the cells in which, and round which, the picture is blank: nothing matches there."""
        grey = image.over(0.5).mean(dim=0)[None, None]
        both = torch.cat([grey, -grey], dim=1)
        high = functional.adaptive_max_pool2d(both, self.hw)
        reach = functional.max_pool2d(high, BLANK_CELLS, stride=1, padding=BLANK_CELLS // 2)
        return self._only(reach[0].sum(dim=0) > BLANK)

    def _only(self, cells: Bool[Tensor, "h w"]) -> "FeatureMap":
        cells = cells.to(self.data.device)
        if bool(cells.all()):
            return self
        return replace(self, region=cells if self.region is None else self.region & cells)

    def to(self, device: torch.device) -> "FeatureMap":
        """Returns the map on a device."""
        region = None if self.region is None else self.region.to(device)
        return replace(self, data=self.data.to(device), region=region)
