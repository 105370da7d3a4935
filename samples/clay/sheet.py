"""A sheet to look at: every pair of a folder as source, target, and the source warped onto the target by the truth."""

import json
from pathlib import Path

import cv2
import numpy as np

from clay.codec import read_map

SIDE = 192
EMPTY = (228, 228, 236)


def sheet(folder: Path, across: int = 2) -> np.ndarray:
    """Draws the sheet (h, w, 3) uint8 with `across` pairs a row."""
    pairs = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))["pairs"]
    strips = []
    for pair in pairs:
        source, target = (
            cv2.cvtColor(cv2.imread(str(folder / pair[end])), cv2.COLOR_BGR2RGB) for end in ("source", "target")
        )
        strips.append(np.hstack([_fitted(v) for v in (source, target, warped(source, read_map(folder / pair["map"])))]))
    strips += [np.full_like(strips[0], 255)] * (-len(strips) % across)
    return np.vstack([np.hstack(strips[i : i + across]) for i in range(0, len(strips), across)])


def warped(source: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Reads a picture at a map's places; a plain colour where there is none."""
    at = np.nan_to_num(xy - 0.5, nan=-9.0).astype(np.float32)
    drawn = cv2.remap(source, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    drawn[np.isnan(xy[..., 0])] = EMPTY
    return drawn


def _fitted(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[:2]
    scale = SIDE / max(h, w)
    small = cv2.resize(picture, (round(w * scale), round(h * scale)), interpolation=cv2.INTER_AREA)
    pad = [(SIDE - n, 0) for n in small.shape[:2]]
    return np.pad(small, (pad[0], (pad[1][0] // 2, pad[1][0] - pad[1][0] // 2), (0, 0)), constant_values=255)
