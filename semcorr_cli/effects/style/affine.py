"""The affine map of colours that gives one set of colour moments another's.

Moments are matched rather than a map fitted to pairs of pixels: a fit to mismatched pairs tends to a slope of zero
(regression dilution), while moments need no pixel to meet its counterpart.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.effects.style.moments import PRODUCTS

FLOOR = 0.24
"""Spread added to both sides of a ratio of spreads: 0.6 of 8-bit lightness (He et al. 2019), on Lab's scale of 100."""

STEEPEST = 2.0
"""Contrast is at most multiplied by this, that of lightness at most divided by it."""

PALEST = 0.1
"""Contrast of a and b is at most reduced to this: were it not, what is white beside orange fur would turn blue when the
fur turns grey."""

RIDGE = 1.0
"""Variance added to both covariances, in Lab units squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """Colour maps, one for every place: Lab ↦ linear · Lab + offset.

    Attributes:
        linear: the diagonal (3 planes) or the whole matrix row by row (9 planes).
        offset: added to L, a and b.
    """

    linear: Float[Tensor, "m *place"]
    offset: Float[Tensor, "3 *place"]

    @classmethod
    def between(cls, start: Float[Tensor, "10 *place"], end: Float[Tensor, "10 *place"], stats: str) -> "Affine":
        """Returns the maps that turn the moments `start` into the moments `end` (sums; see `Statistics.planes`)."""
        mean_s, mean_e = (m[1:4] / m[:1].clamp_min(1e-6) for m in (start, end))
        second_s, second_e = (m[4:] / m[:1].clamp_min(1e-6) for m in (start, end))
        if stats == "cov":
            linear = _monge(_covariance(mean_s, second_s), _covariance(mean_e, second_e))
        else:
            spread_s, spread_e = (
                (second[:3] - mean.square()).clamp_min(0).sqrt()
                for mean, second in ((mean_s, second_s), (mean_e, second_e))
            )
            ratio = ((spread_e + FLOOR) / (spread_s + FLOOR)).clamp_max(STEEPEST)
            linear = torch.cat([ratio[:1].clamp_min(1 / STEEPEST), ratio[1:].clamp_min(PALEST)])
        return cls(linear, mean_e - _product(linear, mean_s))

    def apply(self, lab: Float[Tensor, "3 *place"]) -> Float[Tensor, "3 *place"]:
        """Returns mapped colours."""
        return _product(self.linear, lab).add_(self.offset)

    def towards(self, other: "Affine", share: Float[Tensor, "*place"]) -> "Affine":
        """Returns the mixture of two maps: this one where the share is 0, the other where it is 1."""
        return Affine(torch.lerp(self.linear, other.linear, share), torch.lerp(self.offset, other.offset, share))

    def eased(self, strength: float, *, keep_luma: bool) -> "Affine":
        """Returns the maps part of the way from leaving colours alone; with `keep_luma` they leave L alone."""
        still = torch.eye(3).to(self.linear)
        still = (still.diagonal() if self.linear.shape[0] == 3 else still.flatten()).reshape(
            -1, *[1] * (self.linear.ndim - 1)
        )
        linear = torch.lerp(still.expand_as(self.linear), self.linear, strength)
        offset = strength * self.offset
        if keep_luma:
            lines = 1 if self.linear.shape[0] == 3 else 3
            linear = torch.cat([still[:lines].expand_as(linear[:lines]), linear[lines:]])
            offset = torch.cat([torch.zeros_like(offset[:1]), offset[1:]])
        return Affine(linear, offset)

    def lightness(self) -> tuple[Float[Tensor, "3 *place"], Float[Tensor, "1 *place"]]:
        """Returns what makes the new L: factors of L, a and b, and what is added."""
        row = self.linear[:3]
        if self.linear.shape[0] == 3:
            row = torch.cat([row[:1], torch.zeros_like(row[1:])])
        return row, self.offset[:1]

    def relit(self, row: Float[Tensor, "3 *place"], offset: Float[Tensor, "1 *place"]) -> "Affine":
        """Returns the maps with another way of making L; those of separate channels take its first factor only."""
        own = row[:1] if self.linear.shape[0] == 3 else row
        return Affine(torch.cat([own, self.linear[len(own) :]]), torch.cat([offset, self.offset[1:]]))

    def planes(self) -> Float[Tensor, "n *place"]:
        """Returns everything as one stack of planes; `of` takes it apart again."""
        return torch.cat([self.linear, self.offset])

    @classmethod
    def of(cls, planes: Float[Tensor, "n *place"]) -> "Affine":
        """Takes a stack made by `planes` apart."""
        return cls(planes[:-3], planes[-3:])


def _product(linear: Float[Tensor, "m *place"], lab: Float[Tensor, "3 *place"]) -> Float[Tensor, "3 *place"]:
    if linear.shape[0] == 3:
        return linear * lab
    return torch.stack([sum(linear[3 * i + j] * lab[j] for j in range(3)) for i in range(3)])  # type: ignore[misc]


def _covariance(mean: Float[Tensor, "3 *place"], second: Float[Tensor, "6 *place"]) -> Float[Tensor, "*place 3 3"]:
    rows = mean.new_empty(3, 3, *mean.shape[1:])
    for k, (i, j) in enumerate(PRODUCTS):
        rows[i, j] = rows[j, i] = second[k] - mean[i] * mean[j]
    return rows.movedim((0, 1), (-2, -1)) + RIDGE * torch.eye(3).to(mean)


def _monge(start: Float[Tensor, "*place 3 3"], end: Float[Tensor, "*place 3 3"]) -> Float[Tensor, "9 *place"]:
    """Returns the optimal linear map between two Gaussians (Pitié & Kokaram 2007), its eigenvalues held in bounds."""
    root, inverse = _power(start, 0.5), _power(start, -0.5)
    linear = inverse @ _power(root @ end @ root, 0.5) @ inverse
    values, vectors = torch.linalg.eigh((linear + linear.mT) / 2)
    bounded = vectors @ torch.diag_embed(values.clamp(1 / STEEPEST, STEEPEST)) @ vectors.mT
    planes: Tensor = bounded.flatten(-2).movedim(-1, 0)
    return planes


def _power(matrix: Float[Tensor, "*place 3 3"], exponent: float) -> Float[Tensor, "*place 3 3"]:
    # RIDGE bounds the true eigenvalues from below; rounding must not take them under it.
    values, vectors = torch.linalg.eigh((matrix + matrix.mT) / 2)
    power: Tensor = vectors @ torch.diag_embed(values.clamp_min(1e-3) ** exponent) @ vectors.mT
    return power
