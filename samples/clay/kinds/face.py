"""Animal heads on shoulders: eyes, brows, cheeks, a muzzle, a nose, ears in two pieces, a tuft and a collar."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clay.body import Body
from clay.camera import View
from clay.kind import SIDES, Kind, Place, both
from clay.kinds.face_coat import draw_coat, paint
from clay.params import draw, span
from clay.parts import Part, Vector
from clay.shapes import blob, cone, turn

# Turns a place on the upright head into the world.
At = Callable[[float, float, float], Vector]


@dataclass(frozen=True)
class Shape:
    """Proportions and pose; the head is about 1 wide, angles in degrees."""

    head: tuple[float, float, float] = span((0.5, 0.46, 0.44), 0.05)
    nod: float = span(2.0, 8.0)
    look: float = span(0.0, 12.0)
    tilt: float = span(0.0, 8.0)
    jaw: float = span(0.36, 0.05)
    jaw_drop: float = span(0.2, 0.05)
    cheek: float = span(0.2, 0.05)
    cheek_apart: float = span(0.27, 0.05)
    pad: float = span(0.12, 0.025)
    pad_drop: float = span(0.15, 0.03)
    muzzle: float = span(0.14, (0.05, 0.3))
    muzzle_thick: float = span(0.17, (0.13, 0.22))
    nose: float = span(0.075, 0.02)
    nose_wide: float = span(1.25, 0.25)
    eye: float = span(0.1, (0.075, 0.135))
    eye_tall: float = span(1.05, 0.15)
    eye_apart: float = span(28.0, 5.0)
    eye_up: float = span(10.0, 5.0)
    brow: float = span(0.13, 0.02)
    ear: float = span(0.3, (0.16, 0.42))
    ear_wide: float = span(0.18, 0.04)
    ear_tip: float = span(0.6, 0.25)
    ear_apart: float = span(42.0, 8.0)
    ear_lean: float = span(26.0, 18.0)
    ear_fold: float = span(0.0, (-10.0, 35.0))
    ear_deep: float = span(0.4, 0.1)
    tuft: float = span(0.1, (0.04, 0.18))
    neck: float = span(0.24, 0.04)
    shoulders: tuple[float, float, float] = span((0.46, 0.34, 0.34), 0.05)
    collar: float = span(0.05, 0.015)
    bell: float = span(0.06, 0.015)


def build(shape: Shape) -> Body:
    """Stands the bust on y = 0, facing +z, its left at +x."""
    s = shape
    head = np.array(s.head)
    collar = np.array([0.0, s.shoulders[1] + 0.05, 0.0])
    middle = collar + np.array([0.0, 0.72 * head[1] + 0.4 * s.jaw_drop, 0.05])
    axes = turn(s.nod, s.look, s.tilt)

    def at(x: float, y: float, z: float) -> Vector:
        return middle + axes @ np.array([x, y, z])

    jaw = blob("jaw", at(0.0, -s.jaw_drop, 0.08), (s.jaw, 0.8 * s.jaw, 0.85 * s.jaw), axes, blend=0.16)
    thick = s.muzzle_thick
    root, end = at(0.0, -s.pad_drop, 0.6 * head[2]), at(0.0, -s.pad_drop - 0.03, 0.8 * head[2] + s.muzzle)
    tip = end + axes @ np.array([0.0, 0.7 * thick, 0.62 * thick])
    front = end + axes @ np.array([0.0, -0.15 * thick, 0.35 * thick])
    pads = [
        blob(
            f"{side}_pad",
            front + axes @ np.array([left * 0.75 * s.pad, -0.25 * s.pad, 0.0]),
            _pad(s),
            axes,
            blend=0.045,
        )
        for side, left in SIDES
    ]
    chin = blob(
        "chin",
        front + axes @ np.array([0.0, -1.05 * s.pad, -0.15]),
        (0.8 * s.pad, 0.65 * s.pad, s.pad),
        axes,
        blend=0.06,
    )
    ring = s.neck * 1.1 + 0.07
    return Body(
        (
            *_ears(s, at, axes),
            blob("head", middle, head, axes, blend=0.07),
            *_tufts(s, at, axes),
            jaw,
            *[
                blob(f"{side}_cheek", at(left * s.cheek_apart, -0.14, 0.5 * head[2]), _cheek(s), axes, blend=0.12)
                for side, left in SIDES
            ],
            cone("muzzle", root, end, thick * 1.15, thick * 0.85, 0.85, axes[:, 0], blend=0.12),
            *pads,
            chin,
            blob("nose", tip, s.nose * np.array([s.nose_wide, 0.85, 0.7]), axes @ turn(-25.0), blend=0.015, reach=0.04),
            *_eyes(s, at, axes),
            cone("neck", (0.0, 0.5 * collar[1], 0.0), at(0.0, -0.1, 0.0), s.neck * 1.1, s.neck, blend=0.08),
            blob("shoulders", (0.0, 0.02, 0.0), s.shoulders, power=(2.2, 2.4), blend=0.1),
            blob("collar", collar, (ring, s.collar, ring), turn(8.0), (2.0, 3.0), blend=0.01, reach=0.02),
            blob(
                "bell",
                collar + np.array([0.0, -0.9 * s.collar - 0.02, ring]),
                (s.bell, s.bell, s.bell),
                blend=0.008,
                reach=0.03,
            ),
        )
    )


def _pad(s: Shape) -> Vector:
    return s.pad * np.array([1.05, 0.85, 0.8])


def _cheek(s: Shape) -> Vector:
    return s.cheek * np.array([1.0, 0.85, 0.8])


def _ears(s: Shape, at: At, axes: Vector) -> list[Part]:
    ears, hollows = [], []
    for side, left in SIDES:
        a, lean = np.radians(s.ear_apart), np.radians(s.ear_lean)
        root = at(0.82 * s.head[0] * left * np.sin(a), 0.82 * s.head[1] * np.cos(a), -0.02)
        fold = np.radians(s.ear_lean + s.ear_fold)
        up = axes @ np.array([left * np.sin(lean), np.cos(lean), -0.08])
        on = axes @ np.array([left * np.sin(fold), np.cos(fold), 0.02])
        across = axes @ np.array([np.cos(lean), -left * np.sin(lean), -0.25 * left])
        middle = root + up * (0.5 * s.ear)
        end = middle + on * (0.5 * s.ear)
        wide, mid, tip = s.ear_wide, s.ear_wide * (0.5 + 0.5 * s.ear_tip), s.ear_wide * s.ear_tip
        ears += [
            cone(f"{side}_ear", root, middle, wide, mid, 0.4, across, blend=0.02),
            cone(f"{side}_ear_end", middle, end, mid, tip, 0.4, across, blend=0.03),
        ]
        ahead = axes @ np.array([0.1 * left, 0.0, 1.0]) * s.ear_wide * s.ear_deep
        hollow = (root + ahead + up * (0.3 * s.ear), middle + 0.85 * ahead + on * (0.28 * s.ear))
        hollows.append(cone(f"{side}_hollow", *hollow, 0.66 * wide, 0.62 * tip, 0.45, across, blend=0.03, carve=True))
    return [*ears, *hollows]


def _tufts(s: Shape, at: At, axes: Vector) -> list[Part]:
    tufts = []
    for name, aside, size in (("tuft_left", 1.0, 0.8), ("tuft", 0.0, 1.0), ("tuft_right", -1.0, 0.8)):
        root = at(0.07 * aside, 0.9 * s.head[1], 0.12)
        tip = root + axes @ (np.array([0.45 * aside, 0.9, 0.35]) * s.tuft * size)
        tufts.append(cone(name, root, tip, 0.055, 0.02, blend=0.04))
    return tufts


def _eyes(s: Shape, at: At, axes: Vector) -> list[Part]:
    eyes, brows = [], []
    for side, left in SIDES:
        a, up = np.radians(s.eye_apart), np.radians(s.eye_up)
        way = np.array([left * np.sin(a) * np.cos(up), np.sin(up), np.cos(a) * np.cos(up)])
        spot = at(*(0.9 * np.array(s.head) * way))
        gaze = axes @ turn(y=0.45 * left * s.eye_apart)
        eyes.append(blob(f"{side}_eye", spot, s.eye * np.array([1.0, s.eye_tall, 0.85]), gaze, blend=0.006, reach=0.05))
        above = spot + axes @ np.array([0.02 * left, 1.05 * s.eye * s.eye_tall, -0.05])
        brows.append(
            blob(f"{side}_brow", above, s.brow * np.array([1.0, 0.55, 0.7]), gaze @ turn(z=-14.0 * left), blend=0.06)
        )
    return [*brows, *eyes]


KEYPOINTS: dict[str, Place] = {
    **both("eye", "eye", 0.0, (0.0, 0.0, 1.0)),
    **both("eye_outer", "eye", 0.0, (0.6, 0.0, 0.8)),
    **both("eye_inner", "eye", 0.0, (-0.6, 0.0, 0.8)),
    **both("ear_tip", "ear_end", 1.0, (0.0, 1.0, 0.0)),
    **both("cheek", "cheek", 0.0, (0.7, 0.0, 0.7)),
    **both("whisker", "pad", 0.0, (0.45, 0.0, 0.9)),
    "nose": ("nose", 0.0, (0.0, 0.1, 1.0)),
    "forehead": ("head", 0.0, (0.0, 0.6, 0.8)),
    "chest": ("shoulders", 0.0, (0.0, 0.2, 1.0)),
    "left_shoulder": ("shoulders", 0.0, (0.9, 0.3, 0.3)),
    "right_shoulder": ("shoulders", 0.0, (-0.9, 0.3, 0.3)),
}

FACE = Kind(
    "face",
    Shape,
    build,
    paint,
    draw_coat,
    KEYPOINTS,
    lambda rng: replace(
        draw(View, rng), azimuth=float(rng.uniform(-16.0, 16.0)), elevation=float(rng.uniform(0.0, 8.0))
    ),
    (0.5, 0.25, 0.25, 0.0),
)
