"""Matches become a smooth warp: a thin-plate regression spline fitted robustly, from several starts.

The fit minimises the Geman-McClure cost Σ wᵢ rᵢ²/(σ² + rᵢ²) by iteratively reweighted least squares while σ and the
spline's smoothing are annealed from coarse to fine (Geman & McClure 1987; graduated non-convexity, Blake & Zisserman
1987). One start trusts all matches; others come from affine RANSAC (Fischler & Bolles 1981; Tran et al., "In Defence of
RANSAC for Outlier Rejection in Deformable Registration", 2012). The one with the lowest cost half-way wins.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from semcorr_cli.core import coords, spline
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.procrustes import fit_similarity
from semcorr_cli.core.spline import ThinPlateSpline

MIN_SCORE = 0.05
"""Matches scored below this have no say in a fit."""

MIN_SPREAD = 0.01
"""Thickness of the matched points across their best line, as a share of the picture, that a spline needs."""


MIRRORED_ROWS = 8
"""Outliers from which it is asked whether a mirrored map explains them."""


@dataclass(frozen=True, slots=True)
class SmoothOptions:
    """How a smooth map is fitted. Lengths are shares of the source picture's longer side.

    Attributes:
        knots: spline centres along the target's longer side.
        steps: rounds of reweighting.
        scale_start: residual at which a match loses three quarters of its weight, in the first round.
        scale_end: the same in the last round.
        smoothing_start: λ in the first round.
        smoothing_end: λ in the last round.
        hypotheses: affine starts drawn; the best few are refined.
        refined: affine starts refined to splines.
        rows: matches that are fitted at most, drawn evenly from all; neighbours say much the same.
        judges: of these, matches at most by which affine starts are chosen, and annealed half of the way.
    """

    knots: int = 9
    steps: int = 8
    scale_start: float = 0.15
    scale_end: float = 0.04
    smoothing_start: float = 1e-1
    smoothing_end: float = 1e-3
    hypotheses: int = 400
    refined: int = 2
    rows: int = 1000
    judges: int = 400


@dataclass(frozen=True, slots=True, eq=False)
class SmoothFit:
    """A smooth map from target to source and how well the matches agree with it.

    Attributes:
        matches: what it was fitted to.
        options: how.
        field: the map, in pixels.
        trust: Geman-McClure weight 1 − r²/(σ² + r²) of every match, by its residual r.
        cost: weighted mean of 1 − trust; lower is better, 1 when there are no matches.
    """

    matches: Matches
    options: SmoothOptions
    field: ThinPlateSpline
    trust: Float[Tensor, " n"]
    cost: float
    _end: "_End | None"

    @property
    def bends(self) -> bool:
        """The map is a spline; otherwise a similarity, because the matches did not allow more."""
        return self._end is not None

    def resized(self, source_hw: Hw, target_hw: Hw) -> "SmoothFit":
        """Returns the same fit for the pictures at other sizes."""
        matches = self.matches.resized(source_hw, target_hw)
        if self._end is not None:
            problem = _Problem.of(_used(matches, self.options), self.options)
            field = problem.field(self._end.factor, self.options.smoothing_end)
            if field is not None:
                return _fit(matches, self.options, field, replace(self._end, problem=problem))
        return _fit(matches, self.options, similarity(_used(matches, self.options)), None)

    def stiffer(self, smoothing: float) -> ThinPlateSpline | None:
        """Returns the map for the same weights and another λ; None when its system has no solution."""
        return None if self._end is None else self._end.problem.field(self._end.factor, smoothing)


def fit(matches: Matches, options: SmoothOptions, generator: torch.Generator) -> SmoothFit:
    """Fits the map from target to source.

    Whatever the matches are, a map comes back: with fewer than three usable matches, or matches on one line, a
    similarity; with one a translation; with none the mere resizing of one picture to the other.

    Args:
        matches: any number, any share of outliers; scores are weights.
        options: scales and smoothing.
        generator: draws the affine starts.
    """
    used = _used(matches, options)
    spread = spline.line_thickness(used.target) / max(matches.target_hw)
    best: _End | None = None
    field: ThinPlateSpline | None = None
    if len(used) >= 3 and spread >= MIN_SPREAD:
        problem = _Problem.of(used, options)
        starts: list[Float[Tensor, "n 2"] | None] = [None]
        starts += affine_starts(problem.x, problem.y, problem.weight, options, generator)
        best = problem.annealed(starts)
        field = None if best is None else problem.field(best.factor, options.smoothing_end)
    return _fit(matches, options, similarity(used), None) if field is None else _fit(matches, options, field, best)


def _fit(matches: Matches, options: SmoothOptions, field: ThinPlateSpline, end: "_End | None") -> SmoothFit:
    """Judges matches by a map."""
    missed = (field(matches.target) - matches.source) / max(matches.source_hw)
    trust = 1 - geman_mcclure(missed.square().sum(dim=-1), options.scale_end)
    total = float(matches.score.sum())
    cost = 1 - float((trust * matches.score).sum()) / total if total > 0 else 1.0
    return SmoothFit(matches, options, field, trust, cost, end)


def _used(matches: Matches, options: SmoothOptions) -> Matches:
    """Returns the matches that have a say, or `options.rows` of them."""
    used = matches[matches.score >= MIN_SCORE]
    return used[_evenly(len(used), options.rows)]


def _evenly(count: int, most: int) -> Tensor:
    """Returns the numbers of every so manieth of so many rows, `most` at most."""
    return torch.arange(count) if count <= most else (torch.arange(most) * count) // most


def similarity(matches: Matches) -> ThinPlateSpline:
    """Returns the best similarity, by score, after resizing the target to the source; see `core.procrustes`."""
    resized = coords.resize_points(matches.target.double(), matches.target_hw, matches.source_hw)
    coefficients = fit_similarity(resized, matches.source.double(), matches.score.double())
    ratio = coords.resize_points(torch.ones(2, dtype=torch.float64), matches.target_hw, matches.source_hw)
    coefficients[1:] *= ratio[:, None]
    return spline.affine_spline(coefficients)


def translation(matches: Matches) -> ThinPlateSpline:
    """Returns the best translation, by score, after resizing the target to the source."""
    share = (matches.score / matches.score.sum())[:, None]
    middle = replace(
        matches,
        source=(share * matches.source).sum(dim=0, keepdim=True),
        target=(share * matches.target).sum(dim=0, keepdim=True),
        score=matches.score.new_ones(1),
    )
    return similarity(middle)


def geman_mcclure(squared: Float[Tensor, "..."], scale: float) -> Float[Tensor, "..."]:
    """Returns the cost r²/(σ² + r²) in [0, 1) of residuals whose squares are given."""
    return squared / (scale**2 + squared)


def mirrored_share(fit: SmoothFit, generator: torch.Generator) -> float:
    """Returns the share of the matches' weight that one mirrored affine map explains and a fit does not.

    Parts that were taken for their counterparts on the other side cross over: they are outliers of the fit, but agree
    among themselves.
    """
    matches, o = fit.matches, fit.options
    left = matches.score * (1 - fit.trust)
    used = left >= MIN_SCORE
    if int(used.sum()) < MIRRORED_ROWS:
        return 0.0
    x = matches.target[used].double() / max(matches.target_hw) * torch.tensor([-1.0, 1.0], dtype=torch.float64)
    y = matches.source[used].double() / max(matches.source_hw)
    weight = left[used].double()
    starts = affine_starts(x, y, weight, replace(o, refined=1), generator)
    if not starts:
        return 0.0
    agreed = 1 - geman_mcclure((starts[0] - y).square().sum(dim=-1), o.scale_end)
    return float((agreed * weight).sum() / matches.score.double().sum())


def affine_starts(
    x: Float[Tensor, "n 2"],
    y: Float[Tensor, "n 2"],
    weight: Float[Tensor, " n"],
    options: SmoothOptions,
    generator: torch.Generator,
) -> list[Float[Tensor, "n 2"]]:
    """Returns predictions at x of the best affine maps through three random matches each, best first.

    Maps that shrink or blow up more than eightfold, turn the picture over or shear it more than 4:1 are not considered.
    """
    draws = torch.rand(options.hypotheses, 3, generator=generator, dtype=weight.dtype) * weight.sum()
    picks = torch.searchsorted(weight.cumsum(dim=0), draws).clamp_max(len(weight) - 1)
    corners = torch.cat([x[picks], torch.ones(*picks.shape, 1, dtype=x.dtype)], dim=-1)
    solution, info = torch.linalg.solve_ex(corners, y[picks])
    linear = torch.nan_to_num(solution[:, :2])
    stretch = torch.linalg.svdvals(linear)
    sound = (
        (info == 0)
        & (torch.linalg.det(linear) > 0)
        & (stretch[:, 0] < 8)
        & (stretch[:, 1] > 1 / 8)
        & (stretch[:, 0] < 4 * stretch[:, 1])
    )
    solution = solution[sound]
    homogeneous = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
    judges = _evenly(len(x), options.judges)
    # Coordinate by coordinate: torch is slow along a dimension of two.
    across, down = (solution.permute(2, 0, 1) @ homogeneous[judges].T).sub_(y[judges].T[:, None]).square_()
    cost = geman_mcclure(across.add_(down), options.scale_start / 2) @ weight[judges]
    best = torch.argsort(cost, stable=True)[: options.refined]
    return [homogeneous @ solution[k] for k in best.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """Where an annealing ended: the reweighting factors."""

    problem: "_Problem"
    factor: Float[Tensor, " n"]


@dataclass(frozen=True, slots=True, eq=False)
class _Problem:
    """The matches in normalised coordinates, with everything that all starts share."""

    x: Float[Tensor, "n 2"]
    y: Float[Tensor, "n 2"]
    weight: Float[Tensor, " n"]
    design: spline.Regression
    knots: Float[Tensor, "m 2"]
    matches: Matches
    options: SmoothOptions

    @classmethod
    def of(cls, matches: Matches, options: SmoothOptions) -> "_Problem":
        frame = spline.Frame.of_picture(matches.target_hw)
        x = frame.apply(matches.target)
        y = matches.source.double() / max(matches.source_hw)
        knots = frame.apply(spline.lattice_knots(matches.target_hw, options.knots))
        return cls(x, y, matches.score.double(), spline.Regression.prepare(x, knots), knots, matches, options)

    def at(self, rows: Int[Tensor, " k"]) -> "_Problem":
        """Returns the problem of some of the matches."""
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            weight=self.weight[rows],
            design=self.design.at(rows),
            matches=self.matches[rows],
        )

    def annealed(self, starts: Sequence[Float[Tensor, "n 2"] | None]) -> _End | None:
        """Reweights and refits from starts' predictions, None standing for trust in all matches.

        Half of the way all of them go, judged by some of the matches, as the map is still stiff; the rest the one whose
        robust cost is the lowest by then.

        Returns:
            The end; None when no start's systems have solutions.
        """
        o = self.options
        half = (o.steps + 1) // 2
        rows = _evenly(len(self.y), o.judges)
        judges = self.at(rows)
        everyone = torch.ones_like(judges.weight)
        trusts = [
            everyone
            if start is None
            else 1 - geman_mcclure((start[rows] - judges.y).square().sum(dim=-1), o.scale_start)
            for start in starts
        ]
        ways = [way for trust in trusts if (way := judges._anneal(trust, range(half))) is not None]
        best = min(ways, key=lambda way: judges._cost(judges._trust(way, half - 1)), default=None)
        if best is not None and half < o.steps:
            best = self._anneal(self._trust(best, half - 1), range(half, o.steps))
        return None if best is None else _End(self, self._trust(best, o.steps - 1).square())

    def _anneal(self, trust: Float[Tensor, " n"], rounds: range) -> Float[Tensor, "p 2"] | None:
        """Goes through some of the rounds; returns the coefficients after them, None where they are not determined."""
        o, coefficients = self.options, None
        for step in rounds:
            if coefficients is not None:
                trust = self._trust(coefficients, step - 1)
            smoothing = _geometric(o.smoothing_start, o.smoothing_end, step, o.steps)
            try:
                coefficients = self.design.coefficients(self.y, self.weight * trust.square(), smoothing)
            except ValueError:
                return None
        return coefficients

    def _trust(self, coefficients: Float[Tensor, "p 2"], step: int) -> Float[Tensor, " n"]:
        """Returns how far matches are trusted after a round that ended so."""
        o = self.options
        missed = self.design.fitted(coefficients) - self.y.T
        scale = _geometric(o.scale_start, o.scale_end, step, o.steps)
        return 1 - geman_mcclure(missed.square().sum(dim=0), scale)

    def _cost(self, trust: Float[Tensor, " n"]) -> float:
        """Returns the mean of 1 − trust by the matches' weight."""
        return float(((1 - trust) * self.weight).sum() / self.weight.sum())

    def field(self, factor: Float[Tensor, " n"], smoothing: float) -> ThinPlateSpline | None:
        """Returns the spline for fixed weights, in pixels; None when the system has no solution."""
        try:
            kernel, affine = self.design.solve(self.y, self.weight * factor, smoothing)
        except ValueError:
            return None
        side = max(self.matches.source_hw)
        frame = spline.Frame.of_picture(self.matches.target_hw)
        return ThinPlateSpline(self.knots, kernel * side, affine * side, frame.origin, frame.scale)


def _geometric(start: float, end: float, step: int, steps: int) -> float:
    """Returns a round's value, of so many rounds between whose values the ratios are equal."""
    share = step / max(steps - 1, 1)
    return math.exp((1 - share) * math.log(start) + share * math.log(end))
