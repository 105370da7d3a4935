"""Rays through a body's field: where they meet it, how much sun gets past it, how open the sky is above a point."""

import torch
from torch import Tensor

from clay.body import Body, ask

CLOSE = 3e-4
STEPS = 96
SUN_STEPS = 40
TIDY = 4
CHUNK = 32768


def march(body: Body, origins: Tensor, rays: Tensor) -> Tensor:
    """Measures how far (n,) along unit rays (3, n) from origins (3, n) or (3, 1) the skin lies; inf where they miss."""
    chunks = zip(origins.expand_as(rays).split(CHUNK, 1), rays.split(CHUNK, 1), strict=True)
    return torch.cat([_march(body, *chunk) for chunk in chunks])


def _march(body: Body, origins: Tensor, rays: Tensor) -> Tensor:
    reach = rays.new_full(rays.shape[1:], torch.inf)
    touched, start, stop = body.touched(origins, rays)
    alive = touched.any(0).nonzero()[:, 0]
    touched, far, stop, origins, rays = touched[:, alive], start[alive], stop[alive], origins[:, alive], rays[:, alive]
    asked = ask(body.blobs, touched)
    for step in range(STEPS):
        value = body.field(origins + rays * far, asked)
        far = far + value
        # Dropping finished rays means asking anew, so it is done now and then.
        if step % TIDY == TIDY - 1:
            # In a narrow gap a ray creeps: at the last it counts as arrived.
            met = value < (CLOSE if step < STEPS - 1 else 20.0 * CLOSE)
            reach[alive[met]] = far[met]
            keep = (~met & (far < stop)).nonzero()[:, 0]
            if not len(keep):
                break
            alive, far, stop = alive[keep], far[keep], stop[keep]
            origins, rays, touched = origins[:, keep], rays[:, keep], touched[:, keep]
            asked = ask(body.blobs, touched)
    return reach


def sunlight(body: Body, points: Tensor, sun: Tensor, sharpness: float) -> Tensor:
    """Measures the share (n,) of the sun's disc seen from points (3, n), softer the farther what hides it.

    Args:
        body: What may stand in the way.
        points: Just off the surface.
        sun: (3, 1) unit direction to the sun.
        sharpness: Larger is a smaller sun.
    """
    return torch.cat([_sunlight(body, chunk, sun, sharpness) for chunk in points.split(CHUNK, 1)])


def _sunlight(body: Body, points: Tensor, sun: Tensor, sharpness: float) -> Tensor:
    light = points.new_ones(points.shape[1:])
    touched, start, stop = body.touched(points, sun, 0.6 / sharpness)
    far = start.clamp_min(0.02)
    alive = (touched.any(0) & (far < stop)).nonzero()[:, 0]
    far, stop, points, touched = far[alive], stop[alive], points[:, alive], touched[:, alive]
    seen = torch.ones_like(far)
    asked = ask(body.blobs, touched)
    for step in range(SUN_STEPS):
        value = body.field(points + sun * far, asked)
        seen = torch.minimum(seen, 0.5 + 0.5 * sharpness * value / far)
        far = far + value.clamp(0.012, 0.25)
        if step % TIDY == TIDY - 1:
            light[alive] = seen
            keep = ((seen > 0.0) & (far < stop)).nonzero()[:, 0]
            if not len(keep):
                break
            alive, far, stop, seen = alive[keep], far[keep], stop[keep], seen[keep]
            points, touched = points[:, keep], touched[:, keep]
            asked = ask(body.blobs, touched)
    light = light.clamp(0.0, 1.0)
    return light * light * (3.0 - 2.0 * light)


def openness(body: Body, points: Tensor, normals: Tensor, size: float) -> Tensor:
    """Measures how open (n,) the half-space above surface points is, by the field at a few heights above them.

    Args:
        body: What may hide the sky, beside the plane y = 0.
        points: (3, n) on the surface.
        normals: (3, n).
        size: How far up to look.
    """
    chunks = zip(points.split(CHUNK, 1), normals.split(CHUNK, 1), strict=True)
    return torch.cat([_openness(body, p, n, size) for p, n in chunks])


def _openness(body: Body, points: Tensor, normals: Tensor, size: float) -> Tensor:
    hidden = points.new_zeros(points.shape[1:])
    for share, weight in ((0.08, 1.0), (0.25, 0.75), (0.55, 0.55), (1.0, 0.4)):
        height = share * size
        above = points + normals * height
        value = torch.minimum(body.field(above, body.near(above, height)), above[1])
        hidden = hidden + weight * (1.0 - value / height).clamp(0.0, 1.0)
    return (1.0 - 0.37 * hidden).clamp(0.0, 1.0)
