"""A smooth map becomes a warp without folds, proven on the lattice that is emitted."""

from dataclasses import dataclass

from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import smooth
from semcorr_cli.matchers.smooth import SmoothFit

MIN_DETERMINANT = 0.05
"""Smallest local area ratio, as a share of the median one, that a warp may have anywhere."""

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
    `Warp.determinants`. The last resort is a similarity, which cannot fold.
    """
    field, smoothing = fit.field, fit.options.smoothing_end
    first: float | None = None
    for _ in range(STIFFENINGS if fit.bends else 0):
        warp = Warp.sampled(field, fit.matches.source_hw, fit.matches.target_hw)
        worst = warp.determinants().amin(dim=-1)
        first = float((worst <= 0).float().mean()) if first is None else first
        if float(worst.min()) > MIN_DETERMINANT * max(float(worst.median()), 0.0):
            return Unfolded(warp, first, smoothing)
        smoothing *= STIFFENING
        stiffer = fit.stiffer(smoothing)
        if stiffer is None:
            break
        field = stiffer
    trusted = fit.matches[fit.trust * fit.matches.score >= smooth.MIN_SCORE]
    field = smooth.similarity(trusted)
    warp = Warp.sampled(field, fit.matches.source_hw, fit.matches.target_hw)
    return Unfolded(warp, first or 0.0, float("inf"))
