"""The built-in extractor: a small network of our own whose weights lie in the package, with RootSIFT beside it.

The network (`network.py`, trained by `semcorr_cli.training`) says what part a place belongs to; it is run at one size
or several, and its maps are averaged on one grid. Dense RootSIFT adds precision where a second look is taken at
pictures that have been aligned already.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.extractors.base import Extractor, working_hw
from semcorr_cli.extractors.network import STRIDE, DescriptorNet, load_network, prepared
from semcorr_cli.extractors.options import BuiltinOptions, SiftOptions
from semcorr_cli.extractors.sift import dense_root_sift


class Builtin(Extractor):
    """Descriptors of the built-in network, 128 channels, and those of RootSIFT if asked for."""

    options: BuiltinOptions

    def load(self, weights: Mapping[str, Path]) -> None:
        """Reads the network.

        Raises:
            InputError: the file does not hold one.
        """
        path = weights["builtin"]
        self._network, self._digest = _loaded(path, path.stat().st_mtime_ns, self.device)

    @property
    def recipe(self) -> str:
        """The options and the weights."""
        return f"{super().recipe} {self._digest[:16]}"

    @torch.inference_mode()
    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the descriptors of each picture."""
        return [self._describe(image) for image in images]

    def _describe(self, image: Image) -> FeatureStack:
        o = self.options
        height, width = working_hw(image.hw, o.side, STRIDE)
        grid = (height // STRIDE, width // STRIDE)
        total = torch.zeros(1, self._network.options.dim, *grid, device=self.device)
        for scale in o.scales:
            seen = self._seen(image, round(scale * o.side))
            total += functional.interpolate(seen, grid, mode="bicubic", align_corners=False)
        data = functional.normalize(total[0], dim=0)
        if o.sift_weight > 0:
            weights = (1.0,) * len(o.sift_patches)
            precise = dense_root_sift(image, SiftOptions(o.side, STRIDE, o.sift_patches, weights, o.sift_orientations))
            data = functional.normalize(torch.cat([data, o.sift_weight**0.5 * precise.to(self.device)]), dim=0)
        return FeatureStack.single(data, image.hw)

    def _seen(self, image: Image, side: int) -> Float[Tensor, "1 c h w"]:
        picture = prepared(image, side).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self._network.describe(picture)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int, device: torch.device) -> tuple[DescriptorNet, str]:
    """Returns a file's network and digest; the looks that a session takes at a picture share them."""
    return load_network(path).to(device), hashlib.sha256(path.read_bytes()).hexdigest()
