"""Colour transfer on the way: both pictures wear the colours of the moment, before they are blended.

The colours of a picture are taken as a Gaussian of square-rooted linear light, which is near to lightness. Between
two Gaussians lies the straight line of optimal transport (McCann 1997; the map by Pitié & Kokaram 2007): at each moment
both pictures have the same mean colour, contrast and hues, those of the one at the start, of the other at the end.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import light, resample
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style.affine import Affine
from semcorr_cli.effects.style.moments import PRODUCTS

LOOK_SIDE = 384
"""Longer side of the copies whose colours are gathered."""

WHITE = 100.0
"""What white is counted as, the scale on which maps are held in bounds."""

Planes = Float[Tensor, "ch h w"]


@dataclass(frozen=True, slots=True, eq=False)
class Tone:
    """What is done to a picture's colours at a moment: square-rooted linear light ↦ linear · light + offset.

    Attributes:
        linear: each channel's share in each.
        offset: added to red, green and blue.
    """

    linear: Float[Tensor, "3 3"]
    offset: Float[Tensor, "3 1"]

    @classmethod
    def of(cls, affine: Affine) -> "Tone":
        """Returns the tone that a map of colours is, on a scale up to `WHITE`."""
        return cls(affine.linear.reshape(3, 3), affine.offset[:, None] / WHITE)

    def apply(self, planes: Planes) -> Planes:
        """Returns linear premultiplied planes in other colours."""
        alpha = planes[3:]
        straight = planes if planes.shape[0] == 3 else planes[:3] / alpha.clamp_min(1e-6)
        roots = torch.addmm(self.offset, self.linear, straight.clamp(0, 1).sqrt_().flatten(1))
        toned = roots.clamp_(0, 1).square_().reshape(straight.shape)
        return toned if planes.shape[0] == 3 else torch.cat([toned * alpha, alpha])


class Ramp:
    """The colours of two pictures and what lies between."""

    def __init__(self, source: Image, target: Image) -> None:
        """Gathers the colours of both pictures; what is transparent does not count."""
        own, other = (_moments(resample.shrink(image, LOOK_SIDE)) for image in (source, target))
        self._there = Affine.between(own, other, "cov")
        self._back = Affine.between(other, own, "cov")

    def at(self, share: float) -> tuple[Tone, Tone]:
        """Returns what is done to either picture when the second's share is so large."""
        there, back = self._there.eased(share, keep_luma=False), self._back.eased(1 - share, keep_luma=False)
        return Tone.of(there), Tone.of(back)


def _moments(image: Image) -> Float[Tensor, " 10"]:
    roots = light.to_linear(image.rgb).sqrt() * WHITE
    share = torch.ones_like(roots[:1]) if image.alpha is None else image.alpha
    products = torch.stack([roots[i] * roots[j] for i, j in PRODUCTS])
    moments: Tensor = torch.cat([share, roots * share, products * share]).mean(dim=(1, 2))
    return moments
