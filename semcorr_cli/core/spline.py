"""Thin-plate splines: fit with smoothing and weights, evaluate on a lattice.

The spline f(x) = a₀ + a₁x + a₂y + Σ cₖ U(|x − centreₖ|), U(r) = r² log r, minimises

    Σ wᵢ |f(xᵢ) − vᵢ|² + λ · Σw · J(f)      (J: bending energy, up to the factor 8π)

(Duchon 1977; Bookstein 1989; Wahba 1990). With `centres` left out every data point is a centre and the minimiser is
exact: [[K + λ·Σw·diag(1/w), P], [Pᵀ, 0]]. With fewer centres than data it is the regression spline of Wood (2003),
the cheap way to fit thousands of matches. Both are solved in float64, in coordinates centred on the data's frame and
divided by half its longer side, so that λ means the same for every picture size.

kornia's `get_tps_transform` is not used: it builds K from distances between the two point sets and is a thin-plate
spline only at the control points. Its evaluator, `warp_points_tps`, is right when given true weights, but takes three
times as long as a product of matrices.
"""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw

EVALUATION_CHUNK = 4096
"""Points evaluated at once: bounds the kernel matrix to a few tens of megabytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Normalised coordinates: a point (0, 0) and a length that is called 1.

    Attributes:
        origin: the point.
        scale: the length.
    """

    origin: Float[Tensor, "2"]
    scale: float

    @classmethod
    def of_picture(cls, hw: Hw) -> "Frame":
        """Returns the frame of a picture: its middle, and half its longer side."""
        return cls(coords.wh(hw, torch.zeros(0, dtype=torch.float64)) / 2, max(hw) / 2)

    @classmethod
    def of_points(cls, points: Float[Tensor, "n 2"]) -> "Frame":
        """Returns the frame of the points' own bounding box."""
        if points.shape[0] == 0:
            return cls(torch.zeros(2, dtype=torch.float64), 1.0)
        low, high = points.double().aminmax(dim=0)
        return cls((low + high) / 2, max(float((high - low).max()) / 2, 1e-12))

    def apply(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Returns points in normalised coordinates, float64."""
        return (points.double() - self.origin) / self.scale


@dataclass(frozen=True, slots=True, eq=False)
class ThinPlateSpline:
    """A fitted spline from the plane to d values.

    Attributes:
        centres: kernel centres, in normalised coordinates.
        kernel: kernel weights; each column sums to zero against 1, x and y.
        affine: constant, x and y coefficients.
        origin: the point that normalised coordinates put at (0, 0).
        scale: the length that normalised coordinates call 1, in the units of the points.
    """

    centres: Float[Tensor, "m 2"]
    kernel: Float[Tensor, "m d"]
    affine: Float[Tensor, "3 d"]
    origin: Float[Tensor, "2"]
    scale: float

    def __call__(self, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n d"]:
        """Evaluates the spline in chunks, in the precision of the points; float32 is good to 0.001 pixel."""
        normalised = ((points.double() - self.origin) / self.scale).to(points.dtype)
        centres, kernel, affine = (part.to(points.dtype) for part in (self.centres, self.kernel, self.affine))
        # One row a centre: a product with few rows is thrice as fast as one with few columns.
        across = kernel.T.contiguous()
        parts = [across @ kernel_matrix(centres, chunk) for chunk in normalised.split(EVALUATION_CHUNK)]
        bent = torch.cat(parts, dim=1).T if parts else normalised.new_zeros(0, self.kernel.shape[1])
        return torch.addmm(affine[0], normalised, affine[1:]).add_(bent)

    def on_grid(self, x: Float[Tensor, " c"], y: Float[Tensor, " r"]) -> Float[Tensor, "r c d"]:
        """Evaluates the spline where rows and columns cross, which is less work than at as many points anywhere."""
        across, down = (
            ((places.double() - self.origin[k]) / self.scale).to(places.dtype) for k, places in enumerate((x, y))
        )
        centres, kernel, affine = (part.to(x.dtype) for part in (self.centres, self.kernel, self.affine))
        columns = (centres[:, 0, None] - across).square_()
        rows = (centres[:, 1, None] - down).square_()
        tiny, half = torch.finfo(columns.dtype).tiny, kernel.T.contiguous() * 0.5
        parts = []
        for part in rows.split(max(1, EVALUATION_CHUNK // len(x)), dim=1):
            squared = (part[:, :, None] + columns[:, None]).clamp_min_(tiny).flatten(1)
            parts.append(half @ squared.log().mul_(squared))
        flat = torch.addmm(affine[0], across[:, None], affine[1:2]) + (down[:, None] * affine[2])[:, None]
        return torch.cat(parts, dim=1).T.reshape(flat.shape).add_(flat)


def fit(
    points: Float[Tensor, "n 2"],
    values: Float[Tensor, "n d"],
    *,
    smoothing: float,
    weights: Float[Tensor, " n"] | None = None,
    frame_hw: Hw | None = None,
    centres: Float[Tensor, "m 2"] | None = None,
) -> ThinPlateSpline:
    """Fits a thin-plate spline.

    Args:
        points: where values are known; three or more that are not on one line.
        values: what the spline should be there; d columns are fitted at once.
        smoothing: λ in normalised coordinates; 0 interpolates (exact form only).
        weights: trust in each row, > 0; None for equal trust.
        frame_hw: the picture the points lie in, which sets the normalisation; None for the points' own extent.
        centres: kernel centres of a regression spline; None for one centre a point.

    Raises:
        ValueError: fewer than three points, points on one line, or a system that cannot be solved.
    """
    frame = Frame.of_points(points) if frame_hw is None else Frame.of_picture(frame_hw)
    x = frame.apply(points)
    if x.shape[0] < 3 or line_thickness(x) < 1e-9:
        raise ValueError("a thin-plate spline needs three points that are not on one line")
    w = torch.ones_like(x[:, 0]) if weights is None else weights.to(x)
    v = values.to(x)
    if centres is None:
        kernel, affine = _solve_exact(x, v, w, smoothing)
        knots = x
    else:
        knots = frame.apply(centres)
        kernel, affine = Regression.prepare(x, knots).solve(v, w, smoothing)
    if not bool(torch.isfinite(kernel).all() and torch.isfinite(affine).all()):
        raise ValueError("the thin-plate system has no finite solution")
    return ThinPlateSpline(knots, kernel, affine, frame.origin, frame.scale)


def line_thickness(points: Float[Tensor, "n 2"]) -> float:
    """Returns the spread of points across their best line (root mean square), in their own units."""
    if points.shape[0] == 0:
        return 0.0
    centred = (points - points.mean(dim=0)).double()
    return float(torch.linalg.svdvals(centred)[-1] / math.sqrt(points.shape[0])) if points.shape[0] > 1 else 0.0


def kernel_matrix(x: Float[Tensor, "n 2"], centres: Float[Tensor, "m 2"]) -> Float[Tensor, "n m"]:
    """Returns U(|xᵢ − centreₖ|) = r² log r, 0 at r = 0."""
    # Differences first: |x|² − 2x·c + |c|² cancels in float32.
    across, down = centres.T.contiguous().unbind()
    squared = (x[:, 0, None] - across).square_().add_((x[:, 1, None] - down).square_())
    return squared.clamp_min(torch.finfo(squared.dtype).tiny).log_().mul_(squared).mul_(0.5)


def lattice_knots(frame_hw: Hw, longer: int, *, device: torch.device | None = None) -> Float[Tensor, "m 2"]:
    """Returns centres for a regression spline: a regular lattice over a picture, `longer` along its longer side."""
    h, w = frame_hw
    counts = tuple(max(2, round(longer * side / max(h, w))) for side in (h, w))
    return coords.cell_centres((counts[0], counts[1]), frame_hw, device=device).double()


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The parts of a regression spline's normal equations that do not change with the weights.

    Attributes:
        design: kernel columns projected on the null space of Pᵀ, then 1, x, y.
        penalty: bending energy as a quadratic form in the design's coefficients.
        null_space: basis that turns projected coefficients into kernel weights.
    """

    design: Float[Tensor, "n p"]
    penalty: Float[Tensor, "p p"]
    null_space: Float[Tensor, "m q"]

    @classmethod
    def prepare(cls, x: Float[Tensor, "n 2"], knots: Float[Tensor, "m 2"]) -> "Regression":
        """Builds the design for data positions and knots, both normalised."""
        polynomial = _polynomial(knots)
        full, _ = torch.linalg.qr(polynomial, mode="complete")
        null_space = full[:, 3:]
        design = torch.cat([kernel_matrix(x, knots) @ null_space, _polynomial(x)], dim=1)
        bending = null_space.T @ kernel_matrix(knots, knots) @ null_space
        penalty = torch.zeros(design.shape[1], design.shape[1], dtype=x.dtype, device=x.device)
        penalty[: bending.shape[0], : bending.shape[0]] = bending
        return cls(design, penalty, null_space)

    def solve(
        self, values: Float[Tensor, "n d"], weights: Float[Tensor, " n"], smoothing: float
    ) -> tuple[Float[Tensor, "m d"], Float[Tensor, "3 d"]]:
        """Returns kernel and affine weights of the minimiser."""
        coefficients = self.coefficients(values, weights, smoothing)
        return self.null_space @ coefficients[:-3], coefficients[-3:]

    def coefficients(
        self, values: Float[Tensor, "n d"], weights: Float[Tensor, " n"], smoothing: float
    ) -> Float[Tensor, "p d"]:
        """Solves the normal equations; see `fitted`.

        Raises:
            ValueError: the weighted points do not determine the spline.
        """
        share = weights / weights.sum().clamp_min(1e-30)
        weighted = self.design * share[:, None]
        system = self.design.T @ weighted + smoothing * self.penalty
        # A whisper of ridge: knots far from all data have no say but in the penalty, which rounding can turn negative.
        system.diagonal().add_(1e-10 * system.diagonal().abs().mean())
        solution: Tensor
        solution, info = torch.linalg.solve_ex(system, (values.T @ weighted).T)
        if int(info) != 0 or not bool(torch.isfinite(solution).all()):
            raise ValueError("the thin-plate system cannot be solved")
        return solution

    def at(self, rows: Int[Tensor, " k"]) -> "Regression":
        """Returns the equations of some of the data."""
        return replace(self, design=self.design[rows])

    def fitted(self, coefficients: Float[Tensor, "p d"]) -> Float[Tensor, "d n"]:
        """Returns the spline's values at the data, a row for each of the d."""
        return coefficients.T.contiguous() @ self.design.T


def _polynomial(x: Float[Tensor, "n 2"]) -> Float[Tensor, "n 3"]:
    return torch.cat([torch.ones_like(x[:, :1]), x], dim=1)


def _solve_exact(
    x: Float[Tensor, "n 2"], values: Float[Tensor, "n d"], weights: Float[Tensor, " n"], smoothing: float
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "3 d"]]:
    n = x.shape[0]
    polynomial = _polynomial(x)
    system = torch.zeros(n + 3, n + 3, dtype=x.dtype, device=x.device)
    system[:n, :n] = kernel_matrix(x, x) + torch.diag(smoothing * weights.sum() / weights)
    system[:n, n:] = polynomial
    system[n:, :n] = polynomial.T
    right = torch.cat([values, values.new_zeros(3, values.shape[1])])
    solution, info = torch.linalg.solve_ex(system, right)
    if int(info) != 0:
        raise ValueError("the thin-plate system is singular: two points coincide")
    return solution[:n], solution[n:]


def affine_spline(coefficients: Float[Tensor, "3 d"]) -> ThinPlateSpline:
    """Returns a spline that does not bend: constant + x row · x + y row · y, in pixels."""
    c = coefficients.double()
    return ThinPlateSpline(c.new_zeros(1, 2), c.new_zeros(1, c.shape[1]), c, c.new_zeros(2), 1.0)
