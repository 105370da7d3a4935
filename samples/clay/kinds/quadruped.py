"""Four-legged animals: a body on posed legs, a neck, a head with a muzzle, a bent tail."""

from dataclasses import dataclass, replace

import numpy as np

from clay.body import Body
from clay.camera import View
from clay.kind import SIDES, Kind, Place, both
from clay.kinds.quadruped_coat import draw_coat, paint
from clay.params import draw, span
from clay.parts import Part, Vector
from clay.shapes import blob, cone, turn

TAIL = 5


@dataclass(frozen=True)
class Shape:
    """Proportions and pose; lengths in units of about the height at the shoulder, angles in degrees.

    Four numbers stand for left front, right front, left hind, right hind.
    """

    length: float = span(0.80, (0.62, 0.98))
    girth: float = span(0.25, (0.2, 0.3))
    tallness: float = span(1.1, 0.1)
    hips: float = span(0.95, 0.12)
    belly: float = span(1.0, 0.08)
    height: float = span(0.60, (0.46, 0.74))
    leg: float = span(0.105, 0.02)
    paw: float = span(0.105, 0.02)
    stance: float = span(0.15, 0.02)
    stride: tuple[float, ...] = span((0.0, 0.0, 0.0, 0.0), 0.14)
    lift: tuple[float, ...] = span((0.0, 0.0, 0.0, 0.0), 0.0)
    bend: tuple[float, ...] = span((0.03, 0.03, 0.06, 0.06), 0.03)
    neck: float = span(0.27, (0.18, 0.36))
    neck_thick: float = span(0.16, 0.025)
    neck_pitch: float = span(42.0, 14.0)
    head: float = span(0.25, (0.21, 0.3))
    head_form: tuple[float, float, float] = span((1.0, 0.95, 1.0), 0.08)
    nod: float = span(4.0, 12.0)
    look: float = span(0.0, 25.0)
    tilt: float = span(0.0, 8.0)
    cheek: float = span(0.55, 0.1)
    muzzle: float = span(0.20, (0.1, 0.3))
    muzzle_thick: float = span(0.12, 0.025)
    muzzle_drop: float = span(0.06, 0.03)
    nose: float = span(0.045, 0.012)
    eye: float = span(0.044, 0.008)
    eye_apart: float = span(33.0, 5.0)
    eye_up: float = span(14.0, 6.0)
    ear: float = span(0.24, (0.14, 0.34))
    ear_wide: float = span(0.115, 0.025)
    ear_tip: float = span(0.3, (0.15, 0.75))
    ear_apart: float = span(36.0, 6.0)
    ear_lean: float = span(18.0, 12.0)
    tail: float = span(0.55, (0.3, 0.75))
    tail_thick: float = span(0.075, (0.05, 0.1))
    tail_bush: float = span(1.25, (0.9, 1.7))
    tail_lift: float = span(15.0, (-25.0, 50.0))
    tail_curl: float = span(22.0, 22.0)
    tail_sway: float = span(8.0, 25.0)


def build(shape: Shape) -> Body:
    """Stands the animal on y = 0, facing +z, its left at +x."""
    s = shape
    shoulder = np.array([0.0, s.height, 0.5 * s.length])
    hip = np.array([0.0, s.height, -0.5 * s.length])
    pitch = np.radians(s.neck_pitch)
    throat = shoulder + np.array([0.0, 0.35 * s.girth * s.tallness, 0.35 * s.girth])
    nape = throat + s.neck * np.array([0.0, np.cos(pitch), np.sin(pitch)])
    axes = turn(s.nod, s.look, s.tilt)
    middle = nape + axes @ np.array([0.0, 0.35 * s.head, 0.3 * s.head])
    return Body(
        (
            *_head(s, middle, axes),
            cone("neck", throat, nape, s.neck_thick * 1.25, s.neck_thick, blend=0.1),
            cone("body", hip, shoulder, s.girth * s.hips, s.girth, flat=s.tallness, blend=0.14),
            blob("belly", (0.0, s.height - 0.02, 0.0), _belly(s), blend=0.1),
            *_legs(s, shoulder, hip),
            *_tail(s, hip),
        )
    )


def _belly(s: Shape) -> Vector:
    return s.girth * s.belly * np.array([1.0, s.tallness, 0.45 * s.length / s.girth + 0.5])


def _head(s: Shape, middle: Vector, axes: Vector) -> list[Part]:
    radii = s.head * np.array(s.head_form)

    def at(x: float, y: float, z: float) -> Vector:
        return middle + axes @ (radii * np.array([x, y, z]))

    ears, hollows, cheeks, eyes = [], [], [], []
    for side, left in SIDES:
        a, lean = np.radians(s.ear_apart), np.radians(s.ear_lean)
        root = at(0.8 * left * np.sin(a), 0.8 * np.cos(a), -0.1)
        up = axes @ np.array([left * np.sin(lean), np.cos(lean), -0.1])
        across = axes @ np.array([np.cos(lean), -left * np.sin(lean), -0.35 * left])
        tip = s.ear_wide * s.ear_tip
        ears.append(cone(f"{side}_ear", root, root + up * s.ear, s.ear_wide, tip, 0.42, across, blend=0.02, reach=0.02))
        front = axes @ np.array([0.12 * left, 0.0, 1.0]) * (0.42 * s.ear_wide)
        hollow = (root + front + up * (0.34 * s.ear), root + 0.6 * front + up * (0.86 * s.ear))
        hollows.append(
            cone(f"{side}_hollow", *hollow, 0.62 * s.ear_wide, 0.6 * tip, 0.42, across, blend=0.02, carve=True)
        )
        size = s.head * s.cheek
        cheeks.append(
            blob(f"{side}_cheek", at(0.52 * left, -0.4, 0.25), (size, 0.85 * size, 0.9 * size), axes, blend=0.09)
        )
        b, c = np.radians(s.eye_apart), np.radians(s.eye_up)
        spot = at(0.96 * left * np.sin(b) * np.cos(c), 0.96 * np.sin(c), 0.96 * np.cos(b) * np.cos(c))
        gaze = axes @ turn(y=0.8 * left * s.eye_apart)
        eyes.append(blob(f"{side}_eye", spot, np.array([1.0, 1.15, 0.8]) * s.eye, gaze, blend=0.006, reach=0.03))
    drop = s.muzzle_drop / radii[1]
    start, end = at(0.0, -0.15 - drop, 0.55), at(0.0, -0.2 - 1.3 * drop, 0.75) + axes[:, 2] * s.muzzle
    tip = end + axes @ np.array([0.0, 0.55 * s.muzzle_thick * 0.72, 0.6 * s.muzzle_thick])
    return [
        *ears,
        *hollows,
        blob("head", middle, radii, axes, blend=0.05),
        *cheeks,
        cone("muzzle", start, end, s.muzzle_thick * 1.2, s.muzzle_thick * 0.75, 0.85, axes[:, 0], blend=0.09),
        blob("nose", tip, np.array([1.15, 0.85, 0.8]) * s.nose, axes, blend=0.012, reach=0.03),
        *eyes,
    ]


def _legs(s: Shape, shoulder: Vector, hip: Vector) -> list[Part]:
    legs = []
    for i, (end, joint) in enumerate((("front", shoulder), ("hind", hip))):
        for j, (side, left) in enumerate(SIDES):
            k = 2 * i + j
            fore = 1.0 - 2.0 * i
            root = joint + np.array([left * s.stance, -0.12 * s.girth, -0.02 * fore])
            foot = np.array([root[0] * 1.02, 0.55 * s.paw + s.lift[k], root[2] + s.stride[k]])
            knee = 0.5 * (root + foot) + np.array([0.0, 0.0, -fore * s.bend[k]])
            top = s.leg * (1.15 if i == 0 else 1.5)
            name = f"{side}_{end}"
            legs += [
                cone(f"{name}_thigh", root, knee, top, s.leg * 0.92, blend=0.08),
                cone(
                    f"{name}_shin",
                    knee,
                    foot + np.array([0.0, 0.3 * s.paw, 0.0]),
                    s.leg * 0.92,
                    s.leg * 0.78,
                    blend=0.04,
                ),
                blob(
                    f"{name}_paw",
                    foot + np.array([0.0, 0.0, 0.35 * s.paw]),
                    np.array([0.95, 0.62, 1.2]) * s.paw,
                    power=(2.0, 2.4),
                    blend=0.04,
                ),
            ]
    return legs


def _tail(s: Shape, hip: Vector) -> list[Part]:
    place = hip + s.girth * s.hips * np.array([0.0, 0.5 * s.tallness, -0.75])
    pieces = []
    for i in range(TAIL):
        up, aside = (
            np.radians(v) for v in (s.tail_lift + i * s.tail_curl * 2.0 / (TAIL - 1), s.tail_sway * (i + 1) / TAIL)
        )
        ahead = np.array([np.cos(up) * np.sin(aside), np.sin(up), -np.cos(up) * np.cos(aside)])
        end = place + ahead * (s.tail / TAIL)
        thick, thin = (s.tail_thick * _bush(s, j / TAIL) for j in (i, i + 1))
        pieces.append(cone(f"tail_{i + 1}", place, end, thick, thin, blend=0.01 if i else 0.08))
        place = end
    return pieces


def _bush(s: Shape, along: float) -> float:
    """How thick the tail is, in units of its root: fullest at two thirds, drawn in at the tip."""
    full = np.sin(np.pi * min(along / 1.3, 1.0)) ** 1.2
    tip = 1.0 - 0.5 * max(along - 0.6, 0.0) / 0.4
    return float((1.0 + (s.tail_bush - 1.0) * full) * tip)


KEYPOINTS: dict[str, Place] = {
    **both("eye", "eye", 0.0, (0.0, 0.0, 1.0)),
    "nose": ("nose", 0.0, (0.0, 0.3, 1.0)),
    "forehead": ("head", 0.0, (0.0, 0.75, 0.66)),
    **both("ear_tip", "ear", 1.0, (0.0, 1.0, 0.0)),
    **both("cheek", "cheek", 0.0, (1.0, -0.2, 0.2)),
    "back": ("body", 0.5, (0.0, 0.0, -1.0)),
    "left_flank": ("body", 0.45, (0.7, 0.0, -0.7)),
    "right_flank": ("body", 0.45, (-0.7, 0.0, -0.7)),
    **both("hind_shin", "hind_shin", 0.5, (1.0, 0.0, 0.0)),
    **both("front_paw", "front_paw", 0.0, (0.0, 0.2, 1.0)),
    **both("hind_paw", "hind_paw", 0.0, (0.0, 0.2, 1.0)),
    "tail_tip": ("tail_5", 1.0, (0.0, 1.0, 0.0)),
}

QUADRUPED = Kind(
    "quadruped",
    Shape,
    build,
    paint,
    draw_coat,
    KEYPOINTS,
    lambda rng: replace(draw(View, rng), azimuth=float(rng.uniform(35.0, 80.0))),
    (0.3, 0.4, 0.3, 0.0),
)
