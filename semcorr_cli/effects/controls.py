"""Control points of a morph: where they start, where they end, and the paths between."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import spline
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.procrustes import fit_similarity
from semcorr_cli.effects.placement import Placement

PATHS = ("arc", "straight")

KNOTS = 11
"""Control points along the longer side of the frame."""

ANCHORS = 6
"""Anchors along each side of the frame."""

RIM_WEIGHT = 0.3
"""Weight of an anchor beside a control point of full confidence."""

HELD_WEIGHT = 0.1
"""Weight of a point that is held in place because it has no counterpart."""

MIN_CONFIDENCE = 0.05
"""Confidence below which a point that is not held has nothing to say."""

FREE = 1 / 3
"""Confidence from which a point goes all the way to its counterpart."""

TRUSTED = 0.4
"""Chance that a correspondence is right from which points go all the way; where it is smaller, they stay nearer."""

EXACT = 1e4
"""Weight of points set by hand: what they say is met to a fraction of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class Controls:
    """Points of the frame that travel from one picture to the other.

    Attributes:
        start: where they lie when the first picture is shown.
        end: where they lie when the second one is.
        weight: trust, > 0.
        turning: how far each follows the turn of the whole, in [0, 1]; see `between`.
    """

    start: Float[Tensor, "n 2"]
    end: Float[Tensor, "n 2"]
    weight: Float[Tensor, " n"]
    turning: Float[Tensor, " n"]

    @classmethod
    def of(
        cls,
        field: Correspondence | None,
        by_hand: Matches | None,
        places: tuple[Placement, Placement],
        frame_hw: Hw,
        *,
        held: bool = True,
    ) -> "Controls":
        """Lays a lattice of points over the second picture, finds their partners, and anchors the frame's rim.

        Args:
            field: the correspondence between the two pictures; None for points set by hand alone.
            by_hand: point pairs that must meet exactly.
            places: where the two pictures lie in the frame.
            frame_hw: size of the frame.
            held: what has no counterpart stays where it is; otherwise it goes along with what has one.
        """
        rim = rim_points(frame_hw)
        if field is None:
            parts: list[tuple[Tensor, ...]] = [
                (rim, rim, torch.full_like(rim[:, 0], RIM_WEIGHT), torch.zeros_like(rim[:, 0]))
            ]
        else:
            inner = spline.lattice_knots(frame_hw, KNOTS).float()
            parts = [_held(field, places, inner, rim) if held else _loose(field, places, torch.cat([inner, rim]))]
        if by_hand is not None:
            exact = torch.full((len(by_hand),), EXACT)
            ends = places[0].to_frame(by_hand.source), places[1].to_frame(by_hand.target)
            parts.append((*ends, exact, torch.ones_like(exact)))
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def between(self, s: float, path: str) -> Float[Tensor, "n 2"]:
        """Returns where the points are at shape s in [0, 1].

        Straight lines shrink what turns: half-way through a half turn everything is in one spot. On an arc the points
        follow the best similarity, whose angle grows evenly and whose scale grows geometrically; what each point does
        beyond that is added in the turning frame (Alexa, Cohen-Or & Levin 2000, for one similarity instead of many).

        Args:
            s: 0 for the first picture, 1 for the second.
            path: one of `PATHS`.
        """
        straight = torch.lerp(self.start, self.end, s)
        if path == "straight" or not bool((self.turning > 0).any()):
            return straight
        start, end, weight = self.start.double(), self.end.double(), (self.weight.clamp(max=1) * self.turning).double()
        linear = fit_similarity(start, end, weight)[1:]
        share = (weight / weight.sum())[:, None]
        middles = (share * start).sum(dim=0), (share * end).sum(dim=0)
        away, arrived = start - middles[0], (end - middles[1]) @ torch.linalg.inv(linear)
        arc = torch.lerp(middles[0], middles[1], s) + torch.lerp(away, arrived, s) @ _power(linear, s)
        return torch.lerp(straight, arc.float(), self.turning[:, None])


def rim_points(hw: Hw) -> Float[Tensor, "n 2"]:
    """Returns anchors along the frame's border, corners included."""
    h, w = hw
    along = torch.linspace(0, 1, ANCHORS + 1)[:-1]
    zero, one = torch.zeros_like(along), torch.ones_like(along)
    sides = [(along, zero), (one, along), (1 - along, one), (zero, 1 - along)]
    return torch.cat([torch.stack([x * w, y * h], dim=-1) for x, y in sides])


def _held(
    field: Correspondence, places: tuple[Placement, Placement], inner: Float[Tensor, "m 2"], rim: Float[Tensor, "k 2"]
) -> tuple[Tensor, ...]:
    """Returns start, end, weight and turning of points of which those without counterpart stay where they are."""
    points = torch.cat([inner, rim])
    partner, confidence = _partners(field, places, points)
    trust = min(1.0, field.quality.probability / TRUSTED)
    confidence = trust * confidence
    # What has a counterpart lets go of its place, the rim last of all.
    is_rim = torch.arange(len(points)) >= len(inner)
    free = torch.where(is_rim, confidence, (confidence / FREE).clamp(max=trust))
    weight = torch.where(is_rim, confidence.clamp_min(RIM_WEIGHT), confidence.clamp_min(HELD_WEIGHT))
    return torch.lerp(points, partner, free[:, None]), points, weight, confidence


def _loose(
    field: Correspondence, places: tuple[Placement, Placement], points: Float[Tensor, "n 2"]
) -> tuple[Tensor, ...]:
    """Returns start, end, weight and turning of the points that have a counterpart; of all when next to none has."""
    partner, confidence = _partners(field, places, points)
    known = confidence > MIN_CONFIDENCE
    if int(known.sum()) < 3:
        known, confidence = torch.ones_like(known), torch.ones_like(confidence)
    return partner[known], points[known], confidence[known], confidence[known]


def _partners(
    field: Correspondence, places: tuple[Placement, Placement], points: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    in_target = places[1].to_picture(points)
    return places[0].to_frame(field.warp.at(in_target)), field.warp.confidence_at(in_target)


def _power(linear: Float[Tensor, "2 2"], exponent: float) -> Float[Tensor, "2 2"]:
    """Returns a rotation times a scale, taken part of the way from the identity."""
    angle = exponent * torch.atan2(linear[0, 1], linear[0, 0])
    scale = torch.hypot(linear[0, 0], linear[0, 1]) ** exponent
    cosine, sine = scale * torch.cos(angle), scale * torch.sin(angle)
    return torch.stack([torch.stack([cosine, sine]), torch.stack([-sine, cosine])])
