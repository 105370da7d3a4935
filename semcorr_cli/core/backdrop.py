"""Backdrop: a large picture that is only looked at a few rows at a time, kept in as many bits as its file had."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.resample import strips


@dataclass(frozen=True, slots=True, eq=False)
class Backdrop:
    """A picture in its file's depth: a quarter, or half, of what an `Image` takes.

    Attributes:
        hw: its size.
        codes: (h, w, 3), or (h, w, 4) with alpha: 8 or 16 bits without sign.
    """

    hw: Hw
    codes: Tensor

    @classmethod
    def of(cls, image: Image) -> "Backdrop":
        """Returns a picture's codes."""
        dtype = torch.uint16 if image.depth == 16 else torch.uint8
        parts = [image.rgb] if image.alpha is None else [image.rgb, image.alpha]
        codes = torch.empty(*image.hw, sum(len(part) for part in parts), dtype=dtype)
        for rows in strips(image.hw, image.rgb):
            strip = torch.cat([part[:, rows] for part in parts]).permute(1, 2, 0)
            codes[rows] = (strip * torch.iinfo(dtype).max).round_().to("cpu", dtype)
        return cls(image.hw, codes)

    @property
    def has_alpha(self) -> bool:
        """Tells whether it may be seen through."""
        return self.codes.shape[2] == 4

    def rows(self, rows: slice, like: Tensor) -> tuple[Float[Tensor, "3 r w"], Float[Tensor, "1 r w"] | None]:
        """Returns colours and alpha of some rows, on the device of `like`."""
        planes = self.codes[rows].to(like).permute(2, 0, 1) / torch.iinfo(self.codes.dtype).max
        return planes[:3], planes[3:] if self.has_alpha else None
