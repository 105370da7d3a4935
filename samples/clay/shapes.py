"""Short ways to write parts: blobs and cones between joints, frames from directions and turns."""

import numpy as np

from clay.parts import Part, Vector

Triple = tuple[float, float, float]


def turn(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Vector:
    """Rotation (3, 3) by degrees about x (nods), then y (turns left), then z (tilts)."""
    (sx, sy, sz), (cx, cy, cz) = (f(np.radians([x, y, z])) for f in (np.sin, np.cos))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def frame(along: Vector, side: Vector) -> Vector:
    """Axes (3, 3) with y along a direction and x as near to `side` as may be."""
    y = along / np.linalg.norm(along)
    x = side - y * (side @ y)
    x = x / np.linalg.norm(x)
    return np.stack((x, y, np.cross(x, y)), 1)


def blob(
    name: str,
    centre: Triple | Vector,
    radii: Triple | Vector,
    axes: Vector | None = None,
    power: tuple[float, float] = (2.0, 2.0),
    blend: float = 0.0,
    carve: bool = False,
    reach: float = 0.0,
) -> Part:
    """A superellipsoid around its centre."""
    radii = np.asarray(radii, float)
    axes = np.eye(3) if axes is None else axes
    return Part(name, np.asarray(centre, float), axes, radii, radii, 0.0, power, blend, carve, reach)


def cone(
    name: str,
    start: Triple | Vector,
    end: Triple | Vector,
    thick: float,
    thin: float,
    flat: float = 1.0,
    side: Triple | Vector = (1.0, 0.0, 0.0),
    power: tuple[float, float] = (2.0, 2.0),
    blend: float = 0.0,
    carve: bool = False,
    reach: float = 0.0,
) -> Part:
    """A round cone between two joints, `flat` times as deep as it is wide along `side`."""
    start, along = np.asarray(start, float), np.asarray(end, float) - np.asarray(start, float)
    axes = frame(along, np.asarray(side, float))
    foot, tip = (np.array([r, r, r * flat]) for r in (thick, thin))
    return Part(name, start, axes, foot, tip, float(np.linalg.norm(along)), power, blend, carve, reach)
