"""Nearest neighbours both ways, weighted by cycle consistency, placed between cells by windowed soft-argmax."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from semcorr_cli.core import coords, similarity
from semcorr_cli.core.features import FeatureMap, centred, without_hubs
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.similarity import NearestNeighbours

CYCLE_SIGMA = 2.0
"""Cells of cycle error at which a match's weight has fallen to e^-½."""

CYCLE_LIMIT = 3.0
"""Cells of cycle error up to which a match counts as consistent in the cycle rate."""


@dataclass(frozen=True, slots=True)
class NearestOptions:
    """How matches are found.

    Attributes:
        window: half-width in cells of the soft-argmax window; 0 keeps cell centres.
        temperature: of the soft-argmax, in units of cosine similarity.
        min_decay: matches whose cycle error scores below this stay at cell centres.
        hubs: neighbours may be cells that are like everything; otherwise they count for less, see
            `core.features.without_hubs`.
        common: what all descriptors of the two maps have in common counts; otherwise it is taken away, see
            `core.features.centred`.
    """

    window: int = 2
    temperature: float = 0.02
    min_decay: float = 0.05
    hubs: bool = True
    common: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class CycleMatches:
    """Matches with what the search learnt about its own consistency.

    Attributes:
        matches: one row a cell of either picture, the source's first; inconsistent ones have scores near 0.
        cycle_rate: share of the rows whose match leads back to within `CYCLE_LIMIT` cells.
    """

    matches: Matches
    cycle_rate: float


def match(source: FeatureMap, target: FeatureMap, options: NearestOptions | None = None) -> CycleMatches:
    """Matches every cell of each map's region with its nearest neighbour in the other's.

    A row's score is exp(−(cycle error / 2 cells)² / 2) · cosine similarity: the distance by which going to the other
    picture and back misses the start is the cheapest robust weight there is. Rows are on the CPU, whatever the device
    of the maps.
    """
    options = options or NearestOptions()
    if not options.common:
        source, target = centred(source, target)
    cells_s, cells_t = source.cells(), target.cells()
    flat_s, flat_t = own_s, own_t = source.chosen(), target.chosen()
    if flat_s.shape[0] == 0 or flat_t.shape[0] == 0:
        none = torch.zeros(0, 2)
        return CycleMatches(Matches(none, none, none[:, 0], source.image_hw, target.image_hw), 0.0)
    if not options.hubs:
        source, target = without_hubs(source, target)
        flat_s, flat_t = source.chosen(), target.chosen()
    found = similarity.nearest_both_ways(flat_s, flat_t)
    there = _one_way(source, target, flat_s, (cells_s, cells_t), found, options)
    back = _one_way(target, source, flat_t, (cells_t, cells_s), found.reversed(), options)
    if options.hubs:
        like_s, like_t = found.forward_similarity, found.backward_similarity
    else:
        like_s, like_t = (own_s * own_t[found.forward]).sum(dim=1), (own_t * own_s[found.backward]).sum(dim=1)
    score = torch.cat([there.decay * like_s, back.decay * like_t])
    matches = Matches(
        torch.cat([there.start, back.end]).cpu(),
        torch.cat([there.end, back.start]).cpu(),
        score.clamp(0, 1).cpu(),
        source.image_hw,
        target.image_hw,
    )
    decay = torch.cat([there.decay, back.decay])
    limit = math.exp(-0.5 * (CYCLE_LIMIT / CYCLE_SIGMA) ** 2)
    return CycleMatches(matches, float((decay >= limit * (1 - 1e-5)).float().mean()))


@dataclass(frozen=True, slots=True, eq=False)
class _OneWay:
    """Matches of one direction: where they start and end, and the decay by their cycle error."""

    start: Float[Tensor, "k 2"]
    end: Float[Tensor, "k 2"]
    decay: Float[Tensor, " k"]


def _one_way(
    here: FeatureMap,
    there: FeatureMap,
    queries: Float[Tensor, "k c"],
    cells: tuple[Int[Tensor, " k"], Int[Tensor, " l"]],
    found: NearestNeighbours,
    options: NearestOptions,
) -> _OneWay:
    start, end = here.centres()[cells[0]], there.centres()[cells[1]][found.forward]
    cycle = (start[found.backward[found.forward]] - start).norm(dim=-1) / here.cell
    decay = torch.exp(-0.5 * (cycle / CYCLE_SIGMA) ** 2)
    near = decay >= options.min_decay
    if options.window > 0 and bool(near.any()):
        soft = similarity.soft_positions(
            queries[near],
            there.data,
            cells[1][found.forward][near],
            region=there.region,
            known=None if found.matrix is None else (found.matrix, near.nonzero()[:, 0]),
            window=options.window,
            temperature=options.temperature,
        )
        end = end.clone()
        end[near] = coords.cells_to_pixels(soft, there.hw, there.image_hw)
    return _OneWay(start, end, decay)
