"""How animal heads are coloured."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from clay.kinds.fur import Pattern, patterned
from clay.kinds.quadruped_coat import PALETTES
from clay.noise import smooth, stairs
from clay.params import draw, rgb, span
from clay.surface import Material, Surface, coloured, over


@dataclass(frozen=True)
class Coat:
    """Colours, and how far each reaches.

    Attributes:
        main: Of the head.
        pale: Of muzzle, chin and chest.
        dark: Of what is marked dark.
        face: Size of the pale face around the muzzle.
        blaze: Width of a pale line up the forehead; 0 or less for none.
        mask: Size of dark rings around the eyes; 0 or less for none.
        ear_dark: Whether the ears are dark.
        blush: Strength of red on the cheeks.
        inner: Colour inside the ears.
        nose: Colour.
        iris: Colour.
        white: Colour around the iris.
        iris_size: Share of the eye the iris takes.
        pupil_size: Share of the iris the pupil takes.
        slit: How narrow the pupil is; 1 is round.
        lid: How far down the eyelid comes; 1 is open.
        collar: Colour.
        bell: Colour.
        pattern: Patches, stripes and spots.
    """

    main: tuple[float, float, float] = rgb("#b98352")
    pale: tuple[float, float, float] = rgb("#f1e4d0")
    dark: tuple[float, float, float] = rgb("#4a3226")
    face: float = span(0.6, 0.4)
    blaze: float = span(0.0, (-0.4, 0.4))
    mask: float = span(0.0, (-0.6, 0.5))
    ear_dark: float = span(0.3, (-0.6, 1.0))
    blush: float = span(0.25, 0.25)
    inner: tuple[float, float, float] = rgb("#dfa293")
    nose: tuple[float, float, float] = rgb("#2b1f1c")
    iris: tuple[float, float, float] = rgb("#6e4a23")
    white: tuple[float, float, float] = rgb("#f4f1ea")
    iris_size: float = span(0.72, 0.14)
    pupil_size: float = span(0.62, 0.12)
    slit: float = span(0.85, (0.4, 1.0))
    lid: float = span(0.88, 0.12)
    collar: tuple[float, float, float] = rgb("#b3382c")
    bell: tuple[float, float, float] = rgb("#e8b73a")
    pattern: Pattern = field(default_factory=Pattern)


def paint(coat: Coat, surface: Surface) -> Material:
    """Colours a head's skin."""
    rest, head = surface.rest, surface.local("head").u
    x, y, z = rest
    wobble = 0.05 * smooth(rest * 5.0) + 0.02 * smooth(rest * 18.0)
    on_ear = surface.of("ear", "ear_end")
    skull = surface.of("head", "jaw", "cheek", "muzzle", "pad", "chin", "brow", "tuft", "tuft_left", "tuft_right")

    # Stripes bend around the middle of the face as a tabby's do.
    bend = 0.9 * (x * x + 0.25 * z * z + 0.01).sqrt() * stairs(0.5, 0.9, y) + 0.35 * (1.4 - y)
    colour = patterned(coat.pattern, coloured(coat.main, rest), rest, bend)
    colour = over(colour, coat.dark, on_ear * min(max(coat.ear_dark, 0.0), 1.0))
    if coat.mask > 0.0:
        for side in ("left", "right"):
            ring = surface.local(f"{side}_eye").level
            colour = over(colour, coat.dark, skull * stairs(0.1, -0.1, ring - 1.35 - coat.mask + 2.0 * wobble))
    face = ((head[0] / 0.62) ** 2 + ((head[1] + 0.52) / 0.6) ** 2).sqrt() - 0.35 - 0.75 * coat.face + wobble
    front = skull * stairs(0.0, 0.25, head[2])
    colour = over(colour, coat.pale, front * stairs(0.04, -0.04, face) * min(1.0, 8.0 * coat.face))
    if coat.blaze > 0.0:
        line = head[0].abs() - (0.1 + 0.16 * head[1].clamp_min(0.0)) * 2.0 * coat.blaze + 0.4 * wobble
        colour = over(colour, coat.pale, front * stairs(0.025, -0.025, line) * stairs(-0.4, -0.1, head[1]))
    chest = surface.of("shoulders", "neck")
    bib = x.abs() * 1.3 - 0.3 * coat.face + 0.2 * (y - 0.2) + wobble
    colour = over(colour, coat.pale, chest * stairs(0.04, -0.04, bib) * stairs(0.0, 0.1, z) * min(1.0, 8.0 * coat.face))
    for side in ("left", "right"):
        cheek = surface.local(f"{side}_cheek").u - torch.tensor([[0.25 if side == "left" else -0.25], [0.15], [0.9]])
        colour = over(colour, rgb("#e2705f"), skull * coat.blush * torch.exp(-3.2 * cheek.square().sum(0)))
    for side in ("left", "right"):
        cup = surface.local(f"{side}_hollow").level
        colour = over(
            colour, coat.inner, (on_ear + surface.of("head", "hollow")).clamp_max(1.0) * stairs(1.2, 1.08, cup)
        )
    colour = over(colour, coat.dark, _mouth(surface, skull))

    eye, nose, bell = surface.of("eye"), surface.of("nose"), surface.of("bell")
    for side in ("left", "right"):
        own = surface.of(f"{side}_eye")
        if bool((own > 0.0).any()):
            colour = over(colour, _eye(coat, surface.local(f"{side}_eye").u), own)
        rim = surface.local(f"{side}_eye").level
        colour = over(colour, coat.dark, skull * 0.75 * stairs(1.16, 1.08, rim))
    colour = over(colour, coat.nose, nose)
    collar = surface.of("collar")
    colour = over(over(colour, coat.collar, collar), coat.bell, bell)
    gloss = 0.95 * eye + 0.55 * nose + 0.7 * bell + 0.25 * collar
    fuzz = (1.0 - eye - nose - bell - collar).clamp_min(0.0)
    return Material(colour, gloss, 0.05 * eye + 0.18 * bell, fuzz, 0.07 * (1.0 - eye - bell).clamp_min(0.0))


def _eye(coat: Coat, u: Tensor) -> Tensor:
    """Colours (3, n) of an eye at places u (3, n) of its own frame."""
    away = (u[0] ** 2 + u[1] ** 2).sqrt() + 2.0 * (u[2] < 0.0)
    size = coat.iris_size
    ring = (away / size).clamp(0.0, 1.0)
    glow = 0.65 + 0.7 * stairs(0.3, -0.8, u[1] / size) * stairs(0.3, 0.8, ring)
    iris = torch.tensor(coat.iris)[:, None] * glow * (1.0 - 0.55 * stairs(0.8, 1.0, ring))
    colour = over(coloured(coat.white, u), iris, stairs(size + 0.03, size - 0.03, away))
    pupil = ((u[0] / coat.slit) ** 2 + u[1] ** 2).sqrt() + 2.0 * (u[2] < 0.0)
    colour = over(colour, (0.008, 0.007, 0.007), stairs(0.03, -0.03, pupil - size * coat.pupil_size))
    for place, radius in (((-0.22, 0.32), 0.15), ((0.2, -0.25), 0.07)):
        spark = ((u[0] - place[0]) ** 2 + (u[1] - place[1]) ** 2).sqrt() + 2.0 * (u[2] < 0.0)
        colour = over(colour, (1.1, 1.1, 1.1), stairs(radius + 0.03, radius - 0.03, spark))
    lid = stairs(-0.03, 0.03, u[1] - coat.lid + 0.12 * u[0] ** 2)
    lash = stairs(-0.03, 0.03, u[1] - coat.lid + 0.09 + 0.12 * u[0] ** 2)
    colour = over(colour, coat.dark, lash)
    return over(colour, coat.main, lid)


def _mouth(surface: Surface, skull: Tensor) -> Tensor:
    """Where (n,) the line of the mouth and the dots of the whiskers are drawn."""
    drawn = torch.zeros_like(skull)
    pads = surface.of("pad", "chin", "muzzle", "jaw")
    nose = surface.local("nose").u
    for side, left in (("left", 1.0), ("right", -1.0)):
        u = surface.local(f"{side}_pad").u
        inner = u[0] * left
        curve = -0.62 + 0.3 * inner * inner
        line = stairs(0.13, 0.05, (u[1] - curve).abs()) * stairs(-0.95, -0.85, inner) * stairs(0.75, 0.6, inner)
        dots = torch.zeros_like(line)
        for a, b in ((0.25, 0.2), (0.6, 0.25), (0.42, -0.12)):
            dots = torch.maximum(dots, stairs(0.1, 0.06, ((inner - a) ** 2 + (u[1] - b) ** 2).sqrt()))
        drawn = torch.maximum(drawn, torch.maximum(0.85 * line, 0.55 * dots) * (u[2] > 0.0) * (inner > -0.9))
    pad = surface.local("left_pad").u
    furrow = stairs(0.16, 0.06, nose[0].abs()) * stairs(-0.6, -0.4, pad[1]) * stairs(0.2, 0.4, pad[2]) * (nose[1] < 0.0)
    return torch.maximum(drawn, 0.85 * furrow) * pads


EYES = ("#6e4a23", "#3d6b8f", "#5d8a3a", "#c98a1f", "#2b211c", "#7b8f3f", "#8a3f2a")
COLLARS = ("#b3382c", "#2f6fa8", "#3f8f5b", "#d9962e", "#7a4a9b", "#22262b", "#e06f8b", "#1f9aa0")


def draw_coat(rng: np.random.Generator) -> Coat:
    """Draws a coat from the palettes, with none, one or two patterns."""
    main, pale, dark = (rgb(code) for code in PALETTES[rng.integers(len(PALETTES))])
    one, two, three = (rgb(PALETTES[rng.integers(len(PALETTES))][rng.integers(3)]) for _ in range(3))
    amounts = {
        name: float(rng.uniform(low, high)) if rng.random() < 0.3 else 0.0
        for name, low, high in (("patch", 0.45, 0.8), ("stripe", 0.3, 0.5), ("spot", 0.3, 0.45))
    }
    pattern = replace(draw(Pattern, rng), patch_one=one, patch_two=two, stripe_colour=three, spot_colour=two, **amounts)
    return replace(
        draw(Coat, rng),
        main=main,
        pale=pale,
        dark=dark,
        iris=rgb(EYES[rng.integers(len(EYES))]),
        collar=rgb(COLLARS[rng.integers(len(COLLARS))]),
        pattern=pattern,
    )
