"""From parameters to a picture: what each ray sees, and more rays where neighbours differ."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clay.body import Body
from clay.camera import Camera, place
from clay.kind import Kind, Scene
from clay.light import developed
from clay.march import march, openness, sunlight
from clay.skin import Figure, Skin, pose
from clay.stage import sights
from clay.surface import Surface, dented

CHUNK = 65536


@dataclass(frozen=True)
class Shot:
    """A scene that stands ready: its figure posed, its camera placed."""

    kind: Kind
    scene: Scene
    figure: Figure
    camera: Camera


def stand(kind: Kind, scene: Scene, skin: Skin, hw: tuple[int, int]) -> Shot:
    """Builds a scene's figure and frames it."""
    figure = pose(skin, kind.build(scene.shape))
    shown = figure.points[:, figure.points[1] > -0.01]
    return Shot(kind, scene, figure, place(scene.view, hw, shown))


def render(shot: Shot, coarse: int = 1, fine: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Renders a picture (h, w, 3) and its mask (h, w), both uint8.

    Args:
        shot: The scene.
        coarse: Samples a pixel and side everywhere.
        fine: Samples a pixel and side where a pixel differs from its neighbours.
    """
    h, w = shot.camera.hw
    picture, mask = _sampled(shot, shot.camera.pixels(coarse), coarse)
    look = torch.cat((developed(picture, shot.scene.light.exposure), mask[None])).reshape(4, h, w)
    uneven = torch.zeros(h, w)
    for axis in (1, 2):
        step = look.diff(dim=axis).abs().amax(0)
        uneven.narrow(axis - 1, 1, step.shape[axis - 1]).copy_(
            torch.maximum(uneven.narrow(axis - 1, 1, step.shape[axis - 1]), step)
        )
        uneven.narrow(axis - 1, 0, step.shape[axis - 1]).copy_(
            torch.maximum(uneven.narrow(axis - 1, 0, step.shape[axis - 1]), step)
        )
    again = (uneven.reshape(-1) > 0.05).nonzero()[:, 0]
    inside = shot.camera.pixels(fine).reshape(2, h * w, fine * fine)[:, again].reshape(2, -1)
    picture[:, again], mask[again] = _sampled(shot, inside, fine)
    shown = developed(picture, shot.scene.light.exposure)
    return (
        (shown.reshape(3, h, w).permute(1, 2, 0) * 255.0).round().byte().numpy(),
        (mask.reshape(h, w) * 255.0).round().byte().numpy(),
    )


def _sampled(shot: Shot, xy: Tensor, per_side: int) -> tuple[Tensor, Tensor]:
    """Means over each pixel's samples: colour (3, pixels), cut off where film is white, and coverage (pixels,)."""
    seen = [_seen(shot, chunk) for chunk in xy.split(CHUNK, 1)]
    colour, hit = torch.cat([c for c, _ in seen], 1), torch.cat([m for _, m in seen])
    each = per_side * per_side
    return colour.clamp_max(2.5).reshape(3, -1, each).mean(2), hit.float().reshape(-1, each).mean(1)


def _seen(shot: Shot, xy: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (3, n) along the rays through picture places, and which of them meet the figure."""
    camera, body = shot.camera, shot.figure.body
    rays = camera.rays(xy)
    to_floor = torch.where(rays[1] < -1e-5, -camera.origin[1] / rays[1].clamp_max(-1e-5), torch.inf)
    to_skin = march(body, camera.origin, rays)
    hit = to_skin < to_floor
    colour = torch.zeros_like(rays)
    colour[:, ~hit] = _background(shot, rays[:, ~hit], to_floor[~hit])
    if hit.any():
        colour[:, hit] = _skin(shot, rays[:, hit], to_skin[hit])
    return colour, hit


def _skin(shot: Shot, rays: Tensor, reach: Tensor) -> Tensor:
    camera, light, body = shot.camera, shot.scene.light, shot.figure.body
    points, normals = body.settle(camera.origin + rays * reach, 1)
    surface = Surface(body, shot.figure.skin.body, points, normals)
    material = shot.kind.paint(shot.scene.coat, surface)
    sun = light.direction(camera.axes)
    sunlit = torch.zeros_like(reach)
    lit = (normals * sun).sum(0) > -0.2
    sunlit[lit] = sunlight(body, points[:, lit] + 0.006 * normals[:, lit], sun, light.sharpness)
    opening = openness(body, points, normals, 0.3)
    bent = dented(normals, surface.rest, material.dents)
    ground = torch.tensor(shot.scene.stage.ground)[:, None]
    return light.shade(material, bent, rays, sunlit, opening, camera.axes, ground)


def _background(shot: Shot, rays: Tensor, reach: Tensor) -> Tensor:
    camera, light, body = shot.camera, shot.scene.light, shot.figure.body
    sight = sights(shot.scene.stage, camera, rays, reach)
    floor = (sight.share > 1e-3).nonzero()[:, 0]
    colour = sight.far * (1.0 - sight.share)
    if len(floor):
        points = camera.origin + rays[:, floor] * reach[floor]
        up = torch.tensor([[0.0], [1.0], [0.0]])
        sunlit = sunlight(body, points + 0.004 * up, light.direction(camera.axes), light.sharpness)
        opening = _ground_openness(body, points + 0.004 * up)
        lit = light.colour * light.direction(camera.axes)[1] * sunlit
        lit = lit + light.sky * opening * torch.tensor(light.tint)[:, None]
        colour[:, floor] += sight.ground[:, floor] * lit * sight.share[floor]
    return colour


def _ground_openness(body: Body, points: Tensor) -> Tensor:
    """How open (n,) the sky is above ground points: the field at a few heights, the ground itself left out."""
    hidden = points.new_zeros(points.shape[1:])
    for height, weight in ((0.04, 0.9), (0.12, 0.7), (0.3, 0.6)):
        above = points + torch.tensor([[0.0], [height], [0.0]])
        hidden = hidden + weight * (1.0 - body.field(above, body.near(above, height)) / height).clamp(0.0, 1.0)
    return (1.0 - 0.36 * hidden).clamp(0.0, 1.0)
