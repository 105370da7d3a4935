"""The whole way from two pictures to a correspondence field: pose, matches, smooth map, refinement, quality.

    describe ─► pose search ─► nearest both ways ─► robust spline ─► aligned second passes ─► fit both ways ─► quality

The second pass draws the source through the first fit, so that both pictures are framed alike, describes it again with
descriptors that see less context, and fits again, ever more closely as long as the pictures really agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords, resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Signs
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import nearest, pose, smooth, unfold, verdict
from semcorr_cli.matchers.nearest import CycleMatches, NearestOptions
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions


@dataclass(frozen=True, slots=True)
class Look:
    """A way of looking at pictures.

    Attributes:
        describe: what there is to say of one picture.
        compare: makes what was said of two pictures comparable.
    """

    describe: Callable[[Image], FeatureStack]
    compare: Callable[[FeatureStack, FeatureStack], tuple[FeatureMap, FeatureMap]]


@dataclass(frozen=True, slots=True)
class Looks:
    """How pictures are looked at in each step.

    Attributes:
        coarse: for the first matches.
        quick: cheaply, for telling poses apart.
        fine: for the aligned passes, with less context; None when describing is dear: then no turns are tried and no
            second pass is made.
    """

    coarse: Look
    quick: Look
    fine: Look | None


WORKING_SIDE = 512
"""Longer side of the copies that are turned and aligned, unless the extractor sees more of the picture."""

SAME_SUPPORT = 0.5
"""Support from which two pictures show the very same thing, so that fits follow the matches closely."""

SAME_INLIERS = 0.92
"""Inlier rate from which half that support will do: pictures of the same thing that overlap in part only."""

SUPPORT_CELLS = 32
"""Cells along the target's longer side on which confidence is gathered."""

FULL_SUPPORT = 0.5
"""Mean score of the matches round about at which a place is fully trusted."""

HELD = 0.07
"""Shift between aligned pictures, as a share of their size, at which a match has lost e^-½ of its weight."""

LOST_SUPPORT = 0.1
"""Support below which a second pass has lost the object, so that the first fit stands."""


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How a correspondence field is found.

    Attributes:
        flip: "auto" tries the mirrored source, "never" does not, "always" takes it.
        turns: try rotated and scaled sources.
        margin: how many times more support a turned source must have than the untouched one.
        nearest: how matches are found.
        rough: the fits by which poses are told apart.
        first: the fit to the first matches.
        second: the fit to the matches of the aligned pictures.
        close: the fits of further passes, for pictures that show the same thing.
        passes: passes at most, after the first.
        calibration: name of the extractor by whose figures the verdict is made.
        side: longer side of the copies that are worked on.
    """

    flip: str = "auto"
    turns: bool = True
    margin: float = 1.5
    nearest: NearestOptions = NearestOptions()
    rough: SmoothOptions = SmoothOptions(knots=6, steps=6, refined=1)
    first: SmoothOptions = SmoothOptions()
    second: SmoothOptions = SmoothOptions(
        knots=10, scale_start=0.1, scale_end=0.03, smoothing_start=1e-2, smoothing_end=1e-4
    )
    close: SmoothOptions = SmoothOptions(
        knots=12, scale_start=0.05, scale_end=0.015, smoothing_start=1e-3, smoothing_end=1e-5, refined=0
    )
    passes: int = 5
    calibration: str = "builtin"
    side: int = WORKING_SIDE


def correspond(source: Image, target: Image, looks: Looks, options: FieldOptions, seed: int = 0) -> Correspondence:
    """Finds the correspondence field between two pictures.

    Args:
        source: the picture that is read.
        target: the picture whose layout is followed.
        looks: how pictures are described.
        options: how.
        seed: of the robust fit's random starts.
    """
    small_s = resample.shrink(source, options.side)
    small_t = resample.shrink(target, options.side)
    search = _Search(looks, options, seed)
    turned, found = search.first(small_s, small_t)
    if turned.mirrored:
        small_s = small_s.mirrored()
    if looks.fine is not None:
        found = search.refined(looks.fine, small_s, small_t, found)
    return _finished(found, source.hw, target.hw, turned, options.calibration, seed)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Matches and the map fitted to them, in the coordinates of the (mirrored, if so posed) working copies."""

    cycle: CycleMatches
    fit: SmoothFit

    @property
    def support(self) -> float:
        """Weight that agrees with the map, a row: 1 when every cell has a perfect match on the map."""
        matches = self.cycle.matches
        return float((matches.score * self.fit.trust).sum()) / max(len(matches), 1)

    @property
    def same_thing(self) -> bool:
        """The pictures show the very same thing, not two of a kind."""
        inliers = 1 - self.fit.cost
        return self.support >= SAME_SUPPORT or (self.support >= SAME_SUPPORT / 2 and inliers >= SAME_INLIERS)


@dataclass(frozen=True, slots=True)
class _Search:
    """The steps that look at pictures."""

    looks: Looks
    options: FieldOptions
    seed: int

    def first(self, source: Image, target: Image) -> tuple[Pose, _Found]:
        """Finds the pose and the first fit."""
        o, looks = self.options, self.looks
        described = looks.quick.describe(target)
        is_rough = looks.quick is not looks.coarse
        found: dict[Pose, _Found] = {}

        def support(candidate: Pose) -> float:
            fit = o.rough if is_rough else o.first
            found[candidate] = self.posed(looks.quick, source, candidate, described, fit)
            return found[candidate].support

        best = pose.search(support, flip=o.flip, turns=o.turns and looks.fine is not None, margin=o.margin)
        if is_rough:
            return best, self.posed(looks.coarse, source, best, looks.coarse.describe(target), o.first)
        return best, found[best]

    def posed(self, look: Look, source: Image, candidate: Pose, target: FeatureStack, fit: SmoothOptions) -> _Found:
        """Matches the source in a pose."""
        picture = source.mirrored() if candidate.mirrored else source
        if candidate.still:
            return self.found(look, picture, None, target, fit)
        turn = pose.turn_warp(candidate, source.hw)
        return self.found(look, picture, turn, target, fit, name=f"{candidate.angle:g}:{candidate.scale:g}")

    def refined(self, fine: Look, source: Image, target: Image, found: _Found) -> _Found:
        """Makes the aligned passes that pay."""
        described = fine.describe(target)
        for step in range(self.options.passes):
            fit = self.options.second if step == 0 else self.options.close
            aligned = unfold.unfold(found.fit).warp
            closer = self.found(fine, source, aligned, described, fit, held=True)
            if closer.support < LOST_SUPPORT:
                return found
            found = closer
            if step == 0 and not found.same_thing:
                return found
        return found

    def found(
        self,
        look: Look,
        source: Image,
        through: Warp | None,
        target: FeatureStack,
        fit: SmoothOptions,
        held: bool = False,
        name: str = "",
    ) -> _Found:
        """Matches the source, drawn through a warp if there is one, with the target, and fits a map to the matches.

        A warp that other targets will ask for too has a name, so that the drawn picture need not be described again.
        """
        drawn = source if through is None else resample.draw(source, through, mode="bilinear")
        if name and source.digest:
            drawn = replace(drawn, digest=f"{source.digest}:{name}")
        cycle = nearest.match(*look.compare(look.describe(drawn), target), self.options.nearest)
        matches = cycle.matches
        if through is not None:
            back = through.at(matches.source)
            size = coords.wh(source.hw, back)
            inside = ((back >= 0) & (back <= size)).all(dim=-1)
            score = matches.score * inside
            if held:
                shift = matches.source / coords.wh(matches.source_hw, back) - matches.target / coords.wh(
                    target.image_hw, back
                )
                score = score * torch.exp(-0.5 * (shift.norm(dim=-1) / HELD) ** 2)
            matches = replace(matches, source=back, score=score, source_hw=source.hw)
        generator = torch.Generator().manual_seed(self.seed)
        return _Found(replace(cycle, matches=matches), smooth.fit(matches, fit, generator))


def _finished(found: _Found, source_hw: Hw, target_hw: Hw, turned: Pose, calibration: str, seed: int) -> Correspondence:
    """Fits both directions at full size, drops outliers, and judges."""
    matches = found.cycle.matches.resized(source_hw, target_hw)
    options = found.fit.options
    there = smooth.fit(matches, options, torch.Generator().manual_seed(seed))
    back = smooth.fit(matches.reversed(), options, torch.Generator().manual_seed(seed))
    trusted = replace(matches, score=matches.score * torch.minimum(there.trust, back.trust))
    flat_there, flat_back = unfold.unfold(there), unfold.unfold(back)
    warp = flat_there.warp.with_confidence(_local_support(trusted))
    forward = flat_back.warp.with_confidence(_local_support(trusted.reversed()))
    kept = trusted[trusted.score >= smooth.MIN_SCORE].best(len(trusted))
    signs = Signs(
        cycle_rate=found.cycle.cycle_rate,
        inlier_rate=1 - found.fit.cost,
        support=found.support,
        coverage=float((warp.confidence >= 0.5).float().mean()),
        fold_share=max(flat_there.fold_share, flat_back.fold_share),
        matches=len(kept),
    )
    found_so = Correspondence(kept, warp, forward, verdict.judge(signs, calibration), replace(turned, mirrored=False))
    return found_so.source_mirrored() if turned.mirrored else found_so


def _local_support(matches: Matches) -> Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]]:
    """Returns the confidence at target positions: the mean score of the matches round about, full at `FULL_SUPPORT`."""
    h, w = matches.target_hw
    grid: Hw = (max(1, round(SUPPORT_CELLS * h / max(h, w))), max(1, round(SUPPORT_CELLS * w / max(h, w))))
    cell = coords.nearest_cell(matches.target, grid, matches.target_hw)
    sums = torch.zeros(2, grid[0] * grid[1])
    sums[0].index_add_(0, cell, matches.score)
    sums[1].index_add_(0, cell, torch.ones_like(matches.score))
    blurred = gaussian_blur2d(sums.reshape(1, 2, *grid), 9, (1.5, 1.5), border_type="replicate")[0]
    share = (blurred[0] / blurred[1].clamp_min(1e-3) / FULL_SUPPORT).clamp(0, 1)

    def confidence(xy: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        unit = coords.pixels_to_unit(xy, (h, w))[None, None]
        return functional.grid_sample(share[None, None], unit, padding_mode="border", align_corners=False)[0, 0, 0]

    return confidence
