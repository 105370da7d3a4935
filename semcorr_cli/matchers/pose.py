"""Which way the source must be turned before it looks like the target, found by trying.

Descriptors are not invariant to mirroring, nor those of most extractors to rotation and scale. Turned pictures are
drawn, described cheaply and matched; those whose matches agree best with one smooth map are looked at again through
that map, with the finest descriptors there are, and what agrees best then wins. The first sign alone is too weak: a
wrong pose loses its support when the pictures are aligned by it, the right one gains.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.warp import Warp

ANGLES = (18.0, -18.0, 36.0, -36.0)
"""Turns that are tried, in degrees; descriptors and fits bear half of the steps between them."""

QUARTERS = (90.0, -90.0, 180.0)
"""Turns of pictures that lie on their side or stand on their head."""

SCALES = (0.6, 1.6)
"""Enlargements that are tried on the best of the turned pictures."""

SCALED = 2
"""Turned pictures that are tried at other scales too."""

SHORTLIST = 4
"""Poses that are looked at again, the untouched picture aside."""

UPRIGHT = 1.5
"""How many times more agreement a mirrored picture needs, and once more one that is turned or scaled: photographs are
upright more often than not, and left and right of a symmetric thing are told apart by little."""

FALLEN = 1.25
"""How many times more agreement still a quarter turn needs."""

CLEAR_AGREEMENT = 0.2
"""Agreement of the untouched pictures from which no other pose is tried."""

CLEAR_SUPPORT = 0.45
"""Support that no wrong pose reaches: from here on a mirrored picture need not win by the full margin."""

CLEAR_MARGIN = 1.05
"""How many times more support such a picture must have."""


def turn_warp(turned: Pose, hw: Hw) -> Warp:
    """Returns the warp that draws a picture rotated and scaled about its middle.

    The canvas is as large as the picture; for turns by more than 45° from upright it is as large as the picture on its
    side.
    """
    angle = math.radians(turned.angle)
    cosine, sine = math.cos(angle) / turned.scale, math.sin(angle) / turned.scale
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    canvas = (hw[1], hw[0]) if abs(math.sin(angle)) > math.sqrt(0.5) + 1e-6 else hw
    middle = torch.tensor([hw[1] / 2, hw[0] / 2])
    seen = torch.tensor([canvas[1] / 2, canvas[0] / 2])

    def field(xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        return (xy - seen) @ linear + middle

    return Warp.sampled(field, hw, canvas)


def turns(flip: str, rotate: str) -> list[Pose]:
    """Returns the poses to begin with, the one that is not turned first.

    Args:
        flip: "auto" has the mirrored picture tried too, "never" not, "always" nothing else.
        rotate: "auto" has rotated ones tried too, "never" not; a number of degrees, nothing else.
    """
    mirrored = (False, True) if flip == "auto" else (flip == "always",)
    if rotate == "auto":
        angles: tuple[float, ...] = (0.0, *ANGLES, *QUARTERS)
    else:
        angles = (0.0 if rotate == "never" else float(rotate),)
    return [Pose(over, angle) for over in mirrored for angle in angles]


def shortlisted(support: Callable[[Pose], float], candidates: Iterable[Pose], *, scales: bool) -> list[Pose]:
    """Returns the poses that are worth a second look, the most supported first.

    Args:
        support: how well a pose's matches agree with one smooth map; called once a pose.
        candidates: poses to begin with.
        scales: try the best of them at other scales too.
    """
    values = {candidate: support(candidate) for candidate in candidates}
    best = sorted(values, key=lambda candidate: -values[candidate])[:SCALED]
    if scales:
        for pose in (Pose(turned.mirrored, turned.angle, scale) for turned in best for scale in SCALES):
            values[pose] = support(pose)
    return sorted(values, key=lambda candidate: -values[candidate])[:SHORTLIST]


def chosen(agreement: Mapping[Pose, float]) -> Pose:
    """Returns the pose with the most agreement, upright ones being given a start."""

    def weighed(pose: Pose) -> float:
        handicap = UPRIGHT**pose.mirrored * UPRIGHT ** (pose.mirrored or not pose.still)
        return agreement[pose] / (handicap * FALLEN ** (pose.angle in QUARTERS))

    return max(agreement, key=weighed)


def more_supported(support: Mapping[Pose, float], margin: float) -> Pose:
    """Returns the mirrored or the untouched one of two poses that were looked at but once.

    Args:
        support: of the untouched picture first.
        margin: how many times more support the other one must have.
    """
    first, *others = support
    for other in others:
        needed = margin if support[other] < CLEAR_SUPPORT else min(margin, CLEAR_MARGIN)
        if support[other] > needed * support[first]:
            return other
    return first
