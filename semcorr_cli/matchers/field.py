"""The whole way from two pictures to a correspondence field: pose, matches, smooth map, refinement, quality.

    describe ─► pose search ─► nearest both ways ─► robust spline ─► aligned second passes ─► fit both ways ─► quality

The second pass draws the source through the first fit, so that both pictures are framed alike, describes it again with
descriptors that see less context, and fits again, ever more closely as long as the pictures really agree.
"""

from dataclasses import replace

import torch

from semcorr_cli.core import resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Signs
from semcorr_cli.matchers import smooth, unfold, verdict
from semcorr_cli.matchers.looks import FieldOptions, Looks
from semcorr_cli.matchers.search import Found, Search
from semcorr_cli.matchers.support import local_support


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
    turned, found = Search(looks, options, small_s, small_t, seed).run()
    return _finished(found, source.hw, target.hw, turned, options.calibration, seed)


def _finished(found: Found, source_hw: Hw, target_hw: Hw, turned: Pose, calibration: str, seed: int) -> Correspondence:
    """Fits both directions at full size, drops outliers, and judges."""
    matches = found.cycle.matches.resized(source_hw, target_hw)
    options = found.fit.options
    there = smooth.fit(matches, options, torch.Generator().manual_seed(seed))
    back = smooth.fit(matches.reversed(), options, torch.Generator().manual_seed(seed))
    trusted = replace(matches, score=matches.score * torch.minimum(there.trust, back.trust))
    flat_there, flat_back = unfold.unfold(there), unfold.unfold(back)
    warp = flat_there.warp.with_confidence(local_support(trusted))
    forward = flat_back.warp.with_confidence(local_support(trusted.reversed()))
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
