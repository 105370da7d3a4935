"""Solid noise from periodic lattices drawn once: smooth noise, its sums, and round cells."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn.functional import grid_sample

SIDE = 32
FINE = 4


@dataclass(frozen=True)
class Lattices:
    """Volumes (1, c, n, n, n), one voxel more than a period a side.

    Attributes:
        smooth: One channel of independent values in [-1, 1].
        cells: Distance to the nearest of scattered seeds, and to the second nearest, in lattice steps.
    """

    smooth: Tensor
    cells: Tensor


@lru_cache(maxsize=1)
def lattices() -> Lattices:
    """Draws the volumes; the same in every process."""
    rng = np.random.default_rng(20240611)
    values = rng.uniform(-1.0, 1.0, (SIDE, SIDE, SIDE))
    count = SIDE // 2
    steps = np.stack(np.meshgrid(*[np.arange(count)] * 3, indexing="ij"), -1).reshape(-1, 3)
    seeds = steps + rng.uniform(0.12, 0.88, steps.shape)
    places = np.stack(np.meshgrid(*[np.arange(count * FINE) / FINE] * 3, indexing="ij"), -1)
    apart, _ = cKDTree(seeds, boxsize=count).query(places, k=2)
    cells = np.moveaxis(apart, -1, 0)
    return Lattices(_wrapped(values[None]), _wrapped(cells))


def _wrapped(volume: np.ndarray) -> Tensor:
    return torch.tensor(np.pad(volume, ((0, 0), (0, 1), (0, 1), (0, 1)), mode="wrap"), dtype=torch.float32)[None]


def _read(volume: Tensor, steps: Tensor) -> Tensor:
    side = volume.shape[-1] - 1
    at = steps.remainder(side) * (2.0 / side) - 1.0
    return grid_sample(volume, at.flip(0).T[None, None, None], align_corners=True)[0, :, 0, 0]


def smooth(points: Tensor) -> Tensor:
    """Noise (n,) in about [-1, 1] that varies over one unit of points (3, n)."""
    whole = points.floor()
    part = points - whole
    return _read(lattices().smooth, whole + part * part * (3.0 - 2.0 * part))[0]


def rough(points: Tensor, octaves: int = 3) -> Tensor:
    """Sum of noises (n,), each twice as fine and half as strong as the last."""
    total = torch.zeros_like(points[0])
    for i in range(octaves):
        total = total + smooth(points * 2.03**i + 7.3 * i) * 0.5**i
    return total * 0.75


def cells(points: Tensor) -> Tensor:
    """Distances (2, n) to the nearest and second nearest of seeds scattered one a unit cube."""
    return _read(lattices().cells, points * FINE)


def stairs(low: float, high: float, value: Tensor) -> Tensor:
    """Rises smoothly from 0 at `low` to 1 at `high`, or falls where `low` is the larger."""
    t = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
