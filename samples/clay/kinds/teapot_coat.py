"""How teapots are glazed: a glaze, bands, petals or dots around the belly, brush strokes, speckles, gilt edges."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from clay.noise import cells, rough, smooth, stairs
from clay.params import draw, rgb, span
from clay.surface import Material, Surface, coloured, over

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Coat:
    """Colours and amounts, from 0 to 1.

    Attributes:
        glaze: Colour.
        second: Colour of the lower glaze.
        ink: Colour of what is drawn on it.
        accent: Colour of flowers' hearts, dots and the knob.
        dip: How far up the second glaze goes; 0 or less for none.
        bands: Strength of drawn bands.
        petals: Strength of a ring of petals.
        dots: Strength of dots.
        strokes: Strength of cracks and veins in the ink's colour.
        speckle: Strength of speckles.
        gilt: Strength of gold on edges and knob.
        many: Petals around.
    """

    glaze: tuple[float, float, float] = rgb("#eef0ea")
    second: tuple[float, float, float] = rgb("#7a4a2c")
    ink: tuple[float, float, float] = rgb("#2f55a0")
    accent: tuple[float, float, float] = rgb("#c2452d")
    dip: float = span(0.0, (-0.5, 0.5))
    bands: float = span(1.0, 0.0)
    petals: float = span(1.0, 0.0)
    dots: float = span(0.0, 0.0)
    strokes: float = span(0.0, 0.0)
    speckle: float = span(0.2, 0.2)
    gilt: float = span(0.0, 0.0)
    many: float = span(9.0, 3.0)


def paint(coat: Coat, surface: Surface) -> Material:
    """Glazes a teapot's skin."""
    rest = surface.rest
    x, y, _ = rest
    belly = surface.of("belly", "foot", "neck")
    pot = surface.local("belly").u
    angle, rise = torch.atan2(pot[0], pot[2]), pot[1]
    wobble = 0.012 * smooth(rest * 9.0)

    colour = coloured(coat.glaze, rest)
    colour = colour * (1.0 + 0.05 * rough(rest * 3.0, 3))
    if coat.dip > 0.0:
        runs = 0.05 * smooth(torch.stack((angle * 4.0, rise * 0.0, rise * 0.0 + 3.0))) + wobble
        colour = over(colour, coat.second, stairs(0.02, -0.02, y - 0.05 - 1.0 * coat.dip - runs))
    colour = over(colour, coat.ink, belly * coat.bands * _bands(rise + wobble))
    if coat.petals > 0.01:
        petal, heart = _petals(coat, angle, rise + wobble)
        colour = over(colour, coat.ink, belly * coat.petals * petal)
        colour = over(colour, coat.accent, belly * coat.petals * heart)
    if coat.dots > 0.01:
        colour = over(colour, coat.accent, coat.dots * _dots(surface, angle, rise, belly))
    if coat.strokes > 0.01:
        near, next_ = cells(rest * 5.0 + 0.3 * smooth(rest * 4.0))
        colour = over(colour, coat.ink, 0.7 * coat.strokes * stairs(0.06, 0.01, next_ - near))
    specks = stairs(0.2, 0.1, cells(rest * 22.0)[0]) * stairs(-0.2, 0.5, smooth(rest * 6.0))
    colour = over(colour, tuple(0.3 * c for c in coat.second), coat.speckle * specks)

    lid = surface.of("lid")
    u = surface.local("lid").u
    rim = stairs(0.03, 0.01, ((u[0] ** 2 + u[2] ** 2).sqrt() - 0.9).abs() - 0.02)
    colour = over(colour, coat.ink, lid * max(coat.bands, coat.petals) * rim)
    knob, hole = surface.of("knob", "stem"), surface.of("hole")
    colour = over(colour, coat.accent, knob * (1.0 - coat.gilt))
    tip = surface.of("spout_10", "spout_11", "spout_12") * stairs(0.4, 0.6, surface.local("spout_10").h)
    colour = over(colour, coat.ink, tip * coat.bands * (1.0 - coat.gilt))
    gold = coat.gilt * torch.maximum(torch.maximum(knob, tip), lid * rim).clamp(0.0, 1.0)
    colour = over(colour, rgb("#c9982f"), gold)
    colour = over(colour, (0.05, 0.04, 0.035), hole)
    ones = torch.ones_like(x)
    return Material(colour, 0.85 * ones - 0.5 * hole, 0.045 * ones + 0.25 * gold, 0.0 * ones, 0.012 * ones)


def _bands(rise: Tensor) -> Tensor:
    """Three bands (n,) below the shoulder and two above the foot."""
    drawn = torch.zeros_like(rise)
    for at, half in ((0.62, 0.02), (0.69, 0.008), (-0.58, 0.02), (-0.66, 0.008)):
        drawn = torch.maximum(drawn, stairs(half + 0.012, half, (rise - at).abs()))
    return drawn


def _petals(coat: Coat, angle: Tensor, rise: Tensor) -> tuple[Tensor, Tensor]:
    """A frieze of flowers (n,) around the belly, and their hearts."""
    many = round(coat.many) / 6.2832
    step = angle * many
    x = (step - step.round()) / many
    y = (rise - 0.02) * 0.9
    away, turn = (x * x + y * y).sqrt(), torch.atan2(y, x)
    reach = 0.16 * (0.62 + 0.38 * torch.cos(turn * 5.0 - 1.57).abs() ** 0.7)
    petal = stairs(0.012, -0.004, away - reach) * stairs(0.055, 0.07, away)
    vein = stairs(0.1, 0.2, torch.cos(turn * 5.0 - 1.57).abs())
    heart = stairs(0.052, 0.042, away)
    half = step + 0.5
    x = (half - half.round()) / many
    leaf = stairs(0.012, -0.004, (x.abs() / 0.05) ** 1.4 + (y.abs() / 0.17) ** 1.4 - 1.0)
    vine = stairs(0.016, 0.006, (y - 0.2 - 0.03 * torch.cos(angle * many * 6.2832)).abs())
    vine = torch.maximum(vine, stairs(0.016, 0.006, (y + 0.24 - 0.03 * torch.cos(angle * many * 6.2832)).abs()))
    return torch.maximum(torch.maximum(petal * vein, leaf), vine), heart


def _dots(surface: Surface, angle: Tensor, rise: Tensor, belly: Tensor) -> Tensor:
    """Rows of dots (n,) on the belly, shifted by half from row to row, and on the lid."""
    row = (rise / 0.3).round()
    around = 12.0 / 6.2832
    step = angle * around + 0.5 * row.remainder(2.0)
    x, y = (step - step.round()) / around * (1.0 - 0.5 * rise * rise).clamp_min(0.1).sqrt(), rise - 0.3 * row
    drawn = belly * stairs(0.085, 0.072, (x * x + (0.9 * y) ** 2).sqrt()) * (row.abs() < 2.5)
    u = surface.local("lid").u
    turn = torch.atan2(u[0], u[2]) * 8.0 / 6.2832
    away = (u[0] ** 2 + u[2] ** 2).sqrt()
    x, y = (turn - turn.round()) * 6.2832 / 8.0 * 0.6, away - 0.62
    return torch.maximum(drawn, surface.of("lid") * stairs(0.13, 0.11, (x * x + y * y).sqrt()))


GLAZES = ("#eef0ea", "#f2e3c6", "#8fb3a8", "#c8643c", "#3f6f8f", "#e7b8ac", "#6f8a58", "#2f3b4a", "#d9b25a", "#b9c6d8")


def draw_coat(rng: np.random.Generator) -> Coat:
    """Draws glazes and one or two kinds of drawing."""
    picks = [rgb(GLAZES[i]) for i in rng.choice(len(GLAZES), 4, replace=False)]
    amounts = {
        name: float(rng.random() < chance)
        for name, chance in (("bands", 0.5), ("petals", 0.4), ("dots", 0.35), ("strokes", 0.2), ("gilt", 0.3))
    }
    return replace(draw(Coat, rng), **dict(zip(("glaze", "second", "ink", "accent"), picks, strict=True)), **amounts)
