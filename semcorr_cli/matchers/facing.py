"""Evidence that matches join like ends of two things: fronts with fronts, and backs with backs.

Descriptors that say which end of a thing a place belongs to (`extractors.facing`) agree where matches join like ends,
and contradict each other where they join opposite ones.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.matches import Matches


def evidence(source: FeatureStack, target: FeatureStack, matches: Matches) -> float:
    """Returns the weighted mean of the products of what two pictures say at matches; 0 where nothing matches.

    Of two maps between the pictures, one of which turns the source over, the difference is a log-likelihood ratio as
    far as the descriptors' training goes.

    Args:
        source: what is said of the source.
        target: what is said of the target.
        matches: in pictures of any size; their scores are the weights.
    """
    there = _read(source, coords.pixels_to_unit(matches.source, matches.source_hw))
    here = _read(target, coords.pixels_to_unit(matches.target, matches.target_hw))
    weight = matches.score.to(there)
    return float(((there * here).sum(dim=1) * weight).sum() / weight.sum().clamp_min(1e-6))


def _read(stack: FeatureStack, unit: Float[Tensor, "n 2"]) -> Float[Tensor, "n c"]:
    """Reads a stack's only layer at positions in [−1, 1] of its picture."""
    (layer,) = stack.layers.values()
    grid = unit.to(layer.device, torch.float32)[None, None]
    read = functional.grid_sample(layer[None].float(), grid, padding_mode="border", align_corners=False)
    out: Tensor = read[0, :, 0].T
    return out
