"""How cars are painted: two colours, windows, door lines, rubber, chrome and lamps."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from clay.noise import rough, stairs
from clay.params import draw, rgb, span
from clay.surface import Material, Surface, coloured, over

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Coat:
    """Colours and trim.

    Attributes:
        main: Of the body.
        second: Of the roof and of the band along the sides.
        roof: Share of the cabin above the windows in the second colour.
        band: Height of the band along the sides; 0 or less for none.
        sill_band: Whether the body's lower half has the second colour.
        glass: Colour.
        chrome: Colour of bumpers, hubs and trim.
        pillars: Where along the cabin the side windows are parted, from -1 (rear) to 1.
        window_low: Lower edge of the windows in shares of the cabin's height.
        window_high: Upper edge.
        bed: Darkness of a cover over the trunk.
        wood: Strength of wooden panels along the sides.
        gloss: Of the paint.
    """

    main: tuple[float, float, float] = rgb("#3f7fb5")
    second: tuple[float, float, float] = rgb("#f2ead9")
    roof: float = span(0.5, 0.5)
    band: float = span(-0.02, (-0.08, 0.06))
    sill_band: float = span(0.0, 0.0)
    glass: tuple[float, float, float] = rgb("#2a3d4a")
    chrome: tuple[float, float, float] = rgb("#a9adb2")
    pillars: tuple[float, float] = span((0.02, -0.62), 0.08)
    window_low: float = span(0.2, 0.05)
    window_high: float = span(0.86, 0.04)
    bed: float = span(0.0, 0.0)
    wood: float = span(0.0, 0.0)
    gloss: float = span(0.75, 0.2)


def paint(coat: Coat, surface: Surface) -> Material:
    """Paints a car's skin."""
    x, y, z = surface.rest
    cabin = surface.of("cabin")
    metal = surface.of("body", "hood", "trunk", "fender")
    local = surface.local("cabin")
    around = _around(local.u)
    sides = (surface.normals[0].abs() > 0.5).float()

    colour = coloured(coat.main, surface.points)
    if coat.sill_band > 0.0:
        colour = over(colour, coat.second, metal * coat.sill_band * stairs(0.405, 0.395, y))
    if coat.band > 0.0:
        colour = over(colour, coat.second, metal * stairs(0.006, -0.006, (y - 0.42).abs() - coat.band))
    if coat.wood > 0.01:
        grain = 0.5 + 0.5 * rough(torch.stack((x * 3.0, y * 40.0, z * 3.0)), 3)
        panel = over(coloured(rgb("#8a5a2f"), x[None]), rgb("#5c3819"), grain.clamp(0.0, 1.0))
        inside = stairs(0.006, -0.006, (y - 0.41).abs() - 0.07) * sides
        rim = stairs(0.006, -0.006, (y - 0.41).abs() - 0.085) * sides
        colour = over(over(colour, rgb("#c99b62"), metal * rim * coat.wood), panel, metal * inside * coat.wood)
    if coat.bed > 0.01:
        trunk = surface.local("trunk").u
        cover = stairs(0.02, -0.02, torch.maximum((trunk[0] / 0.8).abs(), ((trunk[2] + 0.1) / 0.85).abs()) - 0.95)
        slat = 1.0 - 0.35 * stairs(0.5, 0.7, torch.cos(trunk[2] * 22.0))
        colour = over(
            colour, torch.tensor(rgb("#33302d"))[:, None] * slat, coat.bed * cover * (surface.normals[1] > 0.8)
        )
    colour = over(
        colour, coat.second, cabin * coat.roof * stairs(coat.window_high + 0.05, coat.window_high + 0.07, local.h)
    )
    colour = over(colour, tuple(0.25 * c for c in coat.main), 0.85 * metal * _gaps(surface, sides))

    glass, frame = _windows(coat, local.h, around)
    glass, frame = glass * cabin, frame * cabin * (1.0 - glass)
    colour = over(colour, coat.chrome, 0.8 * frame)
    sheen = 0.8 + 0.9 * stairs(0.03, 0.0, (torch.sin(around * 2.0 + 2.2 * local.h) - 0.5).abs() - 0.12)
    colour = over(colour, torch.tensor(coat.glass)[:, None] * sheen, glass)

    rubber, hub = surface.of("wheel"), surface.of("hub")
    well = surface.of("arch", "underside")
    steel = surface.of("bumper")
    head, tail, plate, grille = (surface.of(name) for name in ("headlamp", "taillamp", "plate", "grille"))
    colour = over(over(colour, (0.012, 0.012, 0.013), well), (0.022, 0.022, 0.024), rubber)
    colour = over(colour, _hubs(coat, surface), hub)
    colour = over(colour, coat.chrome, torch.maximum(steel, surface.of("handle", "rear_handle")))
    colour = over(colour, coat.main, surface.of("mirror", "stalk"))
    colour = over(colour, _lamps(surface, "headlamp", (1.0, 0.95, 0.8), coat.chrome), head)
    colour = over(colour, _lamps(surface, "taillamp", (0.75, 0.03, 0.02), coat.chrome), tail)
    colour = over(colour, (0.9, 0.88, 0.8), plate)
    bars = stairs(0.0, 0.3, torch.cos(surface.local("grille").u[1] * 14.0))
    colour = over(colour, torch.tensor(coat.chrome)[:, None] * (0.08 + 0.92 * bars), grille)

    shiny = torch.maximum(steel, torch.maximum(0.4 * hub, frame))
    gloss = coat.gloss * (metal + cabin + surface.of("mirror")).clamp_max(1.0) + glass + head + tail + shiny
    gloss = (gloss - 0.6 * grille).clamp(0.05, 1.0) * (1.0 - 0.95 * (rubber + well).clamp_max(1.0))
    mirror = 0.05 * (metal + cabin) * coat.gloss + 0.22 * glass + 0.5 * shiny + 0.08 * (head + tail)
    none = torch.zeros_like(x)
    return Material(colour, gloss, mirror.clamp(0.0, 0.6), none, none + 0.008 * metal)


def _around(u: Tensor) -> Tensor:
    """Position (n,) along whichever side of the cabin a place lies: -1 to 1 on each, plus 4 on the front and rear."""
    on_side = u[0].abs() > u[2].abs()
    return torch.where(on_side, u[2], u[0] + 4.0)


def _windows(coat: Coat, h: Tensor, around: Tensor) -> tuple[Tensor, Tensor]:
    """Where (n,) there is glass, and where its frame."""
    flank = around < 2.0
    edges = [1.0, coat.pillars[0], coat.pillars[1], -1.0]
    gap = torch.full_like(h, 1.0)
    for high, low in pairwise(edges):
        # The cabin's own corners take more room than a pillar.
        ahead, behind = high - (0.2 if high == 1.0 else 0.03), low + (0.2 if low == -1.0 else 0.03)
        pane = (around - 0.5 * (ahead + behind)).abs() - 0.5 * (ahead - behind)
        gap = torch.where(flank, torch.minimum(gap, pane), gap)
    gap = torch.where(flank, gap, (around - 4.0).abs() - 0.78)
    tall = (h - 0.5 * (coat.window_low + coat.window_high)).abs() - 0.5 * (coat.window_high - coat.window_low)
    # Rounded corners: both gaps counted from a line inside the window's edge.
    a, b = (gap + 0.1).clamp_min(0.0), (0.6 * tall + 0.1).clamp_min(0.0)
    rim = (a * a + b * b).sqrt() - 0.1
    return stairs(0.006, -0.006, rim), stairs(0.03, 0.02, rim)


def _gaps(surface: Surface, sides: Tensor) -> Tensor:
    """Where (n,) lines run between doors and along the hood."""
    cabin = surface.local("cabin")
    along = cabin.u[2] * surface.body.blob("cabin").radii(cabin.h)[2]
    y = surface.rest[1]
    lines = torch.zeros_like(along)
    long = float(surface.body.blob("cabin").numbers[14])
    for share in (0.78, 0.02, -0.7):
        lines = torch.maximum(
            lines, stairs(0.008, 0.004, (along - share * long).abs()) * (y > 0.27) * (y < 0.53) * sides
        )
    sill = stairs(0.008, 0.004, (y - 0.27).abs()) * (along < 0.78 * long) * (along > -0.7 * long) * sides
    hood = surface.local("hood").u
    seam = stairs(0.03, 0.015, (hood[0].abs() - 0.72).abs()) * (hood[1] > 0.6) * (hood[2].abs() < 0.8)
    return torch.maximum(torch.maximum(lines, sill), seam * (surface.normals[1] > 0.6))


def _hubs(coat: Coat, surface: Surface) -> Tensor:
    """Colours (3, n) of the hub caps: a painted disc in a bright ring, with holes."""
    colour = coloured(coat.chrome, surface.points)
    for side in ("left", "right"):
        for end in ("front", "rear"):
            own = surface.of(f"{side}_{end}_hub")
            if not bool((own > 0.01).any()):
                continue
            u = surface.local(f"{side}_{end}_hub").u
            away, angle = (u[0] ** 2 + u[2] ** 2).sqrt(), torch.atan2(u[2], u[0])
            disc = over(coloured(coat.chrome, u), coat.main, stairs(0.6, 0.54, away) * stairs(0.2, 0.26, away))
            holes = stairs(0.1, -0.1, torch.cos(angle * 8.0) + 0.2) * stairs(0.07, 0.05, (away - 0.76).abs())
            colour = over(colour, over(disc, (0.02, 0.02, 0.02), holes), own)
    return colour


def _lamps(surface: Surface, name: str, light: Colour, ring: Colour) -> Tensor:
    """Colours (3, n) of a pair of lamps: a lens in a ring."""
    colour = coloured(light, surface.points)
    for side in ("left", "right"):
        u = surface.local(f"{side}_{name}").u
        away = (u[0] ** 2 + u[1] ** 2).sqrt()
        own = surface.of(f"{side}_{name}")
        lens = torch.tensor(light)[:, None] * (
            0.62 + 0.4 * stairs(0.75, 0.0, away) - 0.1 * (torch.cos(u[0] * 22.0) > 0.6)
        )
        lens = over(lens, (0.04, 0.04, 0.04), 0.7 * stairs(0.03, 0.015, (away - 0.8).abs()))
        colour = over(colour, over(lens, ring, stairs(0.81, 0.83, away)), own)
    return colour


PAINTS = (
    "#c8402f",
    "#3f7fb5",
    "#e8b23a",
    "#4f9a6b",
    "#f0e7d6",
    "#7fb9c4",
    "#d9733a",
    "#5b5f73",
    "#a3405d",
    "#2f4d7a",
    "#9fb06a",
    "#e6a7a0",
)


def draw_coat(rng: np.random.Generator) -> Coat:
    """Draws two paints and the trim."""
    main, second = (rgb(PAINTS[i]) for i in rng.choice(len(PAINTS), 2, replace=False))
    chances = {
        name: float(rng.random() < chance) for name, chance in (("bed", 0.25), ("wood", 0.15), ("sill_band", 0.25))
    }
    return replace(draw(Coat, rng), main=main, second=second, **chances)
