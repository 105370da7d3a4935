"""Palettes for GIF frames: k-means in RGB, carried from frame to frame so that colours do not flicker."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, UInt8
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.io.film import Frame

BITS = 5
"""Bits a channel of the histogram on which palettes are fitted and pixels mapped."""

FINE_BITS = 6
"""The same where a dither's steps are to be seen, or one table serves all frames."""

ROUNDS = 2
"""Lloyd iterations a frame; the start is already close."""

FIRST_ROUNDS = 12
"""Lloyd iterations where there is no palette to start from."""

LOOKED_AT = 1 << 16
"""Pixels from which the mean colours of histogram cells are taken, of frames that have many more."""

AT_ONCE = 256
"""Colours compared with a palette at once: so few that NumPy does not call threads, which would wait for each other."""

CLEAR = 255
"""Palette index kept for transparent pixels in pictures with alpha."""

BAYER = 12
"""Height of the ordered dither, in 8-bit values."""

DITHERS = ("none", "bayer", "floyd-steinberg")
"""Ways to feign colours that the palette has not: none, a pattern that stands still, error diffusion."""

Colours = Float32[NDArray[np.float32], "k 3"]
Points = Float32[NDArray[np.float32], "n 3"]
Pixels = UInt8[NDArray[np.uint8], "p 3"]
Codes = Int32[NDArray[np.int32], " p"]


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """The colours of some pixels, by the cells of the colour cube that they lie in.

    Attributes:
        code: each pixel's cell.
        used: the cells that are occupied.
        counts: their pixels.
        means: the mean colours of these.
    """

    code: Codes
    used: NDArray[np.intp]
    counts: Float32[NDArray[np.float32], " n"]
    means: Points

    @classmethod
    def of(cls, pixels: Pixels, bits: int = BITS) -> "Histogram":
        """Counts pixels; where there are many, means are those of evenly chosen ones, and of all in rare cells."""
        code = _codes(pixels, bits)
        size = 1 << (3 * bits)
        counts = np.bincount(code, minlength=size)
        used = np.flatnonzero(counts)
        chosen = slice(0, None, len(code) // LOOKED_AT | 1)  # odd: mostly other columns in every row
        looked = np.bincount(code[chosen], minlength=size)
        rare = np.flatnonzero((looked == 0).take(code))
        at, colours = np.concatenate([code[chosen], code[rare]]), np.concatenate([pixels[chosen], pixels[rare]])
        sums = [np.bincount(at, weights=colours[:, channel], minlength=size)[used] for channel in range(3)]
        means = np.stack(sums, axis=1) / np.where(looked == 0, counts, looked)[used, None]
        return cls(code, used, counts[used].astype(np.float32), means.astype(np.float32))


class Palette:
    """Maps frames to 256 colours; each frame's palette starts from the last one's, or all frames have one."""

    def __init__(self, dither: str = "none", colours: Colours | None = None) -> None:
        """Prepares a palette.

        Args:
            dither: one of `DITHERS`.
            colours: of all frames; None where each has its own.
        """
        self._dither = dither
        self._colours = colours
        self._table = None if colours is None else _table(np.clip(np.rint(colours), 0, 255))
        self._last: tuple[Frame, tuple[Frame, Frame]] | None = None

    @classmethod
    def of(cls, frames: Iterable[Frame], dither: str = "none") -> "Palette":
        """Returns one palette for frames like these, one after the other."""
        counts, sums = np.zeros(1 << (3 * BITS)), np.zeros((1 << (3 * BITS), 3))
        rows, count = [], 256
        for frame in frames:
            seen = frame.reshape(-1, frame.shape[2])
            if frame.shape[2] == 4:
                seen, count = seen[seen[:, 3] >= 128], CLEAR
            histogram = Histogram.of(seen[:, :3])
            counts[histogram.used] += histogram.counts
            sums[histogram.used] += histogram.counts[:, None] * histogram.means
            rows.append(frame[::8, :, :3])
        used = np.flatnonzero(counts)
        if not used.size:
            return cls(dither)
        points = (sums[used] / counts[used, None]).astype(np.float32)
        weights = counts[used].astype(np.float32)
        return cls(dither, _lloyd(points, weights, _start(np.concatenate(rows), count), FIRST_ROUNDS))

    def map(self, frame: Frame) -> tuple[Frame, Frame]:
        """Reduces a frame.

        Args:
            frame: (h, w, 3), or (h, w, 4) whose alpha is cut at one half.

        Returns:
            indices (h, w) and the palette (256, 4) of alpha, red, green, blue, both 8-bit.
        """
        if self._last is None or not np.array_equal(self._last[0], frame):  # what stands still must not flicker
            self._last = frame, self._reduced(frame)
        return self._last[1]

    def _reduced(self, frame: Frame) -> tuple[Frame, Frame]:
        clear = frame[..., 3] < 128 if frame.shape[2] == 4 else None
        rgb = np.ascontiguousarray(frame[..., :3])
        palette = np.zeros((256, 4), np.uint8)
        palette[: 256 if clear is None else CLEAR, 3] = 255
        indices = np.zeros(rgb.shape[:2], np.uint8)
        seen = rgb.reshape(-1, 3) if clear is None else rgb[~clear]
        if seen.size:
            histogram = None
            if self._table is None:
                histogram = Histogram.of(seen)
                self._colours = self._fitted(histogram, rgb, 256 if clear is None else CLEAR)
            assert self._colours is not None
            rounded = np.clip(np.rint(self._colours), 0, 255)
            palette[: len(rounded), :3] = rounded
            indices = self._indices(rgb, rounded, histogram if clear is None else None)
        if clear is not None:
            indices[clear] = CLEAR
        return indices, np.ascontiguousarray(palette[:, [3, 0, 1, 2]])

    def _fitted(self, seen: Histogram, rgb: Frame, count: int) -> Colours:
        start = _start(rgb, count) if self._colours is None else self._colours[:count]
        return _lloyd(seen.means, seen.counts, start, ROUNDS)

    def _indices(self, rgb: Frame, colours: Colours, histogram: Histogram | None) -> Frame:
        """Returns what stands for every pixel; a histogram of the frame, if there is one, is used again."""
        if self._dither == "floyd-steinberg":
            return _diffused(rgb, colours)
        is_patterned = self._dither == "bayer"
        rgb = _patterned(rgb) if is_patterned else rgb
        if self._table is not None:
            return self._table.take(_codes(rgb.reshape(-1, 3), FINE_BITS)).reshape(rgb.shape[:2])
        bits = FINE_BITS if is_patterned else BITS
        if histogram is None or is_patterned:
            histogram = Histogram.of(rgb.reshape(-1, 3), bits)
        table = np.zeros(1 << (3 * bits), np.uint8)
        table[histogram.used] = _nearest(histogram.means, colours)
        return table.take(histogram.code).reshape(rgb.shape[:2])


def _codes(rgb: Pixels, bits: int) -> Codes:
    """Returns each pixel's histogram cell."""
    coarse = rgb >> (8 - bits)
    code = coarse[:, 0].astype(np.int32)
    code <<= bits
    code |= coarse[:, 1]
    code <<= bits
    code |= coarse[:, 2]
    return code


def _start(rgb: Frame, count: int) -> Colours:
    octree = Pillow.fromarray(rgb).quantize(count, method=Pillow.Quantize.FASTOCTREE).getpalette() or [0, 0, 0]
    return np.array(octree, np.float32).reshape(-1, 3)[:count]


def _nearest(points: Points, colours: Colours) -> NDArray[np.intp]:
    near, half = np.empty(len(points), np.intp), 0.5 * np.square(colours).sum(axis=1)
    for first in range(0, len(points), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        (points[part] @ colours.T - half).argmax(axis=1, out=near[part])
    return near


def _table(colours: Colours) -> UInt8[NDArray[np.uint8], " c"]:
    """Returns the nearest colour of every cell, so that what stands still in a film keeps its index."""
    side = (np.arange(1 << FINE_BITS, dtype=np.float32) + 0.5) * (256 >> FINE_BITS) - 0.5
    plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    slices = [_nearest(np.insert(plane, 0, red, axis=1), colours) for red in side]
    return np.concatenate(slices).astype(np.uint8)


def _lloyd(points: Points, weights: Float32[NDArray[np.float32], " n"], colours: Colours, rounds: int) -> Colours:
    """Moves colours to the means of what they stand for; idle ones go where the error is largest."""
    for _ in range(rounds):
        owner = _nearest(points, colours)
        total = np.bincount(owner, weights, len(colours))
        sums = np.stack([np.bincount(owner, points[:, k] * weights, len(colours)) for k in range(3)], axis=1)
        moved = np.where(total[:, None] > 0, sums / np.maximum(total, 1)[:, None], colours).astype(np.float32)
        idle = np.flatnonzero(total == 0)[: len(points)]
        if idle.size:
            error = np.square(points - moved[owner]).sum(axis=1) * weights
            moved[idle] = points[np.argsort(-error, kind="stable")[: idle.size]]
        colours = moved
    return colours


def _patterned(rgb: Frame) -> Frame:
    """Adds a pattern that stands still: a matrix of thresholds in which neighbours differ most (Bayer 1973)."""
    h, w = rgb.shape[:2]
    matrix = np.zeros((1, 1))
    for _ in range(3):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    offset = np.rint(BAYER * ((matrix + 0.5) / matrix.size - 0.5)).astype(np.int16)
    tiled = np.tile(offset, (-(-h // 8), -(-w // 8)))[:h, :w, None]
    patterned: Frame = np.clip(rgb + tiled, 0, 255).astype(np.uint8)
    return patterned


def _diffused(rgb: Frame, colours: Colours) -> Frame:
    """Spreads each pixel's error over its neighbours (Floyd & Steinberg 1976)."""
    table = Pillow.new("P", (1, 1))
    table.putpalette(colours.astype(np.uint8).tobytes())
    drawn = Pillow.fromarray(rgb).quantize(palette=table, dither=Pillow.Dither.FLOYDSTEINBERG)
    return np.array(drawn, np.uint8)
