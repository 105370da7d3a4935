"""Image: an upright sRGB picture, alpha apart."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """A picture as every effect sees it.

    Attributes:
        rgb: sRGB in [0, 1], not premultiplied.
        alpha: coverage in [0, 1]; None for an opaque picture.
        mask: 1 where the object is, 0 where not to look for matches; None for everywhere.
        depth: bits a channel of the file it came from (8 or 16), kept so that it can be written back.
        digest: hexadecimal name of the content; derived pictures extend it. Cache keys and seeds are made from it.
        notes: what the image door did on the way in (rotated by EXIF, converted from CMYK …), for people to read.
    """

    rgb: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "1 h w"] | None = None
    mask: Float[Tensor, "1 h w"] | None = None
    depth: int = 8
    digest: str = ""
    notes: tuple[str, ...] = ()

    @property
    def hw(self) -> Hw:
        """The size as (height, width)."""
        return self.rgb.shape[1], self.rgb.shape[2]

    def mirrored(self) -> "Image":
        """Returns the picture mirrored left to right."""
        return self._mapped(lambda planes: planes.flip(-1), f"{self.digest}:mirrored")

    def to(self, device: torch.device) -> "Image":
        """Returns the picture on a device."""
        return self._mapped(lambda planes: planes.to(device), self.digest)

    def over(self, background: float) -> Float[Tensor, "3 h w"]:
        """Returns the colours composited over a grey background, as extractors want them: no alpha left."""
        if self.alpha is None:
            return self.rgb
        return self.rgb * self.alpha + background * (1 - self.alpha)

    def flattened(self) -> "Image":
        """Returns the picture without alpha, composited over white."""
        return self if self.alpha is None else replace(self, rgb=self.over(1.0), alpha=None)

    def visible(self) -> Float[Tensor, "1 h w"] | None:
        """Returns where there is something to match, alpha times mask; None for everywhere."""
        if self.alpha is None or self.mask is None:
            return self.mask if self.alpha is None else self.alpha
        return self.alpha * self.mask

    def _mapped(self, change: Callable[[Tensor], Tensor], digest: str) -> "Image":
        alpha = None if self.alpha is None else change(self.alpha)
        mask = None if self.mask is None else change(self.mask)
        return replace(self, rgb=change(self.rgb), alpha=alpha, mask=mask, digest=digest)
