"""Palettes for GIF frames: k-means in RGB, carried from frame to frame so that colours do not flicker."""

import hashlib

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor

BITS = 5
"""Bits a channel of the histogram on which palettes are fitted and pixels mapped."""

ROUNDS = 2
"""Lloyd iterations a frame; the start is already close."""

CLEAR = 255
"""Palette index kept for transparent pixels in pictures with alpha."""


class Palette:
    """Maps frames to 256 colours; each frame's palette starts from the last one's."""

    def __init__(self) -> None:
        self._colours: Float[Tensor, "k 3"] | None = None
        self._last: tuple[bytes, tuple[NDArray[np.uint8], NDArray[np.uint8]]] | None = None

    def map(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Reduces a frame.

        Args:
            frame: (h, w, 3), or (h, w, 4) whose alpha is cut at one half.

        Returns:
            indices (h, w) and the palette (256, 4) of alpha, red, green, blue, both 8-bit.
        """
        digest = hashlib.sha256(frame.tobytes()).digest()
        if self._last is None or self._last[0] != digest:  # a picture that stands still must not flicker
            self._last = digest, self._reduced(frame)
        return self._last[1]

    def _reduced(self, frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        clear = frame[..., 3] < 128 if frame.shape[2] == 4 else None
        rgb = np.ascontiguousarray(frame[..., :3])
        code = _codes(rgb)
        seen = code.ravel() if clear is None else code[~clear]
        pixels = rgb.reshape(-1, 3) if clear is None else rgb[~clear]
        count = 256 if clear is None else CLEAR
        palette = np.zeros((256, 4), np.uint8)
        palette[:count, 3] = 255
        table = np.zeros(1 << (3 * BITS), np.uint8)
        if seen.size:
            used, weights, points = _histogram(seen, pixels)
            start = self._colours if self._colours is not None else _start(rgb, count)
            self._colours = _lloyd(points, weights, start[:count])
            rounded = self._colours.round().clamp(0, 255)
            palette[: len(rounded), :3] = rounded.numpy().astype(np.uint8)
            table[used] = _nearest(points, rounded).numpy().astype(np.uint8)
        indices = table[code]
        if clear is not None:
            indices[clear] = CLEAR
        return indices, np.ascontiguousarray(palette[:, [3, 0, 1, 2]])


def _codes(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Returns each pixel's histogram cell."""
    coarse = (rgb >> (8 - BITS)).astype(np.int32)
    return (coarse[..., 0] << (2 * BITS)) | (coarse[..., 1] << BITS) | coarse[..., 2]


def _histogram(
    code: NDArray[np.int32], pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.intp], Float[Tensor, " n"], Float[Tensor, "n 3"]]:
    """Returns the occupied cells, their pixel counts and their mean colours."""
    cells = 1 << (3 * BITS)
    counts = np.bincount(code, minlength=cells)
    used = np.flatnonzero(counts)
    sums = [np.bincount(code, weights=pixels[:, channel], minlength=cells)[used] for channel in range(3)]
    means = np.stack(sums, axis=1) / counts[used, None]
    return used, torch.from_numpy(counts[used]).float(), torch.from_numpy(means).float()


def _start(rgb: NDArray[np.uint8], count: int) -> Float[Tensor, "k 3"]:
    octree = Pillow.fromarray(rgb).quantize(count, method=Pillow.Quantize.FASTOCTREE).getpalette() or [0, 0, 0]
    return torch.tensor(octree, dtype=torch.float32).reshape(-1, 3)[:count]


def _nearest(points: Float[Tensor, "n 3"], colours: Float[Tensor, "k 3"]) -> Tensor:
    return (points @ colours.T - 0.5 * colours.square().sum(dim=1)).argmax(dim=1)


def _lloyd(
    points: Float[Tensor, "n 3"], weights: Float[Tensor, " n"], colours: Float[Tensor, "k 3"]
) -> Float[Tensor, "k 3"]:
    """Moves colours to the means of what they stand for; idle ones go where the error is largest."""
    for _ in range(ROUNDS):
        owner = _nearest(points, colours)
        total = torch.zeros(len(colours)).index_add_(0, owner, weights)
        sums = torch.zeros(len(colours), 3).index_add_(0, owner, points * weights[:, None])
        moved = torch.where(total[:, None] > 0, sums / total.clamp_min(1)[:, None], colours)
        idle = (total == 0).nonzero()[: len(points), 0]
        if len(idle):
            error = (points - moved[owner]).square().sum(dim=1) * weights
            moved[idle] = points[error.topk(len(idle)).indices]
        colours = moved
    return colours
