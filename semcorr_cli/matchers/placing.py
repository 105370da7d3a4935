"""How large the source is and where it lies in the target's frame, told by cells of the two that find each other.

Every two cells that do so vote for where the source would have to be moved, at every enlargement; where that is right,
their votes meet (generalised Hough transform; Ballard, "Generalizing the Hough transform to detect arbitrary shapes",
1981).
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.correspondence import Pose

TEMPERATURE = 0.05
"""Of the softmax over cells, in units of cosine similarity."""

OCTAVES = 0.25 * torch.arange(-7, 8)
"""Enlargements that are voted for, as powers of two."""

LEAST = 2e-3
"""Chance of finding each other from which two cells have a vote."""

BINS, REACH = 48, 1.5
"""Bins along either axis in which votes are counted, and how far they reach either way, in pictures' longer sides."""

NEAR = 0.08
"""Distance, in longer sides, at which a vote counts e^-½ for another place."""

POWER, BELIEF = 8.0, 0.5
"""Powers of the votes that meet, and of the probability told at a glance, by which enlargements are weighed."""

SURE = 0.35
"""Share of the votes that must meet for the source to be moved: of hard pairs with less, few were placed rightly."""

STEPS = 32
"""Steps to a longer side in which the source is moved; such pictures are described, and kept."""

SMALL_OCTAVE, SMALL_SHIFT = 0.25, 0.1
"""Enlargement and move up to which an upright picture is left as it is."""


def meetings(source: Float[Tensor, "c g g"], target: Float[Tensor, "c g g"]) -> Float[Tensor, "n n"]:
    """Returns the chances that a cell of the source and one of the target find each other: there times back."""
    cosines = source.flatten(1).T @ target.flatten(1) / TEMPERATURE
    return cosines.softmax(1) * cosines.softmax(0)


def placed(
    turned: Pose,
    looked_at: Mapping[Pose, Float[Tensor, "c g g"]],
    target: Float[Tensor, "c g g"],
    told: Float[Tensor, " octaves"],
) -> Pose:
    """Returns a pose with the enlargement and the move in which most votes meet; the same pose where too few do.

    Args:
        turned: side and angle.
        looked_at: squares of the source in poses that are turned and mirrored alone, one of that side among them.
        target: that of what it is laid over.
        told: probabilities of `OCTAVES`, told by other means.
    """

    def away(seen: Pose) -> float:
        return abs((turned.angle - seen.angle + 180) % 360 - 180)

    nearest = min((seen for seen in looked_at if seen.mirrored == turned.mirrored), key=away)
    chance = meetings(looked_at[nearest], target)
    start, end = (chance >= LEAST).nonzero(as_tuple=True)
    if len(start) == 0:
        return turned
    side = target.shape[-1]
    cells = coords.cell_centres((side, side), (1, 1)) - 0.5
    angle = math.radians(turned.angle - nearest.angle)
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    votes = cells[end] - (2**OCTAVES)[:, None, None] * (cells[start] @ rotation)
    places, met = _peaks(votes, chance[start, end])
    share = (POWER * (met + 1e-6).log() + BELIEF * (told + 1e-3).log()).softmax(0)
    if float((share * met).sum()) < SURE * float(chance[start, end].sum()):
        return turned
    best = int((OCTAVES - (share * OCTAVES).sum()).abs().argmin())
    octave, (x, y) = float(OCTAVES[best]), ((STEPS * places[best]).round() / STEPS + 0.0).tolist()
    if turned.angle == 0 and abs(octave) <= SMALL_OCTAVE and math.hypot(x, y) <= SMALL_SHIFT:
        return replace(turned, scale=1.0, shift=(0.0, 0.0))
    return replace(turned, scale=2**octave, shift=(x, y))


def _peaks(
    votes: Float[Tensor, "k n 2"], weight: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "k 2"], Float[Tensor, " k"]]:
    """Returns where the votes of each row meet, and the weight that does: the fullest bin, then mean shift."""
    rows = len(votes)
    column, row = ((votes + REACH) / (2 * REACH) * BINS).long().clamp(0, BINS - 1).unbind(-1)
    index = (torch.arange(rows)[:, None] * BINS + row) * BINS + column
    counted = torch.zeros(rows * BINS * BINS).index_add_(0, index.flatten(), weight.expand(rows, -1).flatten())
    counted = counted.view(rows, 1, BINS, BINS)
    for _ in range(2):
        counted = functional.avg_pool2d(counted, 3, 1, 1)
    fullest = counted.flatten(1).argmax(1)
    place = (torch.stack([fullest % BINS, fullest // BINS], -1) + 0.5) / BINS * 2 * REACH - REACH
    for _ in range(3):
        near = weight * torch.exp(-0.5 * ((votes - place[:, None]).norm(dim=-1) / NEAR) ** 2)
        place = (near[..., None] * votes).sum(1) / near.sum(1, keepdim=True).clamp_min(1e-9)
    return place, near.sum(1)
