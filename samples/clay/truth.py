"""The exact map between two shots of a kind, and its keypoints.

A target pixel's ray meets the target's skin at a face and a place in it; the same place on the source's skin, seen by
the source's camera, is where the pixel comes from, unless something hides it there.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clay.body import Body
from clay.kind import Place
from clay.march import march
from clay.picture import Shot
from clay.skin import Figure

# Beyond these the skin is folded or torn: the place has no honest counterpart.
# The first is in units of the skin's triangles.
GAP, MOVED = 1.0, 0.05
# Pixels by which a place may miss itself when it is carried there and back.
ASTRAY = 0.4


@dataclass(frozen=True)
class Sightings:
    """Where a shot's pixel centres meet its skin: pixel numbers (n,), points (3, n), normals (3, n)."""

    pixel: Tensor
    points: Tensor
    normals: Tensor


def sighted(shot: Shot) -> Sightings:
    """Casts one ray through every pixel's centre."""
    camera = shot.camera
    rays = camera.rays(camera.pixels())
    reach = march(shot.figure.body, camera.origin, rays)
    reach = torch.where(camera.origin[1] + rays[1] * reach < 0.0, torch.inf, reach)
    pixel = reach.isfinite().nonzero()[:, 0]
    points, normals = shot.figure.body.settle(camera.origin + rays[:, pixel] * reach[pixel], 1)
    return Sightings(pixel, points, normals)


def dense(source: Shot, target: Shot, seen: Sightings) -> np.ndarray:
    """Maps the target's pixels back to the source.

    Args:
        source: Where the map leads.
        target: Whose pixels it starts from.
        seen: The target's skin at its pixels' centres.

    Returns:
        (h, w, 2) float32 x, y from the source's top-left corner; nan for none.
    """
    points, normals, kept = carried(target.figure, source.figure, seen.points, seen.normals)
    xy, visible = shown(source, points, normals)
    # Where the skin is folded, several of its places lie at one point: only what comes back is one to one.
    again, _, back = carried(source.figure, target.figure, points, normals)
    off = (target.camera.project(again) - target.camera.project(seen.points)).square().sum(0).sqrt()
    good = kept & visible & back & (off < ASTRAY)
    h, w = target.camera.hw
    grid = torch.full((h * w, 2), torch.nan)
    grid[seen.pixel[good]] = xy[:, good].T
    return grid.reshape(h, w, 2).numpy()


def carried(one: Figure, two: Figure, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Carries points (3, n) on one figure's skin to the same places on another's.

    Returns:
        Points and normals (3, n) there, and whether (n,) the skin is whole at both.
    """
    face, weights, gap = one.locate(points, normals)
    flat = (two.corners[face] * weights[:, :, None]).sum(1).T
    there, slopes = two.body.settle(flat, 2)
    kept = (gap < GAP * one.skin.step) & ((there - flat).square().sum(0).sqrt() < MOVED)
    # A face turned away from the skin it lies on is part of a fold.
    return there, slopes, kept & ((two.normals[face] * slopes.T).sum(1) > 0.1)


def shown(shot: Shot, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor]:
    """Projects points (3, n) on a shot's skin to its picture (2, n), and says which are visible there."""
    camera = shot.camera
    xy = camera.project(points)
    h, w = camera.hw
    inside = (xy[0] >= 0.0) & (xy[0] <= w) & (xy[1] >= 0.0) & (xy[1] <= h) & (points[1] > 0.0)
    away = points - camera.origin
    far = away.square().sum(0).sqrt()
    rays = away / far
    slant = -(rays * normals).sum(0)
    reach = march(shot.figure.body, camera.origin, rays)
    # At a slant a ray stops early by its tolerance over the sine of the angle.
    return xy, inside & (slant > 0.03) & ((reach - far).abs() < 0.006 + 0.004 / slant.clamp_min(0.03))


def keypoints(shot: Shot, places: dict[str, Place]) -> dict[str, tuple[float, float] | None]:
    """Finds named places in the picture, corner-origin pixels; None where hidden or outside."""
    found = {}
    for name, (part, h, way) in places.items():
        point, normal = on_skin(shot.figure.body, part, h, way)
        xy, visible = shown(shot, point, normal)
        found[name] = (float(xy[0]), float(xy[1])) if bool(visible) else None
    return found


def on_skin(body: Body, part: str, h: float, way: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """Follows a part's own ray from its axis to where it leaves the body; returns the point and normal (3, 1)."""
    blob = body.blob(part)
    axis, ray = torch.tensor([h]), torch.tensor(way)[:, None]
    along = torch.stack((0.0 * axis, blob.numbers[18] * axis, 0.0 * axis))
    start = blob.out(along) + blob.numbers[:3]
    out = blob.out(blob.radii(axis) * ray / blob.level(ray)[0])
    walk = torch.linspace(0.5, 2.5, 2001)
    points = start + out * walk
    inside = body.field(points, body.near(points, 0.1)) < 0.0
    left = (inside[:-1] & ~inside[1:]).nonzero()[:, 0]
    return body.settle(start + out * walk[left[0] if len(left) else 0], 3)
