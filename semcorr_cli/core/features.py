"""FeatureMap: unit descriptors on a grid that covers one image exactly; FeatureStack: what they are made of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

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

CROWD = 1 / 16
"""Share of a picture's cells that are the most similar ones to a cell of another."""

CROWD_ASKED = 400
"""Cells of a picture, about, that stand for all of them in that."""


def read(data: Float[Tensor, "c h w"], xy: Float[Tensor, "n 2"], image_hw: Hw) -> Float[Tensor, "n c"]:
    """Returns what a map of a picture says at pixel positions, bilinearly; beyond the outer cells, what these say."""
    grid = coords.pixels_to_unit(xy, image_hw).to(data)[None, None]
    out: Tensor = functional.grid_sample(data[None], grid, padding_mode="border", align_corners=False)[0, :, 0].T
    return out


def by_cell(data: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Returns the same with every cell's numbers side by side in memory, as whatever compares cells reads them."""
    return data[None].contiguous(memory_format=torch.channels_last)[0]


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

    def chosen(self) -> Float[Tensor, "k c"]:
        """Returns the descriptors of the region's cells, in the order of `cells`."""
        return self.flat() if self.region is None else self.flat()[self.cells()]

    def centres(self) -> Float[Tensor, "n 2"]:
        """Returns the pixel positions of the cell centres, in the order of `flat`."""
        return coords.cell_centres(self.hw, self.image_hw, device=self.data.device)

    def at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
        """Returns descriptors at pixel positions, read bilinearly and normalised again."""
        return functional.normalize(read(self.data, xy, self.image_hw), dim=-1)

    def cells(self) -> Int[Tensor, " k"]:
        """Returns the flat indices of the region's cells."""
        if self.region is None:
            return torch.arange(self.hw[0] * self.hw[1], device=self.data.device)
        return self.region.flatten().nonzero()[:, 0]

    def reduced(self, cells: int) -> "FeatureMap":
        """Returns the map with at most so many cells along its longer side, descriptors being means over cells."""
        longer = max(self.hw)
        if longer <= cells:
            return self
        h, w = (max(1, round(side * cells / longer)) for side in self.hw)
        down, across = (_means(side, parts).to(self.data) for side, parts in zip(self.hw, (h, w), strict=True))
        lines = down @ self.data.permute(1, 2, 0).flatten(1)
        data = functional.normalize((across @ lines.unflatten(1, (self.hw[1], -1))).permute(2, 0, 1), dim=0)
        region = self.region
        if region is not None:
            region = functional.interpolate(region[None, None].to(data), size=(h, w), mode="area")[0, 0] >= 0.5
        return replace(self, data=data, region=region)

    def to(self, device: torch.device) -> "FeatureMap":
        """Returns the map on a device."""
        region = None if self.region is None else self.region.to(device)
        return replace(self, data=self.data.to(device), region=region)


@lru_cache
@torch.inference_mode(mode=False)
def _means(count: int, parts: int) -> Float[Tensor, "parts count"]:
    """Returns the matrix that takes the means of so many numbers over parts of their row, as equal as can be.

    The same as interpolation of mode "area", which takes torch twice as long as two products of matrices.
    """
    first = torch.arange(parts) * count // parts
    last = -(-torch.arange(1, parts + 1) * count // parts)
    cells = torch.arange(count)
    inside = (cells >= first[:, None]) & (cells < last[:, None])
    return inside / inside.sum(dim=1, keepdim=True)


def centred(first: FeatureMap, second: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    """Returns two maps without what all their descriptors have in common, which tells no place from another.

    The mean of both maps' regions is taken away, and descriptors are of unit length again (Mu & Viswanath,
    "All-but-the-Top", 2018, do so to the vectors of words).
    """
    cells = torch.cat([one.chosen() for one in (first, second)])
    if not len(cells):
        return first, second
    mean = cells.mean(dim=0)[:, None, None]
    there, here = (replace(one, data=functional.normalize(one.data - mean, dim=0)) for one in (first, second))
    return there, here


def without_hubs(first: FeatureMap, second: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    """Returns two maps by whose products places that are like everything are no longer near everything.

    The product of two descriptors becomes their similarity less half of what each has on average with those of the
    other map that are most like it: cross-domain similarity local scaling (Conneau et al., "Word Translation Without
    Parallel Data", 2018, equation 3), halved. Two channels more hold that; descriptors are of unit length no longer.
    """
    crowds = _crowd(first, second), _crowd(second, first)
    ones = [torch.ones_like(crowd) for crowd in crowds]
    more = torch.stack([-crowds[0] / 2, ones[0]]), torch.stack([ones[1], -crowds[1] / 2])
    there, here = (
        replace(one, data=by_cell(torch.cat([one.data, channels])))
        for one, channels in zip((first, second), more, strict=True)
    )
    return there, here


def _crowd(one: FeatureMap, other: FeatureMap) -> Float[Tensor, "h w"]:
    """Returns how like a map's descriptors are, on average, to those of the other one that are most like them."""
    those = other.chosen()
    those = those[:: max(1, len(those) // CROWD_ASKED)]
    if not len(those):
        return one.data.new_zeros(one.hw)
    most = (one.flat() @ those.T).topk(max(1, round(CROWD * len(those))), dim=1, sorted=False)
    return most.values.mean(dim=1).view(one.hw)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureStack:
    """What an extractor's layers say of one picture, before they become comparable descriptors.

    A stack depends on its picture alone, so that it can be cached; the descriptors made of it may depend on the partner
    that it is compared with (a joint PCA).

    Attributes:
        layers: maps by name, of any sizes, not normalised; all of them cover the same frame.
        image_hw: size in pixels of the picture.
        grid_hw: cells of the frame's grid, on which descriptors will lie.
        inside: (top, left, height, width) in cells of that grid of the picture in its frame, which may be padded.
        region: cells of the picture in which to look for matches; None for all.
    """

    layers: Mapping[str, Float[Tensor, "_ _ _"]]
    image_hw: Hw
    grid_hw: Hw
    inside: tuple[int, int, int, int]
    region: Bool[Tensor, "_ _"] | None = None

    @classmethod
    def single(cls, data: Float[Tensor, "c h w"], image_hw: Hw) -> "FeatureStack":
        """Returns a stack whose only layer is a finished feature map's data."""
        h, w = data.shape[1:]
        return cls({"features": by_cell(data)}, image_hw, (h, w), (0, 0, h, w))

    @property
    def hw(self) -> Hw:
        """The size as (height, width) in cells of the picture in its frame."""
        return self.inside[2:]

    def resized(self, name: str) -> Float[Tensor, "c h w"]:
        """Returns a layer on the frame's grid, bilinearly."""
        layer = self.layers[name]
        if tuple(layer.shape[1:]) == self.grid_hw:
            return layer
        return functional.interpolate(layer[None], self.grid_hw, mode="bilinear", align_corners=False)[0]

    def finished(self, data: Float[Tensor, "c h w"] | None = None) -> FeatureMap:
        """Returns the picture's feature map.

        Args:
            data: descriptors on the frame's grid, of any length; None for the only layer, which is finished already.
        """
        if data is None:
            (data,) = self.layers.values()
        else:
            top, left, height, width = self.inside
            data = functional.normalize(data[:, top : top + height, left : left + width], dim=0)
        return FeatureMap(by_cell(data), self.image_hw, self.region)

    def seen(self, image: Image) -> "FeatureStack":
        """Returns the stack with a region: the cells at least half of which the picture's mask and alpha cover.

        Cells in which, and round which, the picture is blank are left out too: nothing matches there.
        """
        grey = image.over(0.5).mean(dim=0)[None, None]
        high = functional.adaptive_max_pool2d(torch.cat([grey, -grey], dim=1), self.hw)
        reach = functional.max_pool2d(high, BLANK_CELLS, stride=1, padding=BLANK_CELLS // 2)
        region = reach[0].sum(dim=0) > BLANK
        visible = image.visible()
        if visible is not None:
            region &= functional.interpolate(visible[None], size=self.hw, mode="area")[0, 0] >= 0.5
        return self if bool(region.all()) else replace(self, region=region)

    def to(self, device: torch.device) -> "FeatureStack":
        """Returns the stack on a device."""
        layers = {name: layer.to(device) for name, layer in self.layers.items()}
        return replace(self, layers=layers, region=None if self.region is None else self.region.to(device))
