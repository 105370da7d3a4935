"""The shape of a morph at every moment: maps from the frame into both pictures, free of folds."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from semcorr_cli.core import coords, spline
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.controls import KNOTS, Controls
from semcorr_cli.effects.placement import Placement

SMOOTHING = 1e-5
"""λ of the in-between splines, raised until nothing folds: first for the points near folds, then for all."""

STIFFENING = 4.0
"""Factor by which λ grows."""

STIFFENINGS = 12
"""How often it may grow, near folds and everywhere; what folds then still, stays folded, and is told."""

NEAR = 1.5
"""How far from a fold points are near it, in distances between neighbouring control points."""

MOMENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shapes that are looked at for folds."""

CELLS = 64
"""Lattice cells along the frame's longer side; half as many as elsewhere, for maps that are made a frame at a time."""

HAND_TOLERANCE = 0.25
"""Pixels by which the lattice may miss a point set by hand before it is made finer."""

FINEST = 4
"""How many times finer it may become."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """Where the shape could not do what the points set by hand say.

    Attributes:
        missed: by how many pixels of the frame each of these points is missed, at the worst moment.
        fold_share: share of the frame that folds at the worst moment.
    """

    missed: tuple[float, ...]
    fold_share: float


class Shape:
    """Control points on their way, and the splines through them."""

    def __init__(
        self,
        controls: Controls,
        places: tuple[Placement, Placement],
        pictures_hw: tuple[Hw, Hw],
        frame_hw: Hw,
        path: str,
        by_hand: int = 0,
    ) -> None:
        """Finds the smoothing at which no moment folds.

        Args:
            controls: the control points.
            places: where the two pictures lie in the frame.
            pictures_hw: their sizes.
            frame_hw: size of the frame.
            path: one of `controls.PATHS`.
            by_hand: how many control points, the last ones, were set by hand and must be met exactly.
        """
        self.controls = controls
        self._places = places
        self._pictures_hw = pictures_hw
        self._frame_hw = frame_hw
        self._path = path
        self._by_hand = by_hand
        self._finer = 1
        self._smoothing = SMOOTHING
        self._slack = torch.ones_like(controls.weight)
        while self._by_hand and self._finer < FINEST and max(self._missed()) > HAND_TOLERANCE:
            self._finer *= 2
        self._fold_share = self._unfold()

    def maps(self, s: float) -> tuple[Warp, Warp]:
        """Returns the maps from the frame at shape s into both pictures."""
        c = self.controls
        fitted = spline.fit(
            c.between(s, self._path),
            torch.cat([c.start, c.end], dim=1),
            smoothing=self._smoothing,
            weights=c.weight / self._slack,
            frame_hw=self._frame_hw,
        )
        positions = Warp.lattice(self._frame_hw, self._finer, cells=CELLS)
        values = fitted.on_grid(positions[0, :, 0], positions[:, 0, 1])
        ends = zip(values.split(2, dim=-1), self._places, self._pictures_hw, strict=True)
        first, second = (
            Warp(place.to_picture(nodes), torch.ones(nodes.shape[:2]), hw, self._frame_hw) for nodes, place, hw in ends
        )
        return first, second

    def misfit(self) -> Misfit:
        """Returns how far the points set by hand are met, and what folds nevertheless."""
        return Misfit(tuple(self._missed()), self._fold_share)

    def _missed(self) -> list[float]:
        """Returns by how many frame pixels each point set by hand is missed, at the worst moment."""
        worst = torch.zeros(self._by_hand)
        own = slice(len(self.controls.start) - self._by_hand, None)
        for s in (0.0, 0.5, 1.0):
            between = self.controls.between(s, self._path)[own]
            ends = zip(self.maps(s), self._places, (self.controls.start, self.controls.end), strict=True)
            for map_, place, points in ends:
                worst = torch.maximum(worst, (place.to_frame(map_.at(between)) - points[own]).norm(dim=-1))
        return [float(pixels) for pixels in worst]

    def _unfold(self) -> float:
        """Raises the smoothing until no moment folds; returns the share of the frame that folds at the worst one."""
        for attempt in range(2 * STIFFENINGS):
            folds = self._folds()
            if not folds:
                return 0.0
            near = self._near(folds)
            if attempt < STIFFENINGS and bool(near.any()):
                self._slack = torch.where(near, STIFFENING * self._slack, self._slack)
            else:
                self._smoothing *= STIFFENING
        return max((float(folded.float().mean()) for _, folded in self._folds()), default=0.0)

    def _folds(self) -> list[tuple[float, Bool[Tensor, "rows columns"]]]:
        """Returns which of the frame's lattice cells fold, at the moments at which any do."""
        folds = [(s, map_.determinants().amin(dim=-1) <= 0) for s in MOMENTS for map_ in self.maps(s)]
        return [(s, folded) for s, folded in folds if bool(folded.any())]

    def _near(self, folds: list[tuple[float, Bool[Tensor, "rows columns"]]]) -> Bool[Tensor, " n"]:
        """Returns which control points lie near folds; those set by hand never do."""
        near = torch.zeros(len(self._slack), dtype=torch.bool)
        for s, folded in folds:
            cells = coords.cell_centres((folded.shape[0], folded.shape[1]), self._frame_hw)[folded.flatten()]
            distance = torch.cdist(self.controls.between(s, self._path).to(cells), cells).amin(dim=1)
            near |= distance <= NEAR * max(self._frame_hw) / KNOTS
        near[len(near) - self._by_hand :] = False
        return near


def depth(positions: Float[Tensor, "*grid 2"], hw: Hw) -> Float[Tensor, "*grid"]:
    """Returns how many pixels inside a picture's frame positions lie; negative outside."""
    size = positions.new_tensor([hw[1], hw[0]])
    return torch.minimum(positions, size - positions).min(dim=-1).values
