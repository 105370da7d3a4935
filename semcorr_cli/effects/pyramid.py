"""Blending band by band: what is fine changes over fast and from place to place, what is broad dissolves slowly.

Burt & Adelson (1983), "A multiresolution spline with application to image mosaics": a Laplacian pyramid is mixed with a
mask that is as smooth in each band as the band is coarse. It is enough to take the difference of the pictures apart:
what they have in common needs no mixing.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

COARSEST = 12
"""Pixels on the shorter side below which a band is not divided further."""


@dataclass(frozen=True, slots=True, eq=False)
class Bands:
    """How much of the second picture every pixel shows.

    Attributes:
        broad: in the coarsest band.
        fine: in the finest band; those between lie between.
    """

    broad: Float[Tensor, "1 h w"]
    fine: Float[Tensor, "1 h w"]

    def blend(self, first: Float[Tensor, "c h w"], second: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """Returns the blend of two pictures; no value of it lies outside the two values it is made of."""
        blended = first + self.gathered(second - first)
        return blended.clamp_(torch.minimum(first, second), torch.maximum(first, second))

    def gathered(self, difference: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
        """Returns what the second picture changes: the bands of a difference, each in its share."""
        shares, levels = [], [difference]
        share = torch.stack([self.fine[0], self.broad[0]])
        while min(levels[-1].shape[1:]) >= 2 * COARSEST:
            shares.append(share)
            levels.append(halved(levels[-1]))
            share = halved(share)
        result = levels[-1] * share[1:]
        for k in range(len(shares) - 1, -1, -1):
            broad_share = (k / max(len(shares) - 1, 1)) ** 2  # edges are seen in all but the coarsest bands
            band = levels[k] - grown(levels[k + 1], levels[k])
            result = grown(result, levels[k]).addcmul_(band, torch.lerp(shares[k][:1], shares[k][1:], broad_share))
        return result


def halved(planes: Float[Tensor, "c h w"]) -> Float[Tensor, "c u v"]:
    """Returns planes of half the size; an odd side is rounded up."""
    size = (-(-planes.shape[1] // 2), -(-planes.shape[2] // 2))
    return functional.interpolate(planes[None], size=size, mode="area")[0]


def grown(planes: Float[Tensor, "c u v"], like: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Returns planes enlarged to the size of others."""
    size = (like.shape[1], like.shape[2])
    return functional.interpolate(planes[None], size=size, mode="bilinear", align_corners=False)[0]
