"""Tone curves: what matched means and spreads leave of the difference between corresponding regions.

Much white with a little black has a mean and a spread, and hardly a pixel looks like either. So every part and channel
gets a monotone curve that brings its quantiles near the style's. Curves are bent little: where a part is of one colour
and its counterpart of many, a steep curve would draw the picture's noise.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.image import Image
from semcorr_cli.effects.style import parts
from semcorr_cli.effects.style.moments import blurred
from semcorr_cli.effects.style.parts import Parts

KNOTS = (9, 5, 5)
"""Knots of a curve of L, a and b, evenly spaced over what the picture has of the channel."""

QUANTILES = 128
"""Quantiles that are compared."""

STRAYS = 0.03
"""Share of a part, at either end, that is left out: places that votes gave to the wrong part are its extremes."""

FLATTEST, STEEPEST = 0.5, 2.0
"""Bounds of a curve's slope."""

CAUTION = 0.1
"""Share of a part's pixels between two knots at which the curve is bent half as far as they ask for."""

FEWEST = 64
"""Pixels of a part, on either side, below which its curve stays straight."""

SEAM = 1.5
"""Standard deviation in cells over which the curves of neighbouring parts flow into each other."""


@dataclass(frozen=True, slots=True, eq=False)
class Tones:
    """Curves for every place: what is added to L, a and b, by their values.

    Attributes:
        planes: what is added at each of the knots of L, then of a, then of b, on a grid that covers the picture.
        low: the channels' first knots.
        step: their distances between knots.
    """

    planes: Float[Tensor, "k g g2"]
    low: Float[Tensor, "3"]
    step: Float[Tensor, "3"]

    @classmethod
    def between(cls, content: Image, start: Float[Tensor, "3 h w"], style: Image, labels: Parts) -> "Tones":
        """Returns the curves that bring recoloured content near the style, part by part.

        Args:
            content: a small copy.
            start: what it was recoloured to, in Lab.
            style: a small copy.
            labels: corresponding regions.
        """
        end = rgb_to_lab(style.rgb)
        own, other = parts.at_pixels(labels.source, content), parts.at_pixels(labels.target, style)
        # Every seventh pixel tells the range well enough.
        low, high = (torch.quantile(start.flatten(1)[:, ::7], share, dim=1) for share in (0.005, 0.995))
        step = ((high - low) / (low.new_tensor(KNOTS) - 1)).clamp_min(1e-3)
        at = torch.linspace(STRAYS, 1 - STRAYS, QUANTILES).to(start)
        added = start.new_zeros(labels.count, sum(KNOTS))
        for index in range(labels.count):
            mine, theirs = start[:, own == index], end[:, other == index]
            if min(mine.shape[1], theirs.shape[1]) < FEWEST:
                continue
            here, there = torch.quantile(mine, at, dim=1), torch.quantile(theirs, at, dim=1)
            curves = torch.cat(
                [_curve(here[:, c], there[:, c], low[c], step[c], count) for c, count in enumerate(KNOTS)]
            )
            added[index] = curves * _backing(labels, index)
        shares = blurred(functional.one_hot(labels.source, labels.count).movedim(-1, 0).to(start), SEAM)
        return cls(torch.einsum("phw,pk->khw", shares, added), low, step)

    def added(self, planes: Float[Tensor, "k h w"], lab: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
        """Returns what is added to colours, from planes enlarged to their size."""
        result = torch.empty_like(lab)
        for channel, curve in enumerate(planes.split(KNOTS)):
            last = len(curve) - 1
            at = ((lab[channel] - self.low[channel]) / self.step[channel]).clamp_(0, last)
            below = at.floor().clamp_max_(last - 1)
            index = below.long()[None]
            ends = curve.gather(0, index), curve.gather(0, index + 1)
            result[channel] = torch.lerp(*ends, at - below)[0]
        return result

    def eased(self, lightness: float, colour: float) -> "Tones":
        """Returns the curves part of the way from straight ones."""
        shares = (lightness, colour, colour)
        share = torch.cat([self.planes.new_full((count,), each) for count, each in zip(KNOTS, shares, strict=True)])
        return Tones(self.planes * share[:, None, None], self.low, self.step)


def _backing(labels: Parts, index: int) -> Tensor:
    """Returns how clearly the votes found a part's counterpart, in [0, 1]: 1 where as clearly as it is a part itself.

    Stray matches give a part places that are not its counterpart's, which hardly move the mean, but do the extremes.
    """
    own, found = labels.source_trust[labels.source == index], labels.target_trust[labels.target == index]
    return (found.mean() / own.mean()).clamp_max(1)


def _curve(
    here: Float[Tensor, " q"], there: Float[Tensor, " q"], low: Tensor, step: Tensor, count: int
) -> Float[Tensor, " k"]:
    """Returns what a monotone curve adds at its knots, to bring one channel's quantiles near the other's."""
    knots = low + step * torch.arange(count).to(here)
    # Between which quantiles a knot lies, and how far along; the style is read at the same rank.
    rank = torch.searchsorted(here.contiguous(), knots, right=True).clamp(1, QUANTILES - 1) - 1
    gap = here[rank + 1] - here[rank]
    along = torch.where(gap > 1e-4, (knots - here[rank]) / gap.clamp_min(1e-4), 0.0)
    within = along.clamp(0, 1)
    wanted = torch.lerp(there[rank], there[rank + 1], within) + (along - within) * gap
    mass = (rank + within).diff() / (QUANTILES - 1)
    slope = (mass * wanted.diff() / step + CAUTION) / (mass + CAUTION)
    added = torch.cat([step.new_zeros(1), ((slope.clamp(FLATTEST, STEEPEST) - 1) * step).cumsum(dim=0)])
    # What the curve makes of the part has the style's mean.
    at = ((here - low) / step).clamp(0, count - 1)
    below = at.floor().clamp_max(count - 2).long()
    made = here + torch.lerp(added[below], added[below + 1], at - below)
    return added + (there.mean() - made.mean())
