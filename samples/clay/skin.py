"""The skin that all bodies of a kind share: one mesh, posed on each of them, is the exact map between any two.

The mesh is made once, on the kind's middle body (the template). To pose it on another body, each of its points is
carried by the part coordinates of the parts it belongs to (`Blobs.local` on the template, `Blobs.place` on the body),
mixed where parts meet, and then settled on that body's own melted skin. A place on the skin is a face and a position in
it, the same on every body.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from clay.body import FAR, Body
from clay.mesh import skin_mesh

SOFT = 0.03


def pulls(body: Body, points: Tensor, soft: float, reaching: bool = True) -> Tensor:
    """Shares (m, n), summing to 1, in which points (3, n) on the skin belong to the parts, by unmelted distance.

    Args:
        body: The body.
        points: On its skin.
        soft: Difference in distance over which a share falls by e.
        reaching: Whether small parts pull on the skin beyond their own.
    """
    reach = torch.tensor([part.reach * reaching for part in body.parts])
    apart = points.new_full((len(body.parts), points.shape[1]), FAR)
    asked = body.near(points, float(reach.max()) + 4.0 * soft)
    here = points[:, asked.point]
    local = asked.blobs.local(here)
    # The distance is a lower bound, a poor one beside flat parts; the level tells that a place is not on them.
    beside = 0.35 * asked.blobs.radii(local.h).mean(0) * (local.level - 1.0).abs()
    gap = torch.maximum(asked.blobs.distance(here)[0].abs(), beside)
    # A surface that others cover or cut away pulls on nothing, unless it is meant to reach out.
    gone = (body.owners(points, asked) < 1e-3) & (reach[asked.part] == 0.0)
    apart[asked.part, asked.point] = torch.where(gone, FAR, gap)
    return torch.softmax((reach[:, None] - apart) / soft, 0)


def carry(source: Body, target: Body, points: Tensor, shares: Tensor) -> Tensor:
    """Carries points (3, n) from one body's space to another's by their part coordinates, mixed by shares (m, n)."""
    part, point = (shares > 1e-3).nonzero().unbind(1)
    share = shares[part, point]
    moved = target.blobs.take(part).place(source.blobs.take(part).local(points[:, point])) * share
    total = torch.zeros_like(points).index_add_(1, point, moved)
    return total / torch.zeros_like(points[0]).index_add_(0, point, share)


@dataclass(frozen=True)
class Skin:
    """A kind's mesh on its template body: points (3, v), faces (f, 3) about `step` wide, shares (m, v) of the parts."""

    body: Body
    step: float
    points: Tensor
    faces: Tensor
    shares: Tensor

    @cached_property
    def fans(self) -> np.ndarray:
        """For every point the faces around it, (v, k), the last repeated."""
        corner = self.faces.numpy().reshape(-1)
        order = np.argsort(corner, kind="stable")
        count = np.bincount(corner, minlength=self.points.shape[1])
        first = np.cumsum(count) - count
        slot = np.minimum(np.arange(count.max()), np.maximum(count - 1, 0)[:, None])
        return (order // 3)[np.minimum(first[:, None] + slot, len(order) - 1)]


def make_skin(template: Body, step: float) -> Skin:
    """Meshes the template with triangles of about `step`."""
    points, faces = skin_mesh(template, step)
    return Skin(template, step, points, faces, pulls(template, points, SOFT))


@dataclass(frozen=True)
class Figure:
    """A body with the skin of its kind posed on it: points (3, v)."""

    body: Body
    skin: Skin
    points: Tensor

    @cached_property
    def tree(self) -> cKDTree:
        return cKDTree(self.points.T.numpy())

    @cached_property
    def corners(self) -> Tensor:
        """(f, 3 corners, 3 coordinates)."""
        return self.points.T[self.skin.faces]

    @cached_property
    def normals(self) -> Tensor:
        """(f, 3), of the faces; unit where a face has an area."""
        a, b, c = self.corners.unbind(1)
        return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)

    def locate(self, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finds faces (n,), weights of their corners (n, 3) and the gap (n,) for points (3, n) on the skin."""
        found = [self._locate(p, n) for p, n in zip(points.split(8192, 1), normals.split(8192, 1), strict=True)]
        face, weights, gap = (torch.cat(parts) for parts in zip(*found, strict=True))
        return face, weights, gap

    def _locate(self, points: Tensor, normals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, close = self.tree.query(points.T.numpy(), k=2)
        fans = torch.tensor(self.skin.fans[close].reshape(len(close), -1))
        a, b, c = self.corners[fans].unbind(2)
        ab, ac, ap = b - a, c - a, points.T[:, None] - a
        bb, cc, bc = (ab * ab).sum(-1), (ac * ac).sum(-1), (ab * ac).sum(-1)
        pb, pc = (ap * ab).sum(-1), (ap * ac).sum(-1)
        area = (bb * cc - bc * bc).clamp_min(1e-16)
        v, w = (cc * pb - bc * pc) / area, (bb * pc - bc * pb) / area
        weights = torch.stack((1.0 - v - w, v, w), -1).clamp_min(0.0)
        weights = weights / weights.sum(-1, keepdim=True)
        gap = (weights[..., 1:2] * ab + weights[..., 2:] * ac - ap).square().sum(-1).sqrt()
        # A face that looks the other way lies on the far side of something thin, or in a fold of the skin.
        gap = gap + 0.1 * ((self.normals[fans] * normals.T[:, None]).sum(-1) < 0.2)
        best = gap.argmin(1)
        row = torch.arange(len(best))
        return fans[row, best], weights[row, best], gap[row, best]


def pose(skin: Skin, body: Body) -> Figure:
    """Poses the skin of its kind on a body."""
    chunks = zip(skin.points.split(32768, 1), skin.shares.split(32768, 1), strict=True)
    moved = [body.settle(carry(skin.body, body, points, shares), rounds=6)[0] for points, shares in chunks]
    return Figure(body, skin, torch.cat(moved, 1))
