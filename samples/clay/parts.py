"""One primitive for everything: the blob, a superellipsoid that may be drawn out along its own y axis.

With both powers 2 and no length it is an ellipsoid, with a length a round cone; powers (2, 6) make a cylinder with soft
edges, powers (6, 6) a box with soft edges. All its numbers can be mixed linearly. Every point in space has a coordinate
in a blob's frame (`Local`), the same for the same place on two blobs of different sizes and poses: that coordinate is
what the exact truth of these pictures rests on.

Points are tensors (3, n), each coordinate together in memory.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

Vector = np.ndarray
TINY = 1e-6


@dataclass(frozen=True)
class Part:
    """A named blob of a body.

    Attributes:
        name: The same on every body of a kind.
        centre: (3,) where the axis begins.
        axes: (3, 3), columns are the blob's x, y, z in the world.
        radii: (3,) at the beginning of the axis.
        tip: (3,) radii at the end of the axis.
        length: Of the axis, along y; 0 for a superellipsoid.
        power: (m, n), m around the axis, n along it; 2 is round, 6 is boxy.
        blend: Width over which the part melts into those before it; 0 for a crisp edge.
        carve: Whether the part is cut out of those before it.
        reach: How far the part's pull on the surrounding skin goes beyond its own surface.
    """

    name: str
    centre: Vector
    axes: Vector
    radii: Vector
    tip: Vector
    length: float = 0.0
    power: tuple[float, float] = (2.0, 2.0)
    blend: float = 0.0
    carve: bool = False
    reach: float = 0.0

    @property
    def ball(self) -> tuple[Vector, float]:
        """Centre and radius of a sphere that holds the part."""
        largest = np.maximum(self.radii, self.tip)
        is_round = max(self.power) <= 2.0
        radius = 0.5 * self.length + float(largest.max() if is_round else np.linalg.norm(largest))
        return self.centre + self.axes[:, 1] * (0.5 * self.length), radius

    @property
    def lean(self) -> float:
        """How far below the perpendicular's foot a round cone's nearest sphere lies, per unit away from the axis."""
        if not self.length:
            return 0.0
        # A flattened sphere is a sphere once the axis is stretched.
        stretch = self.radii[0] / self.radii[1]
        sine = float(np.clip((self.radii[0] - self.tip[0]) / (self.length * stretch), -0.9, 0.9))
        return sine / (1.0 - sine * sine) ** 0.5 / stretch


class Local(NamedTuple):
    """Places in blobs' own coordinates: h along the axis, u in radii around the axis point, level 1 on the surface."""

    h: Tensor
    u: Tensor
    level: Tensor


@dataclass(frozen=True)
class Blobs:
    """The numbers of some parts as columns: one a part, or one a (point, part) pair.

    Rows of `numbers`: 0-2 centre, 3-11 axes by columns, 12-14 radii, 15-17 what the tip adds to them, 18 length,
    19 lean, 20 flatness, 21-22 power, 23 blend, 24 side (-1 for a carving part, else 1).
    """

    numbers: Tensor

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> Self:
        rows = [
            (
                *(*p.centre, *p.axes.T.ravel(), *p.radii, *(p.tip - p.radii)),
                *(p.length, p.lean, p.radii[0] / p.radii[2], *p.power, max(p.blend, TINY), -1.0 if p.carve else 1.0),
            )
            for p in parts
        ]
        return cls(torch.tensor(np.array(rows).T, dtype=torch.float32))

    def take(self, index: Tensor) -> "Blobs":
        return Blobs(self.numbers.index_select(1, index))

    @cached_property
    def boxy(self) -> Tensor | slice | None:
        """The columns whose powers are not 2, which cost more to evaluate."""
        which = (self.numbers[21:23] > 2.001).any(0)
        if not which.any():
            return None
        return slice(None) if which.all() else which.nonzero()[:, 0]

    def into(self, v: Tensor) -> Tensor:
        """Turns world directions (3, n) into the blobs' frames."""
        a = self.numbers[3:12]
        return torch.stack([a[i] * v[0] + a[i + 1] * v[1] + a[i + 2] * v[2] for i in (0, 3, 6)])

    def out(self, v: Tensor) -> Tensor:
        """Turns directions (3, n) in the blobs' frames into the world."""
        a = self.numbers[3:12]
        return torch.stack([a[i] * v[0] + a[i + 3] * v[1] + a[i + 6] * v[2] for i in (0, 1, 2)])

    def radii(self, h: Tensor) -> Tensor:
        return self.numbers[12:15] + self.numbers[15:18] * h

    def local(self, points: Tensor) -> Local:
        """Reads points (3, n) in the blobs' own coordinates."""
        h, u = self._in_radii(points)
        return Local(h, u, self.level(u)[0])

    def _in_radii(self, points: Tensor) -> tuple[Tensor, Tensor]:
        length, lean, flat = self.numbers[18:21]
        q = self.into(points - self.numbers[:3])
        across = torch.sqrt(q[0] ** 2 + (flat * q[2]) ** 2)
        h = ((q[1] - across * lean) / length.clamp_min(TINY)).clamp(0.0, 1.0)
        q[1] -= length * h
        return h, q / self.radii(h)

    def level(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Level (n,) at places u (3, n), 1 on the surface, and its gradient (3, n) with respect to u."""
        level = u.square().sum(0).sqrt().clamp_min(TINY)
        slope = u / level
        if self.boxy is not None:
            m, n = self.numbers[21:23, self.boxy]
            here = u[:, self.boxy]
            a = here.abs().clamp_min(TINY)
            # around^m = |x|^m + |z|^m and level^n = around^n + |y|^n; the gradient needs no further powers.
            xm, zm, yn = a[0] ** m, a[2] ** m, a[1] ** n
            around_m = xm + zm
            around_n = around_m ** (n / m)
            level_n = around_n + yn
            level[self.boxy] = level_n ** (1.0 / n)
            outer = level[self.boxy] / level_n
            inner = outer * around_n / around_m
            slope[:, self.boxy] = torch.stack((inner * xm, outer * yn, inner * zm)) / a * here.sign()
        return level, slope

    def place(self, local: Local) -> Tensor:
        """Finds the points (3, n) of coordinates read on other parts of the same names; the level is kept."""
        q = local.u * (local.level / self.level(local.u)[0]) * self.radii(local.h)
        q[1] += self.numbers[18] * local.h
        return self.out(q) + self.numbers[:3]

    def distance(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Signed distance (n,) to the blobs and the direction (3, n), in their frames, in which it grows.

        (level - 1) / |gradient of the level| never exceeds the true distance outside, because the level is convex: a
        ray that steps by it cannot jump through the surface.
        """
        h, u = self._in_radii(points)
        level, slope = self.level(u)
        grow = slope / self.radii(h)
        size = grow.square().sum(0).sqrt().clamp_min(TINY)
        return (level - 1.0) / size, grow / size
