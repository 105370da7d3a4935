"""What a transfer did, in figures: how near each part came to its counterpart, and what became of the structure."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import metrics, resample
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style import parts as regions
from semcorr_cli.effects.style.parts import Parts

SIDE = 512
"""Longer side of the copies that are measured."""

SAMPLE = 4096
"""Pixels of a part that are compared at most, evenly spaced."""


@dataclass(frozen=True, slots=True)
class PartDistance:
    """One part's distance to its counterpart.

    Attributes:
        share: share of the content's area that is compared as this part.
        before: sliced Wasserstein distance in Lab of the content's part to the style's.
        after: the same of the result's part.
    """

    share: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures of one transfer.

    Attributes:
        parts: part by part.
        gradient_correlation: of the result's lightness with the content's; 1 when the structure is untouched.
        leak: mean ΔE where nothing may change; None where everything may.
    """

    parts: tuple[PartDistance, ...]
    gradient_correlation: float
    leak: float | None

    @property
    def before(self) -> float:
        """Distance to the style before the transfer, weighted by area."""
        return sum(part.share * part.before for part in self.parts) / max(sum(part.share for part in self.parts), 1e-9)

    @property
    def after(self) -> float:
        """Distance to the style after the transfer, weighted by area."""
        return sum(part.share * part.after for part in self.parts) / max(sum(part.share for part in self.parts), 1e-9)

    @property
    def ratio(self) -> float:
        """Distance after by distance before."""
        return self.after / max(self.before, 1e-9)


def measure(
    content: Image, result: Image, style: Image, parts: Parts, changed: Float[Tensor, "1 h w"] | None
) -> Measures:
    """Compares the result with both pictures; distances count where the content may change.

    A distance over whole pictures would not do: it is smallest for results whose colours are right and in the wrong
    places.
    """
    leak = None
    if changed is not None and bool((changed == 0).any()):
        leak = float(metrics.colour_difference(content.rgb, result.rgb)[changed[0] == 0].mean())
    small = [resample.shrink(image, SIDE) for image in (content, result, style)]
    here, done, there = (rgb_to_lab(image.rgb) for image in small)
    source, target = regions.at_pixels(parts.source, small[0]), regions.at_pixels(parts.target, small[2])
    if changed is not None:
        where = functional.interpolate(changed[None], size=small[0].hw, mode="area")[0, 0]
        source = source.masked_fill(where < 0.5, -1)
    distances = []
    for index in range(parts.count):
        mine, theirs = source == index, target == index
        if min(int(mine.sum()), int(theirs.sum())) < 16:
            continue
        wanted = _sample(there, theirs)
        before, after = (metrics.sliced_wasserstein(_sample(lab, mine), wanted) for lab in (here, done))
        distances.append(PartDistance(float(mine.float().mean()), before, after))
    return Measures(tuple(distances), metrics.gradient_correlation(here[0], done[0]), leak)


def _sample(lab: Float[Tensor, "3 h w"], where: Tensor) -> Float[Tensor, "n 3"]:
    pixels = lab[:, where].T
    return pixels[torch.linspace(0, pixels.shape[0] - 1, min(SAMPLE, pixels.shape[0])).round().long()]
