"""Patterns of fur that animals share: patches, stripes, spots, and the unevenness of hair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from clay.noise import cells, rough, smooth, stairs
from clay.params import span
from clay.surface import over

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Pattern:
    """Amounts of patterns, from 0 to 1, and their colours.

    Attributes:
        patch: Share of the skin under each of two patch colours.
        patch_one: Colour.
        patch_two: Colour.
        stripe: Width of stripes; 0 for none.
        stripe_colour: Colour.
        stripe_many: Stripes a unit of length.
        spot: Size of spots; 0 for none.
        spot_colour: Colour.
        spot_many: Spots a unit of length.
        hair: Strength of light and dark hairs.
        offset: Moves the patterns over the skin.
    """

    patch: float = 0.0
    patch_one: Colour = (0.5, 0.2, 0.05)
    patch_two: Colour = (0.03, 0.025, 0.02)
    stripe: float = 0.0
    stripe_colour: Colour = (0.03, 0.025, 0.02)
    stripe_many: float = span(7.0, 2.0)
    spot: float = 0.0
    spot_colour: Colour = (0.03, 0.025, 0.02)
    spot_many: float = span(7.0, 2.0)
    hair: float = span(0.1, 0.05)
    offset: float = span(0.0, 20.0)


def patterned(pattern: Pattern, colour: Tensor, rest: Tensor, along: Tensor) -> Tensor:
    """Lays the patterns over a coat's colours (3, n).

    Args:
        pattern: The amounts.
        colour: What the coat is without them.
        rest: (3, n) places on the template.
        along: (n,) the coordinate across which stripes run.
    """
    shift = torch.tensor([[1.0], [0.6], [0.3]]) * pattern.offset
    if pattern.patch > 0.01:
        edge = 0.12 * rough(rest * 9.0 + shift, 2)
        for i, top in enumerate((pattern.patch_one, pattern.patch_two)):
            blot = smooth(rest * 2.6 + shift + 9.1 * i) + edge
            level = 0.75 - pattern.patch
            colour = over(colour, top, stairs(level - 0.03, level + 0.03, blot))
    if pattern.stripe > 0.01:
        wave = along * pattern.stripe_many + 0.55 * rough(rest * 3.0 + shift, 2)
        band = 0.5 + 0.5 * torch.cos(6.2832 * wave)
        level = 1.0 - pattern.stripe
        colour = over(colour, pattern.stripe_colour, 0.95 * stairs(level - 0.12, level + 0.12, band))
    if pattern.spot > 0.01:
        gap = cells(
            (rest + 0.03 * torch.stack([smooth(rest * 9.0 + i) for i in range(3)])) * pattern.spot_many + shift
        )[0]
        colour = over(colour, pattern.spot_colour, 0.95 * stairs(pattern.spot, pattern.spot - 0.1, gap))
    hairs = rough(rest * torch.tensor([[26.0], [26.0], [11.0]]), 3) + 0.5 * smooth(rest * 3.0)
    return colour * (1.0 + pattern.hair * hairs)
