"""FeatureMap: unit descriptors on a grid that covers one image exactly."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw


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
        return replace(self, region=(share >= 0.5).to(self.data.device))

    def to(self, device: torch.device) -> "FeatureMap":
        """Returns the map on a device."""
        region = None if self.region is None else self.region.to(device)
        return replace(self, data=self.data.to(device), region=region)
