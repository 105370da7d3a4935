"""Toy cars: a body between fenders, hood, cabin and trunk, four wheels in arches, lamps, bumpers and mirrors."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from clay.body import Body
from clay.camera import View
from clay.kind import SIDES, Kind, Place, both
from clay.kinds.car_coat import draw_coat, paint
from clay.march import march
from clay.params import draw, span
from clay.parts import Part, Vector
from clay.shapes import blob, cone

ENDS = (("front", 1.0), ("rear", -1.0))
# A wheel's axle lies along its own y.
AXLE = {side: np.array([[0.0, left, 0.0], [0.0, 0.0, 1.0], [left, 0.0, 0.0]]) for side, left in SIDES}


@dataclass(frozen=True)
class Shape:
    """Proportions; lengths in units of about half the car's length."""

    length: float = span(1.12, 0.1)
    width: float = span(0.46, 0.04)
    belt: float = span(0.52, 0.06)
    sill: float = span(0.2, 0.03)
    boxy: float = span(3.6, (2.4, 6.0))
    hood_long: float = span(0.4, (0.18, 0.5))
    hood_high: float = span(0.56, 0.06)
    trunk_long: float = span(0.34, (0.1, 0.55))
    trunk_high: float = span(0.56, 0.07)
    cabin_at: float = span(-0.08, (-0.25, 0.25))
    cabin_long: float = span(0.6, (0.4, 0.85))
    cabin_high: float = span(0.92, (0.8, 1.15))
    roof_long: float = span(0.66, (0.5, 0.92))
    roof_wide: float = span(0.82, 0.07)
    cabin_boxy: float = span(3.4, (2.2, 6.0))
    wheel: float = span(0.215, 0.03)
    tyre: float = span(0.085, 0.015)
    hub: float = span(0.62, 0.1)
    wheel_base: float = span(0.68, 0.06)
    fender: float = span(0.06, (0.03, 0.13))
    lamp: float = span(0.085, 0.02)
    lamp_high: float = span(0.46, 0.05)
    lamp_apart: float = span(0.68, 0.1)
    bumper: float = span(0.05, 0.012)
    mirror: float = span(0.065, 0.012)
    grille: float = span(0.2, 0.08)
    bulge: float = span(0.02, (0.0, 0.05))


def build(shape: Shape) -> Body:
    """Stands the car on y = 0, facing +z, its left at +x."""
    s = shape
    half, middle = 0.5 * (s.belt - s.sill), 0.5 * (s.belt + s.sill)
    power = (s.boxy, s.boxy)
    roof = np.array([s.roof_wide, 1.0, s.roof_long])
    base = np.array([0.94 * s.width, 0.09, s.cabin_long])
    cabin = Part(
        "cabin",
        np.array([0.0, s.belt - 0.04, s.cabin_at]),
        np.eye(3),
        base,
        base * roof,
        s.cabin_high - s.belt - 0.05,
        (s.cabin_boxy, 2.6),
        0.05,
    )
    hood = (0.86 * s.width, 0.5 * (s.hood_high - s.sill), 0.5 * (s.hood_long + 0.35))
    trunk = (0.86 * s.width, 0.5 * (s.trunk_high - s.sill), 0.5 * (s.trunk_long + 0.35))
    shell = [
        blob("body", (0.0, middle, 0.0), (s.width, half + s.bulge, s.length), power=power),
        blob("hood", (0.0, s.sill + hood[1], s.length - hood[2] - 0.03), hood, power=power, blend=0.08),
        blob("trunk", (0.0, s.sill + trunk[1], trunk[2] + 0.03 - s.length), trunk, power=power, blend=0.08),
        cabin,
        *_fenders(s),
    ]
    return Body((*shell, *_wheels(s), *_trim(s, _Spots(s, Body(tuple(shell))))))


def _fenders(s: Shape) -> list[Part]:
    size = (1.3 * s.wheel, 0.05 + s.fender, 1.55 * s.wheel)
    return [
        blob(
            f"{side}_{end}_fender",
            (left * (s.width - 0.05), 1.2 * s.wheel, fore * s.wheel_base),
            (size[2], size[1], size[0]),
            AXLE[side],
            (2.2, 2.4),
            0.07,
        )
        for end, fore in ENDS
        for side, left in SIDES
    ]


def _wheels(s: Shape) -> list[Part]:
    arches, wheels = [], []
    for end, fore in ENDS:
        for side, left in SIDES:
            at, name = np.array([left * s.width, s.wheel, fore * s.wheel_base]), f"{side}_{end}"
            out = np.array([left, 0.0, 0.0])
            well = (1.16 * s.wheel, 0.3, 1.16 * s.wheel)
            arches.append(blob(f"{name}_arch", at + 0.1 * out, well, AXLE[side], (2.0, 6.0), 0.012, True))
            rim = at + out * (s.fender - 0.02 - s.tyre)
            size = (s.wheel, s.tyre, s.wheel)
            wheels.append(blob(f"{name}_wheel", rim, size, AXLE[side], (2.0, 3.4), 0.002, reach=0.02))
            hub = (s.hub * s.wheel, 0.03, s.hub * s.wheel)
            wheels.append(
                blob(f"{name}_hub", rim + out * (s.tyre - 0.004), hub, AXLE[side], (2.0, 2.6), 0.002, reach=0.02)
            )
    under = blob("underside", (0.0, s.sill - 0.315, 0.0), (0.75, 0.3, 1.5), power=(6.0, 6.0), blend=0.03, carve=True)
    return [*arches, under, *wheels]


class _Spots:
    """Where trim sits on the bare shell: found by rays from in front, behind and the sides."""

    def __init__(self, shape: Shape, shell: Body) -> None:
        s, lamp = shape, shape.lamp_apart * shape.width
        along = s.cabin_at + np.array([-0.12, -0.78]) * s.cabin_long
        self.rays = {
            "headlamp": ((lamp, s.lamp_high, 3.0), (0.0, 0.0, -1.0)),
            "grille": ((0.0, s.lamp_high - 0.04, 3.0), (0.0, 0.0, -1.0)),
            "front": ((0.0, s.sill + 0.08, 3.0), (0.0, 0.0, -1.0)),
            "rear": ((0.0, s.sill + 0.08, -3.0), (0.0, 0.0, 1.0)),
            "taillamp": ((lamp, s.lamp_high, -3.0), (0.0, 0.0, 1.0)),
            "handle": ((3.0, s.belt - 0.06, along[0]), (-1.0, 0.0, 0.0)),
            "rear_handle": ((3.0, s.belt - 0.06, along[1]), (-1.0, 0.0, 0.0)),
            "stalk": ((3.0, s.belt - 0.01, s.cabin_at + 0.72 * s.cabin_long), (-1.0, 0.0, 0.0)),
        }
        starts, ways = (torch.tensor(np.array(v).T, dtype=torch.float32) for v in zip(*self.rays.values(), strict=True))
        reach = march(shell, starts, ways)
        # A ray that misses a corner of the shell is taken to end a little inside the car's box.
        reach = torch.where(reach.isfinite(), reach, torch.tensor(3.0 - 0.85 * s.length))
        self.found = dict(zip(self.rays, (starts + ways * reach).T.double().numpy(), strict=True))

    def at(self, name: str, left: float = 1.0) -> Vector:
        return self.found[name] * np.array([left, 1.0, 1.0])


def _trim(s: Shape, spots: _Spots) -> list[Part]:
    parts = []
    for end, fore in ENDS:
        bar = spots.at(end) + np.array([0.0, 0.0, 0.35 * fore * s.bumper])
        wide = np.array([0.8 * s.width, 0.0, -0.05 * fore])
        parts += [
            cone(
                f"{end}_bumper",
                bar - wide * (1, 0, -1),
                bar + wide,
                s.bumper,
                s.bumper,
                1.25,
                (0.0, 0.0, 1.0),
                blend=0.015,
            ),
            blob(
                f"{end}_plate",
                bar + np.array([0.0, 0.02, fore * s.bumper]),
                (0.14, 0.05, 0.03),
                power=(5.0, 5.0),
                blend=0.004,
            ),
        ]
        kind, size = ("headlamp", s.lamp) if fore > 0 else ("taillamp", 0.75 * s.lamp)
        for side, left in SIDES:
            at = spots.at(kind, left) - np.array([0.0, 0.0, 0.03 * fore])
            parts.append(
                blob(f"{side}_{kind}", at, (size, 1.05 * size, 0.07), power=(2.3, 2.3), blend=0.008, reach=0.05)
            )
    parts.append(
        blob("grille", spots.at("grille"), (s.grille, 0.075, 0.035), power=(3.5, 3.5), blend=0.008, reach=0.02)
    )
    for side, left in SIDES:
        root = spots.at("stalk", left)
        at = root + np.array([left * 0.055, 0.085, -0.01])
        parts.append(cone(f"{side}_stalk", root - (0.03 * left, 0.0, 0.0), at, 0.022, 0.018, blend=0.02))
        parts.append(
            blob(
                f"{side}_mirror", at, s.mirror * np.array([0.8, 0.75, 0.45]), power=(2.5, 2.5), blend=0.012, reach=0.01
            )
        )
        for name in ("handle", "rear_handle"):
            rear, front = (spots.at(name, left) + np.array([0.006 * left, 0.0, d]) for d in (-0.035, 0.035))
            parts.append(cone(f"{side}_{name}", rear, front, 0.018, 0.018, blend=0.006))
    return parts


OUT = (0.0, 1.0, 0.0)
KEYPOINTS: dict[str, Place] = {
    **{f"{side}_{end}_wheel": (f"{side}_{end}_hub", 0.0, OUT) for end, _ in ENDS for side, _ in SIDES},
    **both("headlamp", "headlamp", 0.0, (0.0, 0.3, 1.0)),
    **both("taillamp", "taillamp", 0.0, (0.0, 0.0, -1.0)),
    **both("mirror", "mirror", 0.0, (0.7, 0.0, 0.5)),
    **both("front_handle", "handle", 0.5, (1.0, 0.0, 0.0)),
    "grille": ("grille", 0.0, (0.0, 0.0, 1.0)),
    "windscreen": ("cabin", 0.5, (0.0, 0.0, 1.0)),
    "roof": ("cabin", 1.0, (0.0, 1.0, 0.0)),
    **{f"{side}_roof_front": ("cabin", 1.0, (left * 0.75, 0.6, 0.75)) for side, left in SIDES},
    **{f"{side}_roof_rear": ("cabin", 1.0, (left * 0.75, 0.6, -0.75)) for side, left in SIDES},
}

CAR = Kind(
    "car",
    Shape,
    build,
    paint,
    draw_coat,
    KEYPOINTS,
    lambda rng: replace(
        draw(View, rng), azimuth=float(rng.uniform(38.0, 72.0)), elevation=float(rng.uniform(6.0, 18.0))
    ),
    (0.35, 0.15, 0.15, 0.35),
)
