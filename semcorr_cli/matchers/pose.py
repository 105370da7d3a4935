"""Which way the source must be turned before it looks like the target, found by trying a few turns.

Descriptors are not invariant to mirroring, nor those of most extractors to rotation and scale. Each candidate turn is
drawn, described and matched; the one whose matches agree best with one smooth map wins, the untouched picture unless
another is clearly better.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.warp import Warp

TURNS = (Pose(angle=30), Pose(angle=-30), Pose(scale=0.7), Pose(scale=1.4))
"""Turns tried on the untouched or mirrored picture, and once more on top of the best of them."""


CLEAR_SUPPORT = 0.45
"""Support that no wrong pose reaches: from here on a pose need not win by the full margin."""

CLEAR_MARGIN = 1.05
"""How many times more support such a pose must have."""


def turn_warp(turned: Pose, hw: Hw) -> Warp:
    """Returns the warp that draws a picture rotated and scaled about its middle, on a canvas of its own size."""
    angle = math.radians(turned.angle)
    cosine, sine = math.cos(angle) / turned.scale, math.sin(angle) / turned.scale
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    middle = torch.tensor([hw[1] / 2, hw[0] / 2])

    def field(xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        return (xy - middle) @ linear + middle

    return Warp.sampled(field, hw, hw)


def search(support: Callable[[Pose], float], *, flip: str, turns: bool, margin: float) -> Pose:
    """Returns the pose with the most support.

    Args:
        support: how well a pose's matches agree with one smooth map; called once a candidate.
        flip: "auto" tries the mirrored picture too, "never" does not, "always" tries nothing else.
        turns: try `TURNS` too.
        margin: how many times more support another pose must have to displace an untouched one; once the picture has
            been turned, more support is enough.
    """
    best = Pose(mirrored=flip == "always")
    most = support(best)

    def take(candidates: list[Pose], factor: float) -> bool:
        nonlocal best, most
        values = {candidate: support(candidate) for candidate in candidates}
        candidate = max(values, key=lambda key: values[key])
        needed = factor if values[candidate] < CLEAR_SUPPORT else min(factor, CLEAR_MARGIN)
        if values[candidate] <= needed * most:
            return False
        best, most = candidate, values[candidate]
        return True

    if flip == "auto":
        take([Pose(mirrored=True)], margin)
    if turns and take([_turned(best, turn) for turn in TURNS], margin):
        start = best
        take([turned for turn in TURNS if not _undone(turned := _turned(start, turn))], 1.0)
    return best


def _turned(pose: Pose, turn: Pose) -> Pose:
    return Pose(pose.mirrored, pose.angle + turn.angle, round(pose.scale * turn.scale, 2))


def _undone(pose: Pose) -> bool:
    """Tells whether a second turn has taken the first one back; 0.7 × 1.4 is near enough to 1."""
    return pose.angle == 0 and abs(pose.scale - 1) < 0.05
