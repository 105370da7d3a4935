"""What warping a large picture takes: python -m tests.benchmarks.big_warp [SOURCE TARGET] [--side 8660] [--suffix jpg]

Enlarges two pictures (samples unless named) to so many pixels along their longer side, 3:2, 50 megapixels by default,
and has `semcorr warp` draw the first in the layout of the second in a process of its own: its peak memory and time.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

SAMPLES = Path(__file__).parents[2] / "samples"


def enlarge(source: Path, target: Path, side: int) -> None:
    with Image.open(source) as picture:
        picture.convert("RGB").resize((side, round(side * 2 / 3)), Image.Resampling.BICUBIC).save(target, quality=90)


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
    parser.add_argument("--suffix", default="jpg", help="of the result")
    parser.add_argument("--options", default="", help="of warp, in one word")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pair = [Path(scratch) / f"{name}.jpg" for name in ("source", "target")]
        for small, large in zip((arguments.source, arguments.target), pair, strict=True):
            # In a process of its own: a child's peak begins with what its parent had.
            process = multiprocessing.get_context("spawn").Process(target=enlarge, args=(small, large, arguments.side))
            process.start()
            process.join()
        result = Path(scratch) / f"result.{arguments.suffix}"
        command = [sys.executable, "-m", "semcorr_cli", "warp", *map(str, pair), "-q", "-o", str(result)]
        megabytes, seconds, processor = peak([*command, *arguments.options.split()])
        with Image.open(result) as picture:
            print(f"{picture.width} × {picture.height} pixels: {megabytes:.0f} MB at most, {seconds:.0f} s", end="")
            print(f", {processor:.0f} s of processor time")


if __name__ == "__main__":
    main()
