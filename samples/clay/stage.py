"""Where the subject stands: a studio sweep, a meadow, a room or a street, or a mixture of them."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from clay.camera import Camera
from clay.noise import cells, rough, smooth, stairs
from clay.params import span
from clay.surface import coloured, over

Colour = tuple[float, float, float]
HORIZON = 40.0
# The sky shines; colours are given as they look on a wall.
SKY = 1.25
STUDIO, MEADOW, ROOM, STREET = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Stage:
    """Colours and shares of places; the same fields serve each place in its own way.

    Attributes:
        places: Shares of studio, meadow, room and street, summing to 1.
        ground: The ground's colour.
        ground_two: Its second colour.
        high: Colour of the sky above, or of the wall.
        low: Colour of the sky at the horizon, or of the wall's pattern.
        far: Colour of hills or houses.
        scale: Size of the ground's pattern.
        offset: Moves the scenery sideways.
        depth: How far behind the subject the wall stands, in units of the picture's view.
    """

    places: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    ground: Colour = (0.55, 0.5, 0.45)
    ground_two: Colour = (0.45, 0.4, 0.36)
    high: Colour = (0.3, 0.5, 0.8)
    low: Colour = (0.8, 0.85, 0.9)
    far: Colour = (0.3, 0.45, 0.3)
    scale: float = span(1.0, 0.3)
    offset: float = span(0.0, (-9.0, 9.0))
    depth: float = span(2.0, (1.4, 3.0))


class Sight(NamedTuple):
    """What a place shows along rays: the ground's own colour (3, n), far colour (3, n), the ground's share (n,)."""

    ground: Tensor
    far: Tensor
    share: Tensor


def sights(stage: Stage, camera: Camera, rays: Tensor, reach: Tensor) -> Sight:
    """Mixes what the stage's places show along rays (3, n) that meet the plane y = 0 after `reach` (n,) or never."""
    flat = camera.origin + rays * reach.clamp_max(HORIZON)
    ground, far, share = torch.zeros_like(rays), torch.zeros_like(rays), torch.zeros_like(reach)
    for weight, place in zip(stage.places, (_studio, _meadow, _room, _street), strict=True):
        if weight > 1e-3:
            sight = place(stage, camera, rays, flat, reach)
            ground += weight * sight.share * sight.ground
            far += weight * (1.0 - sight.share) * sight.far
            share += weight * sight.share
    return Sight(ground / share.clamp_min(1e-6), far / (1.0 - share).clamp_min(1e-6), share)


def _away(flat: Tensor) -> Tensor:
    return (flat[0] ** 2 + flat[2] ** 2).sqrt()


def _around(camera: Camera, rays: Tensor) -> tuple[Tensor, Tensor]:
    """Angles (n,) of rays to the right of where the camera looks, and above the horizon."""
    ahead = -camera.axes[:, 2:].clone()
    ahead[1] = 0.0
    ahead = ahead / ahead.norm()
    aside = torch.atan2((rays * camera.axes[:, :1]).sum(0), (rays * ahead).sum(0))
    return aside, torch.asin(rays[1].clamp(-1.0, 1.0))


def _studio(stage: Stage, camera: Camera, rays: Tensor, flat: Tensor, reach: Tensor) -> Sight:
    aside, up = _around(camera, rays)
    wall = over(coloured(stage.low, rays), stage.high, stairs(-0.12, 0.4, up))
    glow = torch.exp(-((aside / 0.32) ** 2 + ((up - 0.02) / 0.25) ** 2))
    share = stairs(4.5, 1.6, _away(flat) / stage.depth) * reach.isfinite()
    return Sight(coloured(stage.ground, rays), wall * (1.0 + 0.22 * glow), share)


def _meadow(stage: Stage, camera: Camera, rays: Tensor, flat: Tensor, reach: Tensor) -> Sight:
    aside, up = _around(camera, rays)
    aside = aside + stage.offset
    blades = flat * torch.tensor([[1.0], [0.0], [1.0]])
    turf = 0.5 + 0.5 * rough(blades * (1.6 / stage.scale), 4)
    fine = smooth(blades * 24.0) * stairs(7.0, 1.5, _away(flat))
    ground = over(coloured(stage.ground, rays), stage.ground_two, (turf + 0.3 * fine).clamp(0.0, 1.0))
    bloom = (
        stairs(0.16, 0.12, cells(blades * 2.6)[0])
        * stairs(0.0, 0.3, smooth(blades * 0.9 + 4.0))
        * stairs(9.0, 4.0, _away(flat))
    )
    ground = over(ground, (0.9, 0.88, 0.78), 0.85 * bloom)
    sky = SKY * over(coloured(stage.low, rays), stage.high, stairs(0.0, 0.3, up))
    zero = torch.zeros_like(up)
    billow = rough(torch.stack((aside * 4.0, up * 11.0, zero + stage.offset)), 4)
    sky = over(sky, (1.05, 1.06, 1.08), 0.9 * stairs(0.0, 0.45, billow) * stairs(0.02, 0.07, up))
    haze = SKY * torch.tensor(stage.low)[:, None]
    for i, (rise, bumps, fade) in enumerate(((0.06, 5.0, 0.72), (0.034, 9.0, 0.45), (0.012, 26.0, 0.1))):
        line = torch.stack((aside * bumps + 3.7 * i, zero, zero + stage.offset))
        ridge = rise * (0.75 + 0.5 * smooth(line))
        if i == 2:
            ridge = ridge + 0.024 * stairs(0.6, 0.05, cells(line * 1.3)[0])
        hill = torch.tensor(stage.far)[:, None] * (0.7 + 0.5 * stairs(0.0, 1.0, up / ridge))
        sky = over(sky, hill + (haze - hill) * fade, stairs(0.006, -0.006, up - ridge))
    return Sight(ground, sky, stairs(30.0, 12.0, _away(flat)) * reach.isfinite())


def _room(stage: Stage, camera: Camera, rays: Tensor, flat: Tensor, reach: Tensor) -> Sight:
    right, ahead = camera.axes[:, :1], -camera.axes[:, 2:].clone()
    ahead[1] = 0.0
    ahead = ahead / ahead.norm()
    gone = (rays * ahead).sum(0).clamp_min(1e-3)
    to_wall = (stage.depth - (camera.origin * ahead).sum()) / gone
    at = camera.origin + rays * to_wall
    x, y = (at * right).sum(0) + stage.offset, at[1]
    paper = coloured(stage.high, rays)
    stripe = 0.5 + 0.5 * torch.cos(x * 9.0 / stage.scale)
    paper = over(paper, stage.low, stairs(0.55, 0.7, stripe))
    dot = torch.stack((x, y)) * (2.6 / stage.scale)
    dot = ((dot - dot.floor() - 0.5) ** 2).sum(0).sqrt()
    paper = over(paper, stage.far, 0.55 * stairs(0.14, 0.1, dot))
    board = stairs(0.24, 0.22, y)
    paper = over(paper, (0.95, 0.92, 0.86), board)
    paper = paper * (1.0 - 0.35 * stairs(0.02, 0.0, (y - 0.23).abs())) * (0.72 + 0.2 * stairs(0.0, 1.6, y))
    boards = (flat * right).sum(0) / (0.32 * stage.scale)
    plank = boards.floor()
    along = (flat * ahead).sum(0) + 3.3 * plank
    grain = rough(torch.stack((boards * 3.0, along * 0.6, plank * 5.1)), 4)
    tone = (0.5 + 0.42 * grain + 0.3 * torch.sin(plank * 12.9)).clamp(0.0, 1.0)
    floor = over(coloured(stage.ground, rays), stage.ground_two, tone)
    seam = ((boards - plank - 0.5).abs() - 0.5).abs() * 0.32 * stage.scale
    end = ((along / 2.4).remainder(1.0) - 0.5).abs() * 2.4
    floor = floor * (1.0 - 0.5 * stairs(0.012, 0.004, seam)) * (1.0 - 0.5 * stairs(0.012, 0.004, end))
    return Sight(floor, paper, (reach < to_wall).float())


def _street(stage: Stage, camera: Camera, rays: Tensor, flat: Tensor, reach: Tensor) -> Sight:
    aside, up = _around(camera, rays)
    aside = aside + stage.offset
    zero = torch.zeros_like(up)
    ahead = -camera.axes[:, 2:].clone()
    ahead[1] = 0.0
    across = (flat * (ahead / ahead.norm())).sum(0)
    along = (flat * camera.axes[:, :1]).sum(0)
    grit = smooth(flat * 30.0) * stairs(6.0, 1.0, _away(flat)) + rough(flat * 1.2, 2)
    ground = coloured(stage.ground, rays) * (1.0 + 0.1 * grit)
    line = stairs(0.06, 0.05, (across + 2.6).abs()) * stairs(0.3, 0.32, (along / 2.0).remainder(1.0))
    ground = over(ground, (0.85, 0.82, 0.7), 0.9 * line)
    pave = torch.stack((along / 0.6, across / 0.6))
    joint = stairs(0.04, 0.02, ((pave - pave.round()).abs()).amin(0))
    ground = over(
        ground,
        over(coloured(stage.ground_two, rays), (0.2, 0.2, 0.2), 0.35 * joint * stairs(9.0, 3.0, _away(flat))),
        stairs(1.55, 1.58, across),
    )
    ground = over(ground, (0.75, 0.73, 0.7), stairs(0.1, 0.08, (across - 1.5).abs()))
    sky = SKY * over(coloured(stage.low, rays), stage.high, stairs(0.0, 0.35, up))
    billow = rough(torch.stack((aside * 3.0, up * 9.0, zero + stage.offset)), 4)
    sky = over(sky, (1.05, 1.06, 1.08), 0.6 * stairs(0.1, 0.6, billow))
    haze = SKY * torch.tensor(stage.low)[:, None]
    for i, (rise, wide, fade) in enumerate(((0.2, 0.085, 0.6), (0.12, 0.12, 0.2))):
        lot = ((aside + 0.03 * i) / wide).floor()
        dice = torch.stack((lot * 7.31 + 3.0 * i, zero, zero + 0.5 + stage.offset))
        roof = rise * (0.75 + 0.45 * smooth(dice))
        house = (
            torch.tensor(stage.far)[:, None] * (1.0 + 0.45 * smooth(dice + 31.7))
            + 0.1 * torch.sin(lot * torch.tensor([[1.7], [2.9], [4.1]])) * torch.tensor(stage.far)[:, None]
        )
        pane = torch.stack(((aside + 0.03 * i) / wide * 4.0, up / 0.024))
        pane = (pane - pane.floor() - 0.5).abs()
        house = over(house, (0.75, 0.8, 0.8), 0.4 * stairs(0.3, 0.24, pane[0]) * stairs(0.34, 0.28, pane[1]))
        sky = over(sky, house + (haze - house) * fade, stairs(0.004, -0.004, up - roof))
    bush = torch.stack((aside * 22.0, zero, zero + 2.0 + stage.offset))
    hedge = 0.012 + 0.022 * stairs(0.65, 0.05, cells(bush)[0])
    sky = over(sky, (0.13, 0.25, 0.1), stairs(0.004, -0.004, up - hedge))
    return Sight(ground, sky, stairs(34.0, 14.0, _away(flat)) * reach.isfinite())
