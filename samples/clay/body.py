"""A body: parts in order, melted together, and the field that rays and vertices follow to its skin."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clay.parts import TINY, Blobs, Part

FAR = 10.0


class Asked(NamedTuple):
    """Which parts are asked at which points, as pairs.

    Attributes:
        blobs: The part of every pair.
        part: Its number.
        point: The number of the pair's point.
        turn: Which of the point's parts this is, from 0.
        blend: (turns, n) width of the joint; where a point has fewer parts, a crisp joint with something far.
        side: (turns, n) -1 where the part carves.
    """

    blobs: Blobs
    part: Tensor
    point: Tensor
    turn: Tensor
    blend: Tensor
    side: Tensor


def ask(blobs: Blobs, where: Tensor) -> Asked:
    """Lists the pairs of a mask (m parts, n points) in the parts' order."""
    point, part = where.T.nonzero().unbind(1)
    first = torch.zeros(where.shape[1], dtype=torch.long)
    count = where.sum(0)
    first[1:] = count.cumsum(0)[:-1]
    turn = torch.arange(len(point)) - first[point]
    taken = blobs.take(part)
    turns = (int(count.max()) if len(point) else 0, where.shape[1])
    blend, side = torch.full(turns, TINY), torch.ones(turns)
    blend[turn, point], side[turn, point] = taken.numbers[23:25]
    return Asked(taken, part, point, turn, blend, side)


def _table(points: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """Distances (turns, n) to the parts asked at each point, far where there are fewer, and each pair's growth."""
    table = torch.full_like(asked.blend, FAR)
    apart, grow = asked.blobs.distance(points[:, asked.point])
    table[asked.turn, asked.point] = apart
    return table, grow


def _melted(before: Tensor, here: Tensor, width: Tensor) -> Tensor:
    """The smaller of two distances, rounded off where they differ by less than `width`."""
    melt = (width - (before - here).abs()).clamp_min(0.0)
    return torch.minimum(before, here) - 0.25 * melt * melt / width


def _share(before: Tensor, here: Tensor, width: Tensor) -> Tensor:
    """How much of the melted distance is the second one's, by its derivative."""
    half = 0.5 * (width - (before - here).abs()).clamp_min(0.0) / width
    return torch.where(here < before, 1.0 - half, half)


@dataclass(frozen=True)
class Body:
    """The parts of one object, each melting into (or cut out of) those before it."""

    parts: tuple[Part, ...]

    @cached_property
    def index(self) -> dict[str, int]:
        return {part.name: i for i, part in enumerate(self.parts)}

    @cached_property
    def blobs(self) -> Blobs:
        return Blobs.of(self.parts)

    def blob(self, name: str) -> Blobs:
        return Blobs.of((self.parts[self.index[name]],))

    @cached_property
    def balls(self) -> tuple[Tensor, Tensor]:
        """Centres (m, 3) and radii (m,) of spheres outside which a part has no say."""
        centres, radii = zip(*(part.ball for part in self.parts), strict=True)
        margin = [1.6 * part.blend + 0.01 for part in self.parts]
        return (
            torch.tensor(np.array(centres), dtype=torch.float32),
            torch.tensor(np.array(radii) + np.array(margin), dtype=torch.float32),
        )

    def near(self, points: Tensor, slack: float = 0.0) -> Asked:
        """Asks the parts that may matter within `slack` of points (3, n)."""
        centres, radii = self.balls
        return ask(self.blobs, torch.cdist(centres, points.T) < (radii + slack)[:, None])

    def touched(self, origins: Tensor, rays: Tensor, spread: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
        """Says which parts (m, n) unit rays (3, n) may meet, and where the first begins and the last ends (n,).

        Args:
            origins: (3, n) or (3, 1).
            rays: (3, n) or (3, 1).
            spread: How much wider than a line the ray is, per unit along it.
        """
        centres, radii = self.balls
        along = centres @ rays - (origins * rays).sum(0)
        apart = (origins * origins).sum(0) - 2.0 * (centres @ origins) + (centres * centres).sum(1, keepdim=True)
        gap = (radii[:, None] + spread * (1.0 + along.clamp_min(0.0))) ** 2 - apart + along * along
        half = gap.clamp_min(0.0).sqrt()
        hit = (gap > 0.0) & (along + half > 0.0)
        start = torch.where(hit, along - half, torch.inf).amin(0).clamp_min(0.0)
        stop = torch.where(hit, along + half, -torch.inf).amax(0)
        return hit, start, stop

    def field(self, points: Tensor, asked: Asked) -> Tensor:
        """Signed distance (n,) of the melted body at points (3, n)."""
        value = points.new_full(points.shape[1:], FAR)
        for here, width, side in zip(_table(points, asked)[0], asked.blend, asked.side, strict=True):
            # Cutting out is melting together seen from inside.
            value = side * _melted(side * value, here, width)
        return value

    def slopes(self, points: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
        """Signed distance (n,) and the direction (3, n) in which it grows."""
        table, grow = _table(points, asked)
        ways = table.new_zeros((3, *table.shape))
        ways[:, asked.turn, asked.point] = asked.blobs.out(grow)
        value, slope = points.new_full(points.shape[1:], FAR), torch.zeros_like(points)
        for here, way, width, side in zip(table, ways.unbind(1), asked.blend, asked.side, strict=True):
            before, old = side * value, side * slope
            value = side * _melted(before, here, width)
            slope = side * (old + _share(before, here, width) * (way - old))
        return value, slope

    def owners(self, points: Tensor, asked: Asked) -> Tensor:
        """Share (pairs,) of each asked part in the melted field at its point: 0 for what others cover or cut."""
        table, _ = _table(points, asked)
        shares, value = torch.zeros_like(table), points.new_full(points.shape[1:], FAR)
        for turn, (here, width, side) in enumerate(zip(table, asked.blend, asked.side, strict=True)):
            before = side * value
            shares[turn] = _share(before, here, width)
            shares[:turn] *= 1.0 - shares[turn]
            value = side * _melted(before, here, width)
        return shares[asked.turn, asked.point]

    def settle(self, points: Tensor, rounds: int = 4) -> tuple[Tensor, Tensor]:
        """Moves points (3, n) close to the skin onto it, along the field; returns them and the skin's normals."""
        asked = self.near(points, 0.02)
        for _ in range(rounds):
            value, slope = self.slopes(points, asked)
            value = torch.where(value < 0.5 * FAR, value, 0.0).clamp(-0.1, 0.1)
            points = points - value * slope / slope.square().sum(0).clamp_min(0.05)
        _, slope = self.slopes(points, asked)
        return points, slope / slope.square().sum(0).sqrt().clamp_min(1e-6)
