"""Which way the source must be turned before it looks like the target.

Descriptors are not invariant to mirroring, nor those of most extractors to rotation and scale. Which poses are likely
is told from a cheap look at both pictures (`matchers.relation`), and so is where each would have the source lie in the
target's frame (`matchers.placing`); the likeliest are matched with the target, and matched again through the maps that
were found, with the finest descriptors there are. What is likely, agrees best, looks most alike as it is aligned and
joins like ends of things (`matchers.facing`) then wins.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.warp import Warp
from semcorr_cli.matchers.relation import Relation

ANGLES = (0.0, 30.0, -30.0)
"""Turns, in degrees, in which the source is looked at to tell its pose."""

QUARTERS = (90.0, -90.0, 180.0)
"""Turns in which it is looked at too, for pictures on their side or head."""

FALLEN = 1.5
"""How many times more cells must have found each other in such a turn than in any upright one, for others to be sought
about it. Of upright pairs of photographs none had more than 1.4 times as many."""

SHORTLIST = 2
"""Poses that are matched, the untouched picture aside; with four, no more parts are found."""

WITHIN_REACH = 5.25
"""How many times more agreement than the untouched picture a pose must be able to do with, to be tried at all."""

BELIEF = 1.0
"""Power of a pose's probability by which its agreement is weighed."""

FACING = 0.25
"""Power by which it is weighed by the likelihood that its matches join like ends of things."""

LIKENESS = 10.0
"""How much a whole unit of likeness weighs: seven hundredths more make up for half the agreement."""

MIRRORED = 1.7
"""How many times more agreement a mirrored picture needs: little tells the sides of a symmetric thing apart."""

TURNED = 2.0
"""How many times more one that is turned, scaled or moved needs: photographs are upright more often than not."""

PROMISING = 2.0
"""How many times more agreement than it the best pose may have at the first look for a pose to be given a second."""


def turn_warp(turned: Pose, hw: Hw, frame: Hw | None = None) -> Warp:
    """Returns the warp that draws a picture rotated and scaled about its middle, and moved.

    The canvas is as large as the picture; for turns by more than 45° from upright it is as large as the picture on its
    side. Where it is moved, the canvas has the picture's longer side and the shape of the frame.

    Args:
        turned: the pose; whether it is mirrored is ignored.
        hw: size of the picture.
        frame: size of a picture that a moved one is laid over.
    """
    angle = math.radians(turned.angle)
    cosine, sine = math.cos(angle) / turned.scale, math.sin(angle) / turned.scale
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    canvas = (hw[1], hw[0]) if abs(math.sin(angle)) > math.sqrt(0.5) + 1e-6 else hw
    if turned.moved and frame is not None:
        canvas = (max(1, round(frame[0] * max(hw) / max(frame))), max(1, round(frame[1] * max(hw) / max(frame))))
    middle = torch.tensor([hw[1] / 2, hw[0] / 2])
    seen = torch.tensor([canvas[1] / 2, canvas[0] / 2]) + torch.tensor(turned.shift) * max(hw)

    def field(xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        return (xy - seen) @ linear + middle

    return Warp.sampled(field, hw, canvas)


def undone(turned: Pose) -> Pose:
    """Returns the pose in which the target looks like the source, which is mirrored where the pose says so."""
    angle = math.radians(turned.angle)
    cosine, sine = math.cos(angle) / turned.scale, math.sin(angle) / turned.scale
    x, y = turned.shift
    return Pose(False, 0.0 - turned.angle, 1 / turned.scale, (y * sine - x * cosine, 0.0 - x * sine - y * cosine))


@dataclass(frozen=True, slots=True)
class Allowed:
    """The poses that may be tried.

    Attributes:
        flip: "auto" has the mirrored picture tried too, "never" not, "always" nothing else.
        rotate: "auto" has rotated and scaled ones tried too, "never" not; a number of degrees, nothing else.
    """

    flip: str = "auto"
    rotate: str = "auto"

    @property
    def angle(self) -> float:
        """By how much the source is turned at any rate."""
        return 0.0 if self.rotate in ("auto", "never") else float(self.rotate)

    @property
    def first(self) -> Pose:
        """The one to begin with."""
        return Pose(self.flip == "always", self.angle)

    @property
    def given(self) -> bool:
        """No other pose than the first one may be tried."""
        return len(self.poses()) == 1

    def poses(self, base: float = 0.0) -> list[Pose]:
        """Returns the poses to look at, as turns of the source as it is at any rate, the first one first.

        Args:
            base: turn, in degrees, that the others are about.
        """
        angles = ANGLES if self.rotate == "auto" else (0.0,)
        return [Pose(side, base + angle) for side in self._sides for angle in angles]

    @property
    def quarters(self) -> list[Pose]:
        """The same for pictures on their side or head, without the turns about them."""
        return [Pose(side, angle) for side in self._sides for angle in QUARTERS if self.rotate == "auto"]

    @property
    def _sides(self) -> tuple[bool, ...]:
        return (False, True) if self.flip == "auto" else (self.flip == "always",)

    def drawn(self, turned: Pose) -> Pose:
        """Returns the pose to draw the source in for it to be turned so beside what it is turned at any rate."""
        return replace(turned, angle=self.angle + turned.angle)

    def likely(self, related: Relation, count: int) -> list[Pose]:
        """Returns the likeliest poses to draw the source in, as many of either side, the likeliest first.

        Args:
            related: what the source, turned as it is at any rate, is to the target.
            count: poses at most.
        """
        if self.rotate == "auto":
            each = max(1, count // len(self._sides))
            poses = [turned for side in self._sides for turned in related.on_side(mirrored=side).likely(each)]
        else:
            poses = [self.drawn(turned) for turned in self.poses()]
        return sorted(poses, key=lambda turned: -self._log_probability(turned, related))[:count]

    def standing(self, turned: Pose, related: Relation) -> float:
        """Returns the logarithm of what a pose's agreement is weighed by, before anything was matched in it."""
        start = math.log(MIRRORED) if turned.mirrored else 0.0
        if turned.angle != self.angle or turned.scale != 1 or turned.moved:
            start += math.log(TURNED)
        return BELIEF * self._log_probability(turned, related) - start

    def contenders(self, related: Relation) -> list[Pose]:
        """Returns the likeliest poses that may turn out better than the first one, which is not among them."""
        least = self.standing(self.first, related) - math.log(WITHIN_REACH)
        likely = self.likely(related, SHORTLIST)
        return [turned for turned in likely if turned != self.first and self.standing(turned, related) >= least]

    def _log_probability(self, turned: Pose, related: Relation) -> float:
        """Returns the log-probability of a pose to draw the source in; see `likely`."""
        return related.log_probability(replace(turned, angle=turned.angle - self.angle))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a pose once it was matched.

    Attributes:
        agreement: how well the pictures agree in it.
        facing: what `facing.evidence` says of its matches; 0 where only one side may be tried.
        likeness: how alike the pictures look as it aligns them, see `passes.alike`; 0 where nobody looked.
    """

    agreement: float
    facing: float
    likeness: float = 0.0


def chosen(found: Mapping[Pose, Evidence], related: Relation, allowed: Allowed) -> Pose:
    """Returns the pose that is likely, in which the pictures agree and look alike, and whose matches join like ends.

    Args:
        found: of the poses that were matched.
        related: what the source is to the target.
        allowed: the poses that may be tried.
    """
    return max(found, key=lambda turned: _worth(turned, found[turned], related, allowed))


def promising(found: Mapping[Pose, Evidence], related: Relation, allowed: Allowed) -> list[Pose]:
    """Returns the poses that are not far behind the best one."""
    worth = {turned: _worth(turned, evidence, related, allowed) for turned, evidence in found.items()}
    least = max(worth.values()) - math.log(PROMISING)
    return [turned for turned, value in worth.items() if value >= least]


def faced(best: Pose, weighed: Mapping[Pose, Evidence]) -> float:
    """Returns the chance that a pose joins like ends of things, if either it does or one of the other side.

    Args:
        best: the pose.
        weighed: what speaks for the poses that were matched.

    Returns:
        1 where none of the other side was matched.
    """
    others = [evidence.facing for turned, evidence in weighed.items() if turned.mirrored != best.mirrored]
    return (1 + math.tanh(FACING * (weighed[best].facing - max(others)) / 2)) / 2 if others else 1.0


def _worth(turned: Pose, evidence: Evidence, related: Relation, allowed: Allowed) -> float:
    agreement = math.log(max(evidence.agreement, 1e-12))
    return agreement + FACING * evidence.facing + LIKENESS * evidence.likeness + allowed.standing(turned, related)
