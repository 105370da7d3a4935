"""`morph`: one picture becomes another; its parts travel to their counterparts while the colours dissolve.

Control points move from the first picture to the second. At every moment both pictures are warped to the shape in
between, each by a thin-plate spline from the moment's points to its own (one solve serves both), and are blended in
linear light. Wolberg, "Image morphing: a survey" (1998), sections 3 and 4.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.core import coords, light, resample, spline
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.pace import EASINGS, Moment

FITS = ("auto", "cover", "contain", "stretch")

COVER_LOSS = 0.15
"""Share of a picture that `--fit auto` may cut off before it prefers bars."""

KNOTS = 11
"""Control points along the longer side of the frame."""

ANCHORS = 6
"""Anchors along each side of the frame."""

ANCHOR_WEIGHT = 0.3
"""Weight of an anchor beside a control point of full confidence."""

EXACT = 1e4
"""Weight of points set by hand: what they say is met to a fraction of a pixel."""

HAND_TOLERANCE = 0.25
"""Pixels by which the lattice may miss a point set by hand before it is made finer."""

FINEST = 4
"""How many times finer it may become."""

SMOOTHING = 1e-5
"""λ of the in-between splines, raised until nothing folds."""

FEATHER = 0.07
"""How far beyond its frame a picture, mirrored at its edge, fades out in favour of the other; a share of its side."""


@dataclass(frozen=True, slots=True)
class MorphOptions:
    """How a morph looks.

    Attributes:
        shape_easing: curve of the motion; a name of `pace.EASINGS`.
        color_easing: curve of the dissolve.
        fit: how a picture of another shape than the frame is placed in it.
    """

    shape_easing: str = "smoothstep"
    color_easing: str = "smoothstep"
    fit: str = "auto"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the frame: picture position = scale · frame position + offset, each (x, y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    @classmethod
    def of(cls, picture_hw: Hw, frame_hw: Hw, fit: str) -> "Placement":
        """Places a picture in the middle of a frame.

        Args:
            picture_hw: size of the picture.
            frame_hw: size of the frame.
            fit: "stretch" fills the frame exactly, "cover" fills it and cuts off what is over, "contain" shows all of
                the picture, "auto" covers if little is lost and contains otherwise.
        """
        across, down = picture_hw[1] / frame_hw[1], picture_hw[0] / frame_hw[0]
        if fit == "auto":
            fit = "cover" if 1 - min(across, down) / max(across, down) <= COVER_LOSS else "contain"
        if fit != "stretch":
            across = down = min(across, down) if fit == "cover" else max(across, down)
        offset = ((picture_hw[1] - across * frame_hw[1]) / 2, (picture_hw[0] - down * frame_hw[0]) / 2)
        return cls((across, down), offset)

    def to_picture(self, xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
        """Maps frame positions to picture positions."""
        return xy * xy.new_tensor(self.scale) + xy.new_tensor(self.offset)

    def to_frame(self, xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
        """Maps picture positions to frame positions."""
        return (xy - xy.new_tensor(self.offset)) / xy.new_tensor(self.scale)


class Morph:
    """A prepared transition between two pictures; any moment of it can be drawn."""

    def __init__(
        self,
        source: Image,
        target: Image,
        field: Correspondence,
        frame_hw: Hw,
        options: MorphOptions,
        by_hand: Matches | None = None,
    ) -> None:
        """Prepares a transition.

        Args:
            source: the first picture.
            target: the second picture.
            field: the correspondence between the two.
            frame_hw: size of the frames.
            options: how it looks.
            by_hand: point pairs that must meet exactly, on top of the field.
        """
        self.frame_hw = frame_hw
        self.options = options
        self._alpha = source.alpha is not None or target.alpha is not None
        self._places = [Placement.of(image.hw, frame_hw, options.fit) for image in (source, target)]
        self._readers = [
            resample.Reader(_linear_planes(image, self._alpha), beyond="reflection") for image in (source, target)
        ]
        self._start, self._end, self._weight = self._control_points(field, by_hand)
        self._finer = self._refinement(by_hand) if by_hand is not None and len(by_hand) else 1
        self._smoothing = self._unfolding()

    def frame(self, t: float) -> NDArray[np.uint8]:
        """Returns the frame at time t in [0, 1]: (h, w, 3), or (h, w, 4) when either picture has alpha."""
        maps = self._maps(EASINGS[self.options.shape_easing](t), self._smoothing)
        share = EASINGS[self.options.color_easing](t)
        result = torch.empty(*self.frame_hw, 4 if self._alpha else 3, dtype=torch.uint8, device=self._start.device)
        step = max(1, resample.STRIP_PIXELS // self.frame_hw[1])
        for top in range(0, self.frame_hw[0], step):
            bottom = min(top + step, self.frame_hw[0])
            result[top:bottom] = _encoded(self._blend(maps, share, top, bottom))
        return result.cpu().numpy()

    def _blend(self, maps: list[Warp], share: float, top: int, bottom: int) -> Float[Tensor, "c h w"]:
        """Returns linear premultiplied planes of some rows; where one picture ends, the other takes over."""
        ends = (0.0, 1.0)
        if share in ends:
            which = ends.index(share)
            return self._readers[which].read(maps[which], top, bottom)
        total = torch.zeros(())
        weights = torch.zeros(())
        for map_, reader, part in zip(maps, self._readers, (1 - share, share), strict=True):
            depth = _depth(map_.rows(top, bottom), map_.source_hw) / (FEATHER * max(map_.source_hw))
            weight = part * (1 + depth).clamp(1e-3, 1)
            total = total + weight * reader.read(map_, top, bottom)
            weights = weights + weight
        return total / weights

    def _control_points(
        self, field: Correspondence, by_hand: Matches | None
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n 2"], Float[Tensor, " n"]]:
        """Returns where control points start and end, in frame coordinates, and their weights."""
        inner = spline.lattice_knots(self.frame_hw, KNOTS).float()
        points = torch.cat([inner, _rim(self.frame_hw)])
        in_target = self._places[1].to_picture(points)
        confidence = field.warp.confidence_at(in_target)
        partner = self._places[0].to_frame(field.warp.at(in_target))
        # Anchors hold the rim where nothing is known, and let go where matches reach it.
        rim = torch.arange(len(points)) >= len(inner)
        start = torch.where(rim[:, None], torch.lerp(points, partner, confidence[:, None]), partner)
        weight = torch.where(rim, confidence.clamp_min(ANCHOR_WEIGHT), confidence)
        used = weight > 0.02
        start, end, weight = start[used], points[used], weight[used]
        if by_hand is not None:
            start = torch.cat([start, self._places[0].to_frame(by_hand.source)])
            end = torch.cat([end, self._places[1].to_frame(by_hand.target)])
            weight = torch.cat([weight, torch.full((len(by_hand),), EXACT)])
        return start, end, weight

    def _maps(self, s: float, smoothing: float) -> list[Warp]:
        """Returns the maps from the frame at shape s into both pictures."""
        between = torch.lerp(self._start, self._end, s)
        fitted = spline.fit(
            between,
            torch.cat([self._start, self._end], dim=1),
            smoothing=smoothing,
            weights=self._weight,
            frame_hw=self.frame_hw,
        )
        both = _Pair(fitted, self.frame_hw, self._finer)
        ends = zip(self._places, self._readers, strict=True)
        return [both.warp(k, place, reader.hw) for k, (place, reader) in enumerate(ends)]

    def _refinement(self, by_hand: Matches) -> int:
        """Returns how much finer than usual the lattice must be to follow the spline to the points set by hand."""
        start, end = self._places[0].to_frame(by_hand.source), self._places[1].to_frame(by_hand.target)
        self._finer = 1
        while self._finer < FINEST:
            missed = 0.0
            for s in (0.0, 0.5, 1.0):
                between = torch.lerp(start, end, s)
                for map_, points in zip(self._maps(s, SMOOTHING), (by_hand.source, by_hand.target), strict=True):
                    missed = max(missed, float((map_.at(between) - points).norm(dim=-1).max()))
            if missed <= HAND_TOLERANCE:
                break
            self._finer *= 2
        return self._finer

    def _unfolding(self) -> float:
        """Returns the smallest smoothing on a ladder at which no moment folds."""
        smoothing = SMOOTHING
        for _ in range(12):
            moments = [self._maps(s, smoothing) for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
            if all(float(map_.determinants().min()) > 0 for maps in moments for map_ in maps):
                return smoothing
            smoothing *= 4
        return smoothing


class _Pair:
    """A spline to both pictures, sampled once on the frame's lattice."""

    def __init__(self, fitted: spline.ThinPlateSpline, frame_hw: Hw, finer: int) -> None:
        positions = Warp.lattice(frame_hw, finer)
        self._values = fitted(positions.reshape(-1, 2)).reshape(*positions.shape[:2], 4).float()
        self._frame_hw = frame_hw

    def warp(self, which: int, place: Placement, picture_hw: Hw) -> Warp:
        nodes = place.to_picture(self._values[..., 2 * which : 2 * which + 2])
        return Warp(nodes, torch.ones(nodes.shape[:2]), picture_hw, self._frame_hw)


def facing_one_way(
    pictures: list[Image], fields: list[Correspondence]
) -> tuple[list[Image], list[Correspondence], list[bool]]:
    """Mirrors pictures so that no transition has to turn one over, which would squeeze it through a line half-way.

    The first picture stays as it is.

    Args:
        pictures: of a film, in order.
        fields: the correspondence from each to the next.

    Returns:
        The pictures and fields, and which pictures were mirrored.
    """
    mirrored = [False]
    for field in fields:
        mirrored.append(mirrored[-1] != field.pose.mirrored)
    turned = []
    for field, first, second in zip(fields, mirrored[:-1], mirrored[1:], strict=True):
        field = field.source_mirrored() if first else field
        turned.append(field.target_mirrored() if second else field)
    shown = [picture.mirrored() if flip else picture for picture, flip in zip(pictures, mirrored, strict=True)]
    return shown, turned, mirrored


def frames(morphs: list[Morph], moments: Iterator[Moment]) -> Iterator[NDArray[np.uint8]]:
    """Yields the frames of a film; a moment that stands still is drawn once."""
    last: tuple[Moment, NDArray[np.uint8]] | None = None
    for moment in moments:
        if last is None or last[0] != moment:
            last = (moment, morphs[moment.transition].frame(moment.t))
        yield last[1]


def _linear_planes(image: Image, alpha: bool) -> Float[Tensor, "c h w"]:
    linear = light.to_linear(image.rgb)
    if not alpha:
        return linear
    coverage = torch.ones_like(linear[:1]) if image.alpha is None else image.alpha
    return torch.cat([linear * coverage, coverage])


def _encoded(planes: Float[Tensor, "c h w"]) -> Tensor:
    """Returns (h, w, c) 8-bit sRGB of linear premultiplied planes."""
    if planes.shape[0] == 3:
        return light.to_srgb_bytes(planes).permute(1, 2, 0)
    alpha = planes[3:]
    rgb = light.to_srgb_bytes((planes[:3] / alpha.clamp_min(1e-6)).clamp(0, 1))
    return torch.cat([rgb, (alpha * 255 + 0.5).clamp(0, 255).to(torch.uint8)]).permute(1, 2, 0)


def _depth(positions: Float[Tensor, "h w 2"], hw: Hw) -> Float[Tensor, "h w"]:
    """Returns how many pixels inside a picture's frame positions lie; negative outside."""
    return torch.minimum(positions, coords.wh(hw, positions) - positions).min(dim=-1).values


def _rim(hw: Hw) -> Float[Tensor, "n 2"]:
    """Returns anchors along the frame's border, corners included."""
    h, w = hw
    along = torch.linspace(0, 1, ANCHORS + 1)[:-1]
    zero, one = torch.zeros_like(along), torch.ones_like(along)
    sides = [(along, zero), (one, along), (1 - along, one), (zero, 1 - along)]
    return torch.cat([torch.stack([x * w, y * h], dim=-1) for x, y in sides])
