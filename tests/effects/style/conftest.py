"""Correspondences whose matches are as many and as good as a test wants them."""

from dataclasses import replace

import torch

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality, Verdict
from semcorr_cli.core.warp import Warp
from tests.specimens import all_signs, correspondence

Hw = tuple[int, int]


def straight(source_hw: Hw, target_hw: Hw, *, grid: Hw = (30, 30), probability: float = 1.0) -> Correspondence:
    """Returns the correspondence of two pictures framed alike, with one match a cell."""
    xy_s, xy_t = (coords.cell_centres(grid, hw) for hw in (source_hw, target_hw))
    matches = Matches(xy_s, xy_t, torch.ones(len(xy_s)), source_hw, target_hw)
    return judged(replace(correspondence(Warp.identity(source_hw, target_hw)), matches=matches), probability)


def judged(field: Correspondence, probability: float) -> Correspondence:
    """Returns the correspondence with another probability of being right."""
    verdict = Verdict.GOOD if probability > 0.5 else Verdict.UNCERTAIN if probability > 0.25 else Verdict.POOR
    signs = all_signs(probability, len(field.matches))
    return replace(field, quality=Quality(verdict, probability, (), signs))
