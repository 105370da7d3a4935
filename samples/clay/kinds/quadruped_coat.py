"""How four-legged animals are coloured."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from clay.kinds.fur import Pattern, patterned
from clay.noise import smooth, stairs
from clay.params import draw, rgb, span
from clay.surface import Material, Surface, coloured, over


@dataclass(frozen=True)
class Coat:
    """Colours, and how far each reaches; 0 for not at all.

    Attributes:
        main: Of back and head.
        pale: Of belly, chest, cheeks and tail's tip.
        sock_colour: Of the lower legs.
        under: How far up the belly's colour goes.
        chest: How far the chest's goes.
        face: How far up the face the pale colour goes.
        bridge: How far the main colour comes down between the eyes to the nose.
        blaze: Width of the pale line on the forehead.
        sock: How far up the legs the socks go.
        tip: Share of the tail in the pale colour.
        ear_dark: How far down the ears' tips are of the socks' colour.
        inner: Colour inside the ears.
        nose: Colour.
        eye: Colour.
        pattern: Patches, stripes and spots.
    """

    main: tuple[float, float, float] = rgb("#c9752f")
    pale: tuple[float, float, float] = rgb("#f3e6d2")
    sock_colour: tuple[float, float, float] = rgb("#3a2a22")
    under: float = span(0.5, 0.5)
    chest: float = span(0.5, 0.5)
    face: float = span(0.5, 0.5)
    bridge: float = span(0.2, (-0.3, 0.8))
    blaze: float = span(0.0, (-0.3, 0.5))
    sock: float = span(0.3, (-0.3, 0.9))
    tip: float = span(0.3, (-0.3, 0.6))
    ear_dark: float = span(0.2, (-0.5, 0.7))
    inner: tuple[float, float, float] = rgb("#d99a8c")
    nose: tuple[float, float, float] = rgb("#231a18")
    eye: tuple[float, float, float] = rgb("#17110f")
    pattern: Pattern = field(default_factory=Pattern)


def paint(coat: Coat, surface: Surface) -> Material:
    """Colours an animal's skin."""
    rest, head = surface.rest, surface.local("head").u
    x, y, z = rest
    wobble = 0.05 * smooth(rest * 6.0) + 0.02 * smooth(rest * 22.0)
    on_head = surface.of("head", "cheek", "muzzle")
    on_ear = surface.of("ear", "hollow")
    on_leg = surface.of("thigh", "shin", "paw")
    on_tail = surface.of(*[f"tail_{i}" for i in range(1, 6)])
    torso = 1.0 - on_head - on_ear - on_tail

    colour = coloured(coat.main, rest)
    level = 1.1 * coat.face - 0.42 - max(coat.bridge, 0.0) * (0.75 - 1.3 * head[0].abs())
    face = stairs(0.04, -0.04, head[1] - 0.35 * (head[2] - 0.8) - level + wobble)
    colour = patterned(
        coat.pattern, colour, rest, z + 0.35 * (y - 0.6).clamp_min(0.0) + 0.8 * on_leg * (0.35 - y).clamp_min(0.0)
    )
    colour = over(colour, coat.pale, on_head * face * min(1.0, 8.0 * coat.face))
    line = stairs(0.02, -0.02, x.abs() - 0.13 * coat.blaze + wobble * 0.2)
    colour = over(colour, coat.pale, on_head * line * stairs(0.2, 0.5, head[2]) * (coat.blaze > 0.0))
    below = stairs(0.02, -0.02, y - 0.33 - 0.36 * coat.under + wobble - 0.1 * on_leg)
    colour = over(colour, coat.pale, torso * (1.0 - on_leg) * below * min(1.0, 8.0 * max(coat.under, 0.0)))
    front = stairs(-0.03, 0.03, z - 0.86 + 0.42 * coat.chest - 0.25 * (y - 0.6) + wobble) * stairs(1.0, 0.9, y)
    colour = over(colour, coat.pale, torso * (1.0 - on_leg) * front * min(1.0, 8.0 * max(coat.chest, 0.0)))
    if coat.sock > 0.0:
        colour = over(colour, coat.sock_colour, on_leg * stairs(0.03, -0.03, y - 0.5 * coat.sock + wobble))
    if coat.tip > 0.0:
        # The template's tail runs back and up; how far along it a place lies is told by both.
        far = ((-0.55 - z) * 0.9 + (y - 0.75) * 0.45) / 0.52
        colour = over(colour, coat.pale, on_tail * stairs(-0.05, 0.05, far - 1.0 + coat.tip + wobble))
    if coat.ear_dark > 0.0:
        up = torch.maximum(surface.local("left_ear").h * (x > 0.0), surface.local("right_ear").h * (x <= 0.0))
        colour = over(colour, coat.sock_colour, surface.of("ear") * stairs(-0.06, 0.06, up - 1.0 + coat.ear_dark))
    for side in ("left", "right"):
        cup = surface.local(f"{side}_hollow").level
        colour = over(colour, coat.inner, (on_ear + on_head).clamp_max(1.0) * stairs(1.2, 1.08, cup))

    nose, eye = surface.of("nose"), surface.of("eye")
    colour = over(over(colour, coat.nose, nose), coat.eye, eye)
    for side in ("left", "right"):
        u = surface.local(f"{side}_eye").u
        for aside, above, size in ((-0.28, 0.36, 0.2), (0.22, -0.3, 0.1)):
            spark = ((u[0] - aside) ** 2 + (u[1] - above) ** 2).sqrt() + 2.0 * (u[2] < 0.0)
            colour = over(colour, (1.0, 1.0, 1.0), eye * stairs(size + 0.05, size - 0.05, spark))
    muzzle = surface.local("muzzle")
    smile = stairs(0.045, 0.02, (muzzle.u[2] - 0.35 - 0.18 * torch.cos(2.2 * muzzle.u[0])).abs())
    smile = smile * (muzzle.h > 0.3) * surface.of("muzzle") * stairs(0.95, 0.7, muzzle.u[0].abs())
    colour = over(colour, coat.nose, 0.8 * smile)
    shine = 0.9 * eye + 0.5 * nose
    return Material(colour, shine, 0.06 * eye, (1.0 - nose - eye).clamp_min(0.0), 0.07 * (1.0 - eye))


PALETTES = [
    ("#c9752f", "#f3e6d2", "#3a2a22"),
    ("#d8a25c", "#f6ead6", "#f3e8d8"),
    ("#8a6a4c", "#d9c7ad", "#4a382a"),
    ("#5d5a58", "#d8d5d0", "#e8e4de"),
    ("#e9e2d6", "#ffffff", "#8d7c6b"),
    ("#3b3230", "#c58b54", "#c58b54"),
    ("#b4643f", "#efd9c0", "#5a2f22"),
    ("#c9b089", "#efe4cf", "#6f5236"),
    ("#7f8a99", "#dfe3e8", "#4c5560"),
    ("#d98c8c", "#f7dada", "#a85f62"),
    ("#7aa08a", "#dfeadf", "#456a58"),
    ("#9a86b8", "#e6def2", "#5b4a7a"),
]


def draw_coat(rng: np.random.Generator) -> Coat:
    """Draws a coat from the palettes, with none, one or two patterns."""
    main, pale, sock = (rgb(code) for code in PALETTES[rng.integers(len(PALETTES))])
    one, two, three = (rgb(PALETTES[rng.integers(len(PALETTES))][rng.integers(3)]) for _ in range(3))
    amounts = {
        name: float(rng.uniform(low, high)) if rng.random() < 0.3 else 0.0
        for name, low, high in (("patch", 0.45, 0.8), ("stripe", 0.3, 0.55), ("spot", 0.3, 0.5))
    }
    pattern = replace(draw(Pattern, rng), patch_one=one, patch_two=two, stripe_colour=three, spot_colour=two, **amounts)
    return replace(draw(Coat, rng), main=main, pale=pale, sock_colour=sock, pattern=pattern)
