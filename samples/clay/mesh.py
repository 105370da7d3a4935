"""A closed triangle mesh of a body's skin, by naive surface nets on a grid refined near the skin."""

import numpy as np
import torch
from torch import Tensor

from clay.body import Body

BLOCK = 4


def skin_mesh(body: Body, step: float) -> tuple[Tensor, Tensor]:
    """Meshes the skin with cells of about `step`: points (3, v) on it and faces (f, 3), wound to face outwards."""
    values, low = _grid(body, step)
    inside = values < 0.0
    corner = [inside[x : x - 1 or None, y : y - 1 or None, z : z - 1 or None] for x, y, z in np.ndindex(2, 2, 2)]
    count = np.sum(corner, axis=0)
    crossed = (count > 0) & (count < 8)
    number = np.full(crossed.shape, -1)
    number[crossed] = np.arange(crossed.sum())
    cells = np.argwhere(crossed)

    total, hits = np.zeros(cells.shape), np.zeros(len(cells))
    for a in np.ndindex(2, 2, 2):
        for axis in range(3):
            if a[axis]:
                continue
            b = tuple(v + (i == axis) for i, v in enumerate(a))
            va, vb = (values[tuple((cells + end).T)] for end in (a, b))
            cut = (va < 0.0) != (vb < 0.0)
            place = np.zeros(cells.shape) + a
            place[:, axis] += np.where(cut, va / np.where(cut, va - vb, 1.0), 0.0)
            total += place * cut[:, None]
            hits += cut
    crossings = low + step * (cells + total / hits[:, None])
    points, _ = body.settle(torch.tensor(crossings.T, dtype=torch.float32), rounds=5)
    return points, torch.tensor(_faces(inside, number))


def _faces(inside: np.ndarray, number: np.ndarray) -> np.ndarray:
    faces = []
    for axis in range(3):
        ahead = np.roll(inside, -1, axis)
        cut = inside != ahead
        cut[tuple(slice(-1, None) if i == axis else slice(None) for i in range(3))] = False
        edges = np.argwhere(cut)
        one, two = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
        around = [number[tuple((edges - s).T)] for s in (one + two, two, 0 * one, one)]
        quad = np.stack(around, 1)
        outwards = inside[tuple(edges.T)]
        quad[~outwards] = quad[~outwards][:, ::-1]
        faces += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    return np.concatenate(faces)


def _grid(body: Body, step: float) -> tuple[np.ndarray, np.ndarray]:
    """Field values on a lattice: exact near the skin, those of the block's centre elsewhere."""
    centres, radii = (t.numpy() for t in body.balls)
    # The pad keeps the skin away from the border, where cells have no neighbours.
    low = (centres - radii[:, None]).min(0) - 2.0 * step
    high = (centres + radii[:, None]).max(0) + 2.0 * step
    blocks = np.ceil((high - low) / (BLOCK * step)).astype(int) + 1
    middle = (np.indices(blocks).reshape(3, -1) + 0.5) * (BLOCK * step) + low[:, None]
    coarse = _values(body, middle, 2.0 * BLOCK * step).reshape(blocks)
    values = coarse.repeat(BLOCK, 0).repeat(BLOCK, 1).repeat(BLOCK, 2)
    close = (np.abs(coarse) < 1.2 * BLOCK * step).repeat(BLOCK, 0).repeat(BLOCK, 1).repeat(BLOCK, 2)
    nodes = np.argwhere(close)
    values[close] = _values(body, low[:, None] + step * nodes.T, 0.0)
    return values, low


def _values(body: Body, points: np.ndarray, slack: float) -> np.ndarray:
    chunks = torch.tensor(points, dtype=torch.float32).split(65536, 1)
    return torch.cat([body.field(p, body.near(p, slack)) for p in chunks]).numpy()
