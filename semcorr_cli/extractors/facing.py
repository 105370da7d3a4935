"""Which end of a thing is which: descriptors that stay with the front of an animal or a vehicle when it is mirrored.

The descriptors that pictures are matched by tell the left of a picture from its right, as things of one kind mostly
face the same way where they were learnt. These were learnt from pictures mirrored one by one, and from nothing but
whether the one end finds the like end of another thing or its opposite (`semcorr_cli.training.facing`): their inner
product is evidence that two places are at the same end, and is about zero where a thing has no ends.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.extractors.base import Extractor, working_hw
from semcorr_cli.extractors.network import NetworkOptions, Residual, Trunk, load_trunk, prepared, twice
from semcorr_cli.extractors.options import FacingOptions

STRIDE = 16
"""Pixels of the picture per cell of the map."""


class FacingNet(Trunk):
    """The trunk of the built-in network, trained further, fused top-down to stride 16."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__(options)
        o = options
        self.lateral = nn.ModuleList([nn.Conv2d(channels, o.fuse, 1) for channels in o.widths[2:]])
        self.smooth = Residual(o.fuse, o.fuse)
        self.head = nn.Conv2d(o.fuse, o.dim, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps sRGB pictures (b, 3, h, w) in [0, 1], sides multiples of 16, to (b, dim, h/16, w/16), of any length."""
        return self.fused(self.early(images))

    def fused(self, early: Tensor) -> Tensor:
        """Returns the same of what `early` returned."""
        _, x16, x32 = self.later(early)
        out: Tensor = self.head(self.smooth(self.lateral[0](x16) + twice(self.lateral[1](x32), x16)))
        return out


class Facing(Extractor):
    """Descriptors by which ends are told apart, not normalised: their length says how surely."""

    options: FacingOptions

    def load(self, weights: Mapping[str, Path]) -> None:
        """Reads the network.

        Raises:
            InputError: the file does not hold one.
        """
        self._network = _loaded(weights["facing"], self.device)

    @torch.inference_mode()
    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the descriptors of each picture; those of a mirrored picture are the same, mirrored."""
        return [FeatureStack.single(self._described(image), image.hw) for image in images]

    def _described(self, image: Image) -> Tensor:
        o = self.options
        height, width = working_hw(image.hw, o.side, STRIDE)
        total = torch.zeros(1, self._network.options.dim, height // STRIDE, width // STRIDE, device=self.device)
        for scale in o.scales:
            picture = prepared(image, round(scale * o.side), STRIDE).to(self.device)
            both = torch.cat([picture, picture.flip(3)]).contiguous(memory_format=torch.channels_last)
            seen, mirrored = self._network(both).float().split(1)
            mean = (seen + mirrored.flip(3)) / (2 * len(o.scales))
            total += functional.interpolate(mean, total.shape[2:], mode="bilinear", align_corners=False)
        return total[0].contiguous()


@lru_cache(maxsize=2)
def _loaded(path: Path, device: torch.device) -> FacingNet:
    return load_trunk(path, FacingNet).to(device)
