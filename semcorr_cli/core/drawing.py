"""Drawing: a picture that is made a few rows at a time, so that a large one never lies in memory as a whole."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image

STRIP_PIXELS = 1 << 18
"""Pixels of a picture that are handed on at once."""

Strip = tuple[slice, Float[Tensor, "c h w"]]
"""Rows, and their sRGB planes in [0, 1], not premultiplied; the fourth is alpha."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture whose rows are made as they are asked for, once.

    Attributes:
        hw: its size.
        alpha: strips have four planes.
        depth: bits a channel that it is worth (8 or 16).
        strips: consecutive rows, from the top.
    """

    hw: Hw
    alpha: bool
    depth: int
    strips: Iterator[Strip]

    @classmethod
    def of(cls, image: Image) -> "Drawing":
        """Returns a picture that is there already."""
        return cls(image.hw, image.alpha is not None, image.depth, _rows_of(image))

    def image(self) -> Image:
        """Makes the whole picture."""
        planes: Tensor | None = None
        for rows, strip in self.strips:
            if planes is None:
                planes = strip.new_empty(strip.shape[0], *self.hw)
            planes[:, rows] = strip
        assert planes is not None
        return Image(planes[:3], planes[3:] if self.alpha else None, depth=self.depth)


def _rows_of(image: Image) -> Iterator[Strip]:
    step = max(1, STRIP_PIXELS // image.hw[1])
    for top in range(0, image.hw[0], step):
        rows = slice(top, min(top + step, image.hw[0]))
        parts = [image.rgb[:, rows]] if image.alpha is None else [image.rgb[:, rows], image.alpha[:, rows]]
        yield rows, torch.cat(parts)
