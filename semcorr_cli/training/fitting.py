"""Robust smooth fits of noisy matches, many at once: an affine map plus a low-rank thin-plate spline."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How matches are fitted and judged.

    Attributes:
        control: control points along a side.
        bend: weight of the bending energy.
        hold: weight that holds the affine part at the identity, as a share of the matches.
        rounds: reweighted fits; the first three are affine.
        scales: first and last scale of the Geman-McClure weights, in pictures.
        inlier: largest distance of an inlier, in pictures.
        cycle: spread of the weight of a match by its cycle error, in cells.
        good: inlier rate of a good fit.
        fair: inlier rate of a fair fit.
        support: smallest share of the cells that are inliers of a good fit.
    """

    control: int = 5
    bend: float = 0.25
    hold: float = 0.005
    rounds: int = 10
    scales: tuple[float, float] = (0.25, 0.06)
    inlier: float = 0.07
    cycle: float = 1.5
    good: float = 0.55
    fair: float = 0.35
    support: float = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Fits of p pairs.

    Attributes:
        coefficients: (p, k, 2) on the spline's basis.
        weight: (p, n) weight of every source cell's match, 0 for outliers.
        rate: (p,) share of inliers among the weights.
        good: (p,) whether to believe it.
    """

    coefficients: Tensor
    weight: Tensor
    rate: Tensor
    good: Tensor


class Spline:
    """Thin-plate spline (Bookstein 1989) of few control points, on a lattice just larger than the unit square."""

    def __init__(self, control: int) -> None:
        t = torch.linspace(-0.05, 1.05, control, dtype=torch.float64)
        y, x = torch.meshgrid(t, t, indexing="ij")
        self.points = torch.stack([x, y], -1).view(-1, 2)
        ones = torch.ones(len(self.points), 1, dtype=torch.float64)
        # Kernels combined so that no combination has an affine part: the bending energy is then a plain quadratic form.
        q, _ = torch.linalg.qr(torch.cat([ones, self.points], 1), mode="complete")
        self.null = q[:, 3:]
        self.energy = torch.zeros(len(self.points), len(self.points), dtype=torch.float64)
        self.energy[3:, 3:] = self.null.T @ self._kernel(self.points) @ self.null

    def _kernel(self, xy: Tensor) -> Tensor:
        d2 = torch.cdist(xy, self.points).square()
        return d2 * d2.clamp(min=1e-12).log() * 0.5

    def basis(self, xy: Tensor) -> Tensor:
        """Returns the basis (…, k) at positions (…, 2): 1, x, y, then the bending modes."""
        xy = xy.double()
        return torch.cat([torch.ones_like(xy[..., :1]), xy, self._kernel(xy) @ self.null], -1)


def fit(spline: Spline, source: Tensor, target: Tensor, weight: Tensor, o: FitOptions) -> Fit:
    """Fits target positions (p, n, 2) of source positions (p, n, 2) by annealed Geman-McClure reweighting.

    Iteratively reweighted least squares with a shrinking scale is graduated non-convexity (Black & Rangarajan 1996).
    """
    basis, y, w = spline.basis(source), target.double(), weight.double()
    p, k = len(y), basis.shape[-1]
    identity = torch.zeros(k, 2, dtype=torch.float64)
    identity[1, 0] = identity[2, 1] = 1.0
    hold = o.hold * w.sum(1).clamp(min=1.0).view(-1, 1, 1)
    affine = torch.diag((torch.arange(k) < 3).double())
    c = identity.expand(p, k, 2)
    for i in range(o.rounds):
        scale = o.scales[0] * (o.scales[1] / o.scales[0]) ** (i / (o.rounds - 1))
        g = w * (scale**2 / (scale**2 + (basis @ c - y).square().sum(-1))).square()
        m = k if i >= 3 else 3
        weighted = (basis[..., :m] * g[..., None]).transpose(1, 2)
        ridge = o.bend * spline.energy[:m, :m] + 1e-6 * torch.eye(m, dtype=torch.float64)
        a = weighted @ basis[..., :m] + ridge + hold * affine[:m, :m]
        c = torch.zeros(p, k, 2, dtype=torch.float64)
        c[:, :m] = torch.linalg.solve(a, weighted @ y + hold * (affine[:m, :m] @ identity[:m]))
    near = (basis @ c - y).norm(dim=-1) < o.inlier
    inliers = weight * near
    rate = inliers.sum(1) / weight.sum(1).clamp(min=1e-3)
    area = c[:, 1, 0] * c[:, 2, 1] - c[:, 1, 1] * c[:, 2, 0]
    return Fit(c, inliers, rate, (rate > o.good) & (area > 0.25) & (area < 4))


def match(
    source: Tensor, target: Tensor, inside_s: Tensor, inside_t: Tensor, at: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """Finds nearest neighbours both ways.

    Args:
        source: (p, n, c) descriptors.
        target: (p, n, c) descriptors.
        inside_s: (p, n) cells of the source that count.
        inside_t: (p, n) cells of the target that count.
        at: (p, n, 2) positions of the target's cells.
        width: cells in a row of the source.

    Returns:
        Position of every source cell's neighbour (p, n, 2), and its cycle error (p, n) in cells.
    """
    s = torch.bmm(source, target.transpose(1, 2))
    s = s.masked_fill(~inside_t[:, None], -2.0).masked_fill(~inside_s[:, :, None], -2.0)
    there = s.argmax(2)
    back = s.argmax(1).gather(1, there)
    here = torch.arange(s.shape[1])
    error = torch.hypot((back % width - here % width).float(), (back // width - here // width).float())
    return at.gather(1, there[..., None].expand(-1, -1, 2)), error
