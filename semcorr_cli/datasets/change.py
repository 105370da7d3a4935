"""Known changes of a picture: cut out, mirrored, turned, enlarged, recoloured, put on another picture."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import resample
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp

SIDE = 400
"""Side in pixels of a changed picture."""

EDGE = 0.08
"""Width of the soft edge of the cut, as a share of its half side."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A known change of a picture.

    Attributes:
        linear: rows map a changed picture's axes to the original's: original = (changed − middle) @ linear + centre.
        middle: where the object lies in the changed picture.
        centre: the middle of the object in the original.
        half: half width and height of what is cut out of the original; infinite where nothing is.
        background: picture behind the object; None where the original's rim goes on.
        colours: rows that mix red, green and blue; all of one row's thirds for grey.
        gamma: exponent of the colours before they are mixed.
        offset: added afterwards.
        mirrored: the object was mirrored.
    """

    linear: Float[Tensor, "2 2"]
    middle: Float[Tensor, "2"]
    centre: Float[Tensor, "2"]
    half: Float[Tensor, "2"]
    background: Path | None
    colours: Float[Tensor, "3 3"]
    gamma: float
    offset: float
    mirrored: bool

    @property
    def scale(self) -> float:
        """Pixels of the changed picture a pixel of the original."""
        return 1 / math.sqrt(float(torch.linalg.det(self.linear).abs()))

    def points(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Carries points of the original along."""
        carried: Tensor = (xy - self.centre) @ torch.linalg.inv(self.linear) + self.middle
        return carried

    def apply(self, image: Image, background: Image | None) -> Image:
        """Returns the changed picture; the background is the picture of that name, if there is one."""
        hw = (SIDE, SIDE)
        warp = Warp.sampled(lambda xy: (xy - self.middle) @ self.linear + self.centre, image.hw, hw)
        rgb = resample.draw(image.flattened(), warp).rgb
        rgb = (torch.einsum("kc,chw->khw", self.colours, rgb.pow(self.gamma)) + self.offset).clamp(0, 1)
        if background is not None:
            away = ((warp.rows(0, SIDE) - self.centre) / self.half).abs().amax(dim=-1)
            share = ((1 - away) / EDGE).clamp(0, 1) * resample.inside(warp.rows(0, SIDE), image.hw)
            behind = functional.interpolate(
                background.flattened().rgb[None], size=hw, mode="bilinear", antialias=True, align_corners=False
            )[0]
            rgb = torch.lerp(behind.clamp(0, 1), rgb, share)
        return Image(rgb, digest=self._digest(image, background))

    def _digest(self, image: Image, background: Image | None) -> str:
        """Names the changed picture by everything that made it, to the last bit; where files lie does not count."""
        tensors = [self.linear, self.middle, self.centre, self.half, self.colours]
        numbers = [value for tensor in tensors for value in tensor.flatten().tolist()]
        behind = "" if background is None else background.digest
        made_of = [image.digest, behind, SIDE, EDGE, *numbers, self.gamma, self.offset]
        return hashlib.sha256(repr(made_of).encode()).hexdigest()
