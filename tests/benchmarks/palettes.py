"""GIF palettes against Pillow's: python -m tests.benchmarks.palettes A B

The frames of a morph, reduced to 256 colours without dither by our palette and by each of Pillow's: mean PSNR of the
frames, and how many pixels change between neighbouring frames of a still film (flicker; none is best).
"""

import argparse
import statistics
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.io import images
from semcorr_cli.io.palette import Palette
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

FRAMES = 9
SIDE = 480


def psnr(frame: NDArray[np.uint8], reduced: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255**2 / np.mean((frame.astype(np.float64) - reduced) ** 2)))


def ours(frames: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    palette = Palette()
    return [colours[indices][..., 1:] for indices, colours in (palette.map(frame) for frame in frames)]


def pillows(frames: list[NDArray[np.uint8]], method: Pillow.Quantize, *, shared: bool) -> list[NDArray[np.uint8]]:
    pictures = [Pillow.fromarray(frame) for frame in frames]
    if not shared:
        return [np.asarray(p.quantize(256, method, dither=Pillow.Dither.NONE).convert("RGB")) for p in pictures]
    strip = Pillow.fromarray(np.concatenate(frames)).quantize(256, method)
    return [np.asarray(p.quantize(palette=strip, dither=Pillow.Dither.NONE).convert("RGB")) for p in pictures]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a")
    parser.add_argument("b")
    arguments = parser.parse_args()
    pair = images.load(arguments.a), images.load(arguments.b)
    field = Session(SessionOptions(), Settings.from_environment()).correspond(*pair)
    h, w = pair[0].hw
    hw = (round(h * SIDE / max(h, w)), round(w * SIDE / max(h, w)))
    morph = Morph(*pair, field, hw, MorphOptions())
    frames = [morph.frame(k / (FRAMES - 1)) for k in range(FRAMES)]
    rows = {"ours, carried from frame to frame": ours(frames)}
    for method in (Pillow.Quantize.MEDIANCUT, Pillow.Quantize.MAXCOVERAGE, Pillow.Quantize.FASTOCTREE):
        rows[f"Pillow {method.name}, each frame its own"] = pillows(frames, method, shared=False)
    rows["Pillow MEDIANCUT, one for all"] = pillows(frames, Pillow.Quantize.MEDIANCUT, shared=True)
    for name, reduced in rows.items():
        print(f"{name:40} {statistics.mean(psnr(f, r) for f, r in zip(frames, reduced, strict=True)):6.2f} dB")
    still = ours([frames[4]] * 4)
    changed = [float((a != b).any(axis=2).mean()) for a, b in pairwise(still)]
    print(f"flicker of a still film: {100 * statistics.mean(changed):.2f} % of the pixels")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
