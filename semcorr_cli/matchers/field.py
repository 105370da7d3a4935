"""The whole way from two pictures to a correspondence field: pose, matches, smooth map, refinement, quality.

    describe ─► pose search ─► nearest both ways ─► robust spline ─► aligned second passes ─► fit both ways ─► quality

The second pass draws one picture through the first fit, so that both are framed alike, describes it again with
descriptors that see less context, and fits again, ever more closely as long as the pictures really agree. The picture
that is drawn is the source, or the target where that shows the thing smaller (`passes`). In the pose that was chosen
the other picture is drawn too, and one map is fitted to the matches found in either frame.
"""

from dataclasses import replace

import torch

from semcorr_cli.core import coords, resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Signs
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers import smooth, unfold, verdict
from semcorr_cli.matchers.looks import FieldOptions, Looks
from semcorr_cli.matchers.search import Search, Sought
from semcorr_cli.matchers.support import local_support

PROBES = 32
"""Places along either side of the target at which the two maps are compared."""

NEAR = 0.05
"""Miss, as a share of the target's longer side, up to which they are consistent."""


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
    search = Search(looks, options, small_s, small_t, seed)
    return _finished(search, search.run(), source.hw, target.hw)


def _finished(search: Search, sought: Sought, source_hw: Hw, target_hw: Hw) -> Correspondence:
    """Fits both directions at full size, drops outliers, and judges."""
    found, turned, seed = sought.found, sought.pose, search.seed
    there = found.fit.resized(source_hw, target_hw)
    matches = there.matches
    back = smooth.fit(matches.reversed(), there.options, torch.Generator().manual_seed(seed))
    trusted = replace(matches, score=matches.score * torch.minimum(there.trust, back.trust))
    flat_there, flat_back = unfold.unfold(there), unfold.unfold(back)
    warp = flat_there.warp.with_confidence(local_support(trusted))
    forward = flat_back.warp.with_confidence(local_support(trusted.reversed()))
    kept = trusted[trusted.score >= smooth.MIN_SCORE].best(len(trusted))
    signs = Signs(
        cycle_rate=found.cycle.cycle_rate,
        inlier_rate=found.inlier_rate,
        support=found.support,
        coverage=float((warp.confidence >= 0.5).float().mean()),
        fold_share=max(flat_there.fold_share, flat_back.fold_share),
        matches=len(kept),
        agreement=found.agreement,
        consistency=_consistency(warp, forward),
        swapped=smooth.mirrored_share(there, torch.Generator().manual_seed(seed)),
        kin=sought.related.kin,
        first_inliers=sought.first.inlier_rate,
        likeness=search.likeness(sought, flat_there.warp),
        facing=sought.facing,
    )
    quality = verdict.judge(signs, search.options.calibration)
    found_so = Correspondence(kept, warp, forward, quality, replace(turned, mirrored=False))
    return found_so.source_mirrored() if turned.mirrored else found_so


def _consistency(warp: Warp, forward: Warp) -> float:
    """Returns the share of the target from which going to the source and back ends near the start."""
    xy = coords.cell_centres((PROBES, PROBES), warp.target_hw)
    miss = (forward.at(warp.at(xy)) - xy).norm(dim=-1) / max(warp.target_hw)
    return float((miss < NEAR).float().mean())
