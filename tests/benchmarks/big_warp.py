"""What warping a large picture takes: python -m tests.benchmarks.big_warp [SOURCE TARGET] [--side 8660] [--only NAME]

Enlarges two pictures (samples unless named) to so many pixels along their longer side, 3:2, 50 megapixels by default,
and has `semcorr warp` draw the first in the layout of the second in a process of its own: its peak memory and time, for
every case: plain JPEG, PNG with alpha, 16-bit PNG with and without alpha, and over the target, with a mask.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

Image.MAX_IMAGE_PIXELS = None

SAMPLES = Path(__file__).parents[2] / "samples"


@dataclass(frozen=True)
class Case:
    """What is warped, and how."""

    suffix: str
    deep: bool = False
    alpha: bool = False
    options: tuple[str, ...] = ()
    masked: bool = False


CASES = {
    "jpeg": Case(".jpg"),
    "alpha": Case(".png", alpha=True),
    "16 bits": Case(".png", deep=True),
    "16 bits, alpha": Case(".png", deep=True, alpha=True),
    "over the target": Case(".jpg", masked=True, options=("--background", "target")),
    "on nothing": Case(".png", masked=True, options=("--background", "transparent")),
    "16 bits, over the target": Case(".png", deep=True, masked=True, options=("--background", "target")),
}


def enlarge(small: Path, large: Path, side: int, case: Case) -> None:
    """Writes a large copy, opaque in an ellipse if it has alpha; and that ellipse as its mask."""
    wh = side, round(side * 2 / 3)
    disc = Image.new("L", (300, 200))
    ImageDraw.Draw(disc).ellipse((40, 30, 260, 170), fill=255)
    disc = disc.resize(wh, Image.Resampling.BILINEAR)
    disc.save(large.with_suffix(".mask.png"), compress_level=1)
    with Image.open(small) as picture:
        rgb = picture.convert("RGB").resize(wh, Image.Resampling.BICUBIC)
    if case.suffix == ".jpg":
        rgb.save(large, quality=90)
        return
    planes = np.dstack([np.asarray(rgb)[..., ::-1], *([np.asarray(disc)] if case.alpha else [])])
    cv2.imwrite(str(large), planes.astype(np.uint16) * 257 if case.deep else planes, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def peak(command: list[str]) -> tuple[float, float, float]:
    """Returns the megabytes, the seconds on the clock and the processor seconds that a process took."""
    start = time.perf_counter()
    _, status, usage = os.wait4(subprocess.Popen(command).pid, 0)
    if status:
        raise SystemExit("the command failed")
    return usage.ru_maxrss / 1024, time.perf_counter() - start, usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", nargs="?", type=Path, default=SAMPLES / "beetle.jpg")
    parser.add_argument("target", nargs="?", type=Path, default=SAMPLES / "van.jpg")
    parser.add_argument("--side", type=int, default=8660)
    parser.add_argument("--only", choices=CASES, help="one case instead of all")
    arguments = parser.parse_args()
    for name in CASES if arguments.only is None else [arguments.only]:
        measure(name, CASES[name], (arguments.source, arguments.target), arguments.side)


def measure(name: str, case: Case, smalls: tuple[Path, Path], side: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pair = [Path(scratch) / f"{role}{case.suffix}" for role in ("source", "target")]
        for small, large in zip(smalls, pair, strict=True):
            # In a process of its own: a child's peak begins with what its parent had.
            process = multiprocessing.get_context("spawn").Process(target=enlarge, args=(small, large, side, case))
            process.start()
            process.join()
        result = Path(scratch) / f"result{case.suffix}"
        masks = ("--source-mask", str(pair[0].with_suffix(".mask.png"))) if case.masked else ()
        command = [sys.executable, "-m", "semcorr_cli", "warp", *map(str, pair), "-q", "-o", str(result)]
        megabytes, seconds, processor = peak([*command, *case.options, *masks])
        with Image.open(result) as picture:
            print(f"{name:26} {picture.width} × {picture.height} pixels: {megabytes:5.0f} MB at most", end="")
            print(f", {seconds:3.0f} s, {processor:3.0f} s of processor time", flush=True)


if __name__ == "__main__":
    main()
