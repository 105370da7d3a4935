"""Warp: for every target pixel, where to read in the source (a backward map), kept on a lattice."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords, processor
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.spline import ThinPlateSpline

LATTICE_STEP = 8
"""Target pixels between lattice nodes, before refinement."""

COARSEST_SIDE = 128
"""Lattice cells along the longer side at most in the first lattice: a smooth map needs no more, however large."""

TOLERANCE = 0.1
"""Largest error in source pixels that bilinear reading between nodes may make, measured at cell centres."""

REFINEMENTS = 2
"""How often the step may be halved to reach the tolerance."""

STRIPS_KEPT = 512
"""Strips of canvases whose place on the lattice is remembered: a film's frames ask for the same again and again."""

Field = Callable[[Float[Tensor, "n 2"]], Float[Tensor, "n 2"]]
"""Any function from target positions to source positions."""


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """A backward map from a target canvas into a source picture.

    Nodes lie on a regular lattice whose outermost nodes are the canvas's corners; between nodes the map is bilinear,
    so that its Jacobian determinant is exactly known from the corners of every lattice cell.

    Attributes:
        nodes: source position (x, y) at each node; node (i, j) of r × c lies at target (j·w/(c−1), i·h/(r−1)).
        confidence: trust in [0, 1] at each node; 0 where the map is only extrapolated.
        source_hw: size of the picture that is read.
        target_hw: size of the canvas that is drawn.
        mirrored: the map turns the source over (left and right change sides), so a sound determinant is negative.
    """

    nodes: Float[Tensor, "r c 2"]
    confidence: Float[Tensor, "r c"]
    source_hw: Hw
    target_hw: Hw
    mirrored: bool = False

    @classmethod
    def identity(cls, source_hw: Hw, target_hw: Hw, *, mirrored: bool = False) -> "Warp":
        """Returns the map that only resizes (and mirrors) the source to the canvas."""
        nodes = coords.resize_points(_node_positions((2, 2), target_hw), target_hw, source_hw)
        nodes = coords.mirror_points(nodes, source_hw) if mirrored else nodes
        return cls(nodes, torch.ones(nodes.shape[:2]), source_hw, target_hw, mirrored)

    @classmethod
    def sampled(cls, field: Field, source_hw: Hw, target_hw: Hw, *, mirrored: bool = False) -> "Warp":
        """Samples a smooth field on a lattice fine enough for `TOLERANCE`, with full confidence.

        The step is halved while reading between nodes would be off by more than the tolerance at a cell's centre. A
        finer lattice is filled in round the nodes that are known, and these centres.
        """

        def known(positions: Float[Tensor, "r c 2"]) -> Float[Tensor, "r c 2"]:
            if isinstance(field, ThinPlateSpline):
                return field.on_grid(positions[0, :, 0], positions[:, 0, 1])
            return field(positions.reshape(-1, 2)).reshape(positions.shape).float()

        nodes = known(cls.lattice(target_hw))
        for _ in range(REFINEMENTS):
            rows, columns = nodes.shape[0] - 1, nodes.shape[1] - 1
            if 2 * max(rows, columns) > max(target_hw):
                break
            finer = _node_positions((2 * rows + 1, 2 * columns + 1), target_hw)
            exact = known(finer[1::2, 1::2])
            read = (nodes[:-1, :-1] + nodes[:-1, 1:] + nodes[1:, :-1] + nodes[1:, 1:]) / 4
            if float((read - exact).square().sum(dim=-1).max()) <= TOLERANCE**2:
                break
            filled = torch.empty_like(finer)
            filled[::2, ::2], filled[1::2, 1::2] = nodes, exact
            filled[::2, 1::2], filled[1::2, ::2] = known(finer[::2, 1::2]), known(finer[1::2, ::2])
            nodes = filled
        return cls(nodes, torch.ones(nodes.shape[:2]), source_hw, target_hw, mirrored)

    @staticmethod
    def lattice(target_hw: Hw, finer: int = 1, *, cells: int = COARSEST_SIDE) -> Float[Tensor, "r c 2"]:
        """Returns the node positions that a warp onto a canvas starts with, or a lattice so many times finer.

        Args:
            target_hw: size of the canvas.
            finer: how many times finer.
            cells: cells along the longer side at most, before that.
        """
        step = max(LATTICE_STEP, max(target_hw) / cells)
        rows, columns = (finer * max(2, math.ceil(side / step)) for side in target_hw)
        return _node_positions((rows + 1, columns + 1), target_hw)

    def rows(self, top: int, bottom: int) -> Float[Tensor, "h w 2"]:
        """Returns the map at the pixel centres of the canvas rows `top` to `bottom` (exclusive)."""
        return Lines(self.nodes, self.target_hw).rows(top, bottom)

    def confidence_rows(self, top: int, bottom: int) -> Float[Tensor, "h w"]:
        """Returns the confidence at the pixel centres of the canvas rows `top` to `bottom` (exclusive)."""
        return Lines(self.confidence[..., None], self.target_hw).rows(top, bottom)[..., 0]

    def at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """Returns source positions for target positions, extrapolating linearly outside the canvas."""
        return _read_points(self.nodes, self.target_hw, xy)

    def confidence_at(self, xy: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        """Returns the confidence at target positions; outside the canvas that of the border."""
        inside = torch.minimum(xy.clamp_min(0), coords.wh(self.target_hw, xy))
        return _read_points(self.confidence[..., None], self.target_hw, inside)[:, 0].clamp(0, 1)

    def with_confidence(self, confidence: Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]]) -> "Warp":
        """Returns the map with a confidence computed at its nodes' target positions."""
        r, c = self.confidence.shape
        positions = _node_positions((r, c), self.target_hw, device=self.nodes.device).reshape(-1, 2)
        return replace(self, confidence=confidence(positions).reshape(r, c).float().clamp(0, 1))

    def determinants(self) -> Float[Tensor, "rows columns 4"]:
        """Returns the Jacobian determinant at the four corners of every lattice cell.

        Source area per target area, each relative to its picture's size, positive where the map keeps its orientation
        (a mirrored map's sign is turned). Inside a cell the determinant is linear in each direction, so four positive
        corners prove that the cell does not fold.
        """
        n = self.nodes.double() / coords.wh(self.source_hw, self.nodes.double())
        across = (n[:, 1:] - n[:, :-1]) * (n.shape[1] - 1)
        down = (n[1:] - n[:-1]) * (n.shape[0] - 1)
        corners = [_cross(a, b) for a in (across[:-1], across[1:]) for b in (down[:, :-1], down[:, 1:])]
        return torch.stack(corners, dim=-1).float() * (-1 if self.mirrored else 1)

    def eased(self, strength: float) -> "Warp":
        """Returns the map part of the way from mere resizing (0) to itself (1); a mirrored map stays mirrored."""
        start = Warp.identity(self.source_hw, self.target_hw, mirrored=self.mirrored)
        r, c = self.confidence.shape
        still = start.at(_node_positions((r, c), self.target_hw).reshape(-1, 2)).reshape(r, c, 2).to(self.nodes)
        return replace(self, nodes=torch.lerp(still, self.nodes, strength))

    def resized(self, source_hw: Hw, target_hw: Hw) -> "Warp":
        """Returns the map between resized pictures."""
        nodes = coords.resize_points(self.nodes, self.source_hw, source_hw)
        return replace(self, nodes=nodes, source_hw=source_hw, target_hw=target_hw)

    def source_mirrored(self) -> "Warp":
        """Returns the map after the source picture was mirrored left to right."""
        return replace(self, nodes=coords.mirror_points(self.nodes, self.source_hw), mirrored=not self.mirrored)

    def target_mirrored(self) -> "Warp":
        """Returns the map after the canvas was mirrored left to right."""
        nodes, confidence = self.nodes.flip(1), self.confidence.flip(1)
        return replace(self, nodes=nodes, confidence=confidence, mirrored=not self.mirrored)

    def to(self, device: torch.device) -> "Warp":
        """Returns the map on a device."""
        return replace(self, nodes=self.nodes.to(device), confidence=self.confidence.to(device))


def _cross(a: Float[Tensor, "... 2"], b: Float[Tensor, "... 2"]) -> Float[Tensor, "..."]:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _node_positions(shape: Hw, target_hw: Hw, *, device: torch.device | None = None) -> Float[Tensor, "r c 2"]:
    y = torch.linspace(0, target_hw[0], shape[0], device=device)
    x = torch.linspace(0, target_hw[1], shape[1], device=device)
    return torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)


def _split(position: Float[Tensor, " n"], intervals: int, length: int) -> tuple[Tensor, Float[Tensor, " n"]]:
    """Returns the node before each position and the share of the way to the next; outside, the last interval's line."""
    scaled = position * (intervals / length)
    before = scaled.floor().clamp(0, intervals - 1)
    return before.long(), scaled - before


class Lines:
    """Values known at lattice nodes over a canvas, read at the centres of its pixels, any rows of it at a time.

    What lies between nodes across is worked out once, on the lattice's few rows; what lies between these is filled in
    at once where as many rows lie in every cell, else one cell after the other: nothing but the result is large.
    """

    def __init__(self, values: Float[Tensor, "r c d"], hw: Hw) -> None:
        """Remembers what is known.

        Args:
            values: at the nodes, whose outermost ones are the canvas's corners.
            hw: size of the canvas.
        """
        self._values = values
        self._hw = hw

    @functools.cached_property
    def _lines(self) -> Float[Tensor, "r w d"]:
        width, cells, device = self._hw[1], self._values.shape[1] - 1, self._values.device
        if width % cells == 0:
            rise = self._values.diff(dim=1)
            shares = _shares(width // cells, device)[:, 0]
            return torch.addcmul(self._values[:, :-1, None], shares, rise[:, :, None]).flatten(1, 2)
        x = coords.pixel_centres((1, width), device=device)[0, :, 0]
        column, across = _split(x, cells, width)
        before, after = self._values.index_select(1, column), self._values.index_select(1, column + 1)
        return torch.lerp(before, after, across[None, :, None])

    @functools.cached_property
    def _rise(self) -> Float[Tensor, "q w d"]:
        return self._lines.diff(dim=0)

    def rows(self, top: int, bottom: int, columns: slice = slice(None)) -> Float[Tensor, "h w d"]:
        """Returns the values in the canvas rows `top` to `bottom` (exclusive), or some columns of these."""
        lines, rise = self._lines[:, columns], self._rise[:, columns]
        cells = self._values.shape[0] - 1
        if self._hw[0] % cells == 0:
            each = self._hw[0] // cells
            first, last = top // each, -(-bottom // each)
            down = _shares(each, lines.device)
            whole = torch.addcmul(lines[first:last, None], down, rise[first:last, None]).flatten(0, 1)
            return whole[top - first * each : bottom - first * each]
        row, down = _lattice_rows(cells, self._hw[0], top, bottom, lines.device)
        if not processor.holds(lines) or self._hw[0] < 3 * cells:
            return rise.index_select(0, row).mul_(down).add_(lines.index_select(0, row))
        block = lines.new_empty(bottom - top, *lines.shape[1:])
        first, counts, shares = _cells_of(cells, self._hw[0], top, bottom)
        for cell, (part, share) in enumerate(zip(block.split(counts), shares, strict=True), start=first):
            torch.addcmul(lines[cell], share, rise[cell], out=part)
        return block


@functools.lru_cache(STRIPS_KEPT)
def _shares(each: int, device: torch.device) -> Float[Tensor, "each 1 1"]:
    """Returns the share of the way through its cell of each of the rows that lie in one."""
    return ((torch.arange(each, dtype=torch.float32, device=device) + 0.5) / each)[:, None, None]


@functools.lru_cache(STRIPS_KEPT)
def _lattice_rows(
    cells: int, height: int, top: int, bottom: int, device: torch.device
) -> tuple[Tensor, Float[Tensor, "h 1 1"]]:
    """Returns the lattice row before each row of a canvas, and the share of the way to the next."""
    y = torch.arange(top, bottom, dtype=torch.float32, device=device) + 0.5
    row, down = _split(y, cells, height)
    return row, down[:, None, None]


@functools.lru_cache(STRIPS_KEPT)
def _cells_of(
    cells: int, height: int, top: int, bottom: int
) -> tuple[int, list[int], tuple[Float[Tensor, "h 1 1"], ...]]:
    """Returns the first lattice cell that some rows of a canvas lie in, how many lie in each, and the rows' shares."""
    row, down = _lattice_rows(cells, height, top, bottom, torch.device("cpu"))
    first = int(row[0])
    counts = (row - first).bincount().tolist()
    return first, counts, down.split(counts)


def _read_points(values: Float[Tensor, "r c d"], hw: Hw, xy: Float[Tensor, "n 2"]) -> Float[Tensor, "n d"]:
    row, down = _split(xy[:, 1].to(values), values.shape[0] - 1, hw[0])
    column, across = _split(xy[:, 0].to(values), values.shape[1] - 1, hw[1])
    above = torch.lerp(values[row, column], values[row, column + 1], across[:, None])
    below = torch.lerp(values[row + 1, column], values[row + 1, column + 1], across[:, None])
    return torch.lerp(above, below, down[:, None])
