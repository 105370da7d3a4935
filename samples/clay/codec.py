"""How a dense map is kept in a file: in fixed point, as differences of differences from pixel to pixel.

On the target's grid (h, w): `delta` (h, w, 2) uint16, `steps` (how many make a pixel) and `source_hw`. To read it:

    steps = np.cumsum(np.cumsum(file["delta"], 0, dtype=np.uint16), 1, dtype=np.uint16)
    xy = np.where(steps == 65535, np.nan, steps / file["steps"])

Places count from the source's top-left corner, so the first pixel's centre is (0.5, 0.5). Sums wrap around at 65536,
which makes the differences exact. The error is at most half a step, 1/32 pixel.
"""

from pathlib import Path

import numpy as np

NONE = 65535
STEPS = 16


def write_map(path: Path, xy: np.ndarray, source_hw: tuple[int, int]) -> None:
    """Writes a map (h, w, 2), nan for none."""
    steps = np.where(np.isnan(xy), NONE, np.round(np.nan_to_num(xy) * STEPS)).astype(np.uint16)
    zero = np.zeros((1, 1, 1), np.uint16)
    rows = np.diff(steps, axis=0, prepend=np.broadcast_to(zero, (1, *steps.shape[1:])))
    delta = np.diff(rows, axis=1, prepend=np.broadcast_to(zero, (len(steps), 1, 2)))
    np.savez_compressed(path, delta=delta, steps=np.int64(STEPS), source_hw=np.array(source_hw))


def read_map(path: Path) -> np.ndarray:
    """Reads a map (h, w, 2) float32, nan for none."""
    with np.load(path) as file:
        steps = np.cumsum(np.cumsum(file["delta"], 0, dtype=np.uint16), 1, dtype=np.uint16)
        return np.where(steps == NONE, np.nan, steps / file["steps"]).astype(np.float32)
