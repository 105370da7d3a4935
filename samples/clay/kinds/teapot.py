"""Teapots: a belly on a foot, a shoulder, a lid with a knob, a bent spout and a bent handle."""

from dataclasses import dataclass, replace

import numpy as np

from clay.body import Body
from clay.camera import View
from clay.kind import Kind, Place
from clay.kinds.teapot_coat import draw_coat, paint
from clay.params import draw, span
from clay.parts import Part, Vector
from clay.shapes import blob, cone

SIDE = (1.0, 0.0, 0.0)
# Pieces that make a bent tube look bent.
SPOUT, HANDLE = 12, 20


@dataclass(frozen=True)
class Shape:
    """Proportions; the belly is about 1 wide, angles in degrees. The spout points to +z."""

    belly: tuple[float, float] = span((0.5, 0.42), (0.36, 0.54))
    square: float = span(2.3, (2.0, 3.6))
    foot: float = span(0.3, 0.07)
    foot_high: float = span(0.05, (0.03, 0.1))
    neck: float = span(0.3, 0.06)
    lid: float = span(0.3, 0.04)
    lid_high: float = span(0.1, (0.05, 0.2))
    knob: float = span(0.075, 0.02)
    knob_tall: float = span(1.0, (0.8, 1.7))
    spout_low: float = span(-0.1, 0.1)
    spout_out: float = span(0.42, 0.09)
    spout_up: float = span(0.32, 0.12)
    spout_bow: float = span(0.1, 0.06)
    spout_thick: float = span(0.15, 0.03)
    spout_thin: float = span(0.065, 0.015)
    handle_out: float = span(0.36, 0.09)
    handle_up: float = span(0.2, 0.08)
    handle_low: float = span(-0.17, 0.08)
    handle_thick: float = span(0.055, 0.015)
    handle_point: float = span(0.0, 0.12)


def build(shape: Shape) -> Body:
    """Stands the teapot on y = 0."""
    s = shape
    wide, tall = s.belly
    middle = s.foot_high + 0.92 * tall
    top = middle + 0.9 * tall
    lid = top + 0.03
    knob = lid + s.lid_high + 0.8 * s.knob * s.knob_tall
    return Body(
        (
            blob("belly", (0.0, middle, 0.0), (wide, tall, wide), power=(2.0, s.square)),
            blob("foot", (0.0, s.foot_high, 0.0), (s.foot, s.foot_high, s.foot), power=(2.0, 4.0), blend=0.06),
            blob("neck", (0.0, top, 0.0), (s.neck * 1.04, 0.045, s.neck * 1.04), power=(2.0, 3.0), blend=0.05),
            *_spout(s, middle),
            *_handle(s, middle),
            blob("lid", (0.0, lid, 0.0), (s.lid, s.lid_high, s.lid), power=(2.0, 2.2), blend=0.008, reach=0.02),
            cone("stem", (0.0, lid, 0.0), (0.0, knob, 0.0), 0.05, 0.035, blend=0.05),
            blob("knob", (0.0, knob, 0.0), s.knob * np.array([1.0, s.knob_tall, 1.0]), blend=0.02, reach=0.02),
        )
    )


def _curve(points: list[Vector], share: float) -> Vector:
    """The Bezier curve of four points."""
    weights = (1.0 - share) ** 3, 3.0 * share * (1.0 - share) ** 2, 3.0 * share**2 * (1.0 - share), share**3
    return sum((w * p for w, p in zip(weights, points, strict=True)), np.zeros(3))


def _spout(s: Shape, middle: float) -> list[Part]:
    wide, tall = s.belly
    root = np.array([0.0, middle + s.spout_low * tall / 0.42, 0.72 * wide])
    tip = np.array([0.0, middle + s.spout_up, wide + s.spout_out])
    gone = tip - root
    low = root + gone * np.array([0.0, 0.1 - s.spout_bow, 0.62])
    high = root + gone * np.array([0.0, 0.72 - s.spout_bow, 0.66])
    joints = [_curve([root, low, high, tip], i / SPOUT) for i in range(SPOUT + 1)]
    thick = [s.spout_thin + (s.spout_thick - s.spout_thin) * (1.0 - i / SPOUT) ** 1.6 for i in range(SPOUT + 1)]
    pieces = [
        cone(f"spout_{i + 1}", joints[i], joints[i + 1], thick[i], thick[i + 1], 1.0, SIDE, blend=0.04 if i else 0.1)
        for i in range(SPOUT)
    ]
    out = (tip - joints[-2]) / np.linalg.norm(tip - joints[-2]) + np.array([0.0, 0.35, 0.0])
    hole = (tip + 0.5 * s.spout_thin * out, tip + 2.0 * s.spout_thin * out)
    return [*pieces, cone("hole", *hole, 0.62 * s.spout_thin, 0.9 * s.spout_thin, 1.0, SIDE, blend=0.015, carve=True)]


def _handle(s: Shape, middle: float) -> list[Part]:
    wide, tall = s.belly
    start, end = (_on_belly(s, middle, rise * tall / 0.42) for rise in (s.handle_up, s.handle_low))
    out = np.array([0.0, 0.0, -1.33 * (s.handle_out + wide + 0.5 * (start[2] + end[2]))])
    bend = [start, start + out + (0.0, 0.16 + s.handle_point, 0.0), end + out * 0.9 + (0.0, -0.02, 0.0), end]
    joints = [_curve(bend, i / HANDLE) for i in range(HANDLE + 1)]
    thick = [s.handle_thick * (1.0 + 0.35 * abs(2.0 * i / HANDLE - 1.0) ** 3) for i in range(HANDLE + 1)]
    return [
        cone(
            f"handle_{i + 1}",
            joints[i],
            joints[i + 1],
            thick[i],
            thick[i + 1],
            1.0,
            SIDE,
            blend=0.03 if 0 < i < HANDLE - 1 else 0.05,
        )
        for i in range(HANDLE)
    ]


def _on_belly(s: Shape, middle: float, rise: float) -> Vector:
    """A place just inside the belly's back, at a height above its middle."""
    wide, tall = s.belly
    depth = (1.0 - abs(rise / tall) ** s.square) ** (1.0 / s.square)
    return np.array([0.0, middle + rise, -wide * depth + 0.03])


KEYPOINTS: dict[str, Place] = {
    "knob_top": ("knob", 0.0, (0.0, 1.0, 0.1)),
    "knob_left": ("knob", 0.0, (0.9, 0.3, 0.3)),
    "lid_left": ("lid", 0.0, (0.97, 0.2, 0.0)),
    "lid_front": ("lid", 0.0, (0.0, 0.3, 0.95)),
    "spout_tip": (f"spout_{SPOUT - 1}", 0.5, (1.0, 0.0, 0.0)),
    "spout_middle": (f"spout_{SPOUT // 2}", 0.5, (1.0, 0.0, 0.0)),
    "spout_under": (f"spout_{SPOUT // 4}", 1.0, (0.6, 0.0, 0.8)),
    "handle_top": (f"handle_{HANDLE // 4}", 0.0, (1.0, 0.0, 0.0)),
    "handle_middle": (f"handle_{HANDLE // 2}", 0.0, (1.0, 0.0, 0.0)),
    "handle_bottom": (f"handle_{3 * HANDLE // 4 + 1}", 0.0, (1.0, 0.0, 0.0)),
    "belly_left": ("belly", 0.0, (1.0, 0.0, 0.0)),
    "belly_front": ("belly", 0.0, (0.75, 0.0, 0.66)),
    "belly_back": ("belly", 0.0, (0.75, 0.0, -0.66)),
    "belly_high": ("belly", 0.0, (1.0, 0.5, 0.0)),
    "belly_low": ("belly", 0.0, (1.0, -0.4, 0.0)),
}

TEAPOT = Kind(
    "teapot",
    Shape,
    build,
    paint,
    draw_coat,
    KEYPOINTS,
    lambda rng: replace(
        draw(View, rng), azimuth=float(rng.uniform(62.0, 102.0)), elevation=float(rng.uniform(8.0, 24.0))
    ),
    (0.45, 0.1, 0.45, 0.0),
)
