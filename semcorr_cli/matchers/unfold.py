"""A smooth map becomes a warp without folds, proven on the lattice that is emitted."""

from dataclasses import dataclass

from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import smooth
from semcorr_cli.matchers.smooth import SmoothFit

MIN_DETERMINANT = 0.05
"""Smallest local area ratio, as a share of the median one, that a warp may have anywhere."""

MIN_AREA = 1e-4
"""Smallest local area ratio at all: matches that crowd in one spot ask for a map that reads nothing but that spot."""

STIFFENING = 4.0
"""Factor by which the smoothing grows until no fold is left."""

STIFFENINGS = 12
"""How often it may grow before a similarity takes over; by then the spline is affine to the eye."""


@dataclass(frozen=True, slots=True, eq=False)
class Unfolded:
    """A warp whose determinant is positive everywhere.

    Attributes:
        warp: the warp, with full confidence everywhere.
        fold_share: share of lattice cells that folded before the smoothing was raised.
        smoothing: λ that was needed; infinite for a similarity.
    """

    warp: Warp
    fold_share: float
    smoothing: float


def unfold(fit: SmoothFit) -> Unfolded:
    """Samples a fitted map, with its smoothing raised until no cell of the lattice folds or nearly does.

    Between nodes the warp is bilinear, so that four positive corner determinants prove that a cell does not fold; see
    `Warp.determinants`. The last resort is a similarity, or a translation where that one shrinks to a spot.
    """
    field, smoothing = fit.field, fit.options.smoothing_end
    first: float | None = None
    for _ in range(STIFFENINGS if fit.bends else 0):
        warp = Warp.sampled(field, fit.matches.source_hw, fit.matches.target_hw)
        first = float((warp.determinants().amin(dim=-1) <= 0).float().mean()) if first is None else first
        if _sound(warp):
            return Unfolded(warp, first, smoothing)
        smoothing *= STIFFENING
        stiffer = fit.stiffer(smoothing)
        if stiffer is None:
            break
        field = stiffer
    trusted = fit.matches[fit.trust * fit.matches.score >= smooth.MIN_SCORE]
    warp = Warp.sampled(smooth.similarity(trusted), fit.matches.source_hw, fit.matches.target_hw)
    if not _sound(warp):
        warp = Warp.sampled(smooth.translation(trusted), fit.matches.source_hw, fit.matches.target_hw)
    return Unfolded(warp, first or 0.0, float("inf"))


def _sound(warp: Warp) -> bool:
    """Tells whether no cell folds or nearly does."""
    worst = warp.determinants().amin(dim=-1)
    return float(worst.min()) > max(MIN_DETERMINANT * float(worst.median()), MIN_AREA)
