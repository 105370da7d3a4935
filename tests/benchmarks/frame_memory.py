"""What a film's length costs in memory: python -m tests.benchmarks.frame_memory A B [--size 256] [--long 600]

The whole command (features from the cache) in a process of its own, with 60 frames and with ten times as many, in every
format: the process's peak of resident memory for both, and the share by which the longer film needs more.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

SHORT = 60

KINDS = (
    ("gif", "film.gif", ()),
    ("gif, global palette", "film.gif", ("--gif-palette", "global")),
    ("webp", "film.webp", ()),
    ("apng", "film.png", ()),
    ("avif", "film.avif", ()),
    ("avif, transparent", "film.avif", ("--background", "transparent")),
    ("mp4", "film.mp4", ()),
    ("webm", "film.webm", ()),
    ("folder of png", "film", ()),
    ("folder of jpg", "film", ("--frame-format", "jpg")),
    ("gif, even, laplacian", "film.gif", ("--pace", "even", "--blend", "laplacian")),
)


def peak(arguments: list[str]) -> float:
    """Returns the most megabytes that a command held at once."""
    process = subprocess.Popen([sys.executable, "-m", "semcorr_cli", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"semcorr {' '.join(arguments)} failed")
    return usage.ru_maxrss / 1024


def mask(path: Path, picture: str) -> str:
    """Writes a mask of a picture's middle, and returns its path."""
    with Pillow.open(picture) as opened:
        w, h = opened.size
    plane = np.zeros((h, w), np.uint8)
    plane[h // 6 : -h // 6, w // 6 : -w // 6] = 255
    Pillow.fromarray(plane).save(path)
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a")
    parser.add_argument("b")
    parser.add_argument("--size", default="256")
    parser.add_argument("--long", type=int, default=10 * SHORT)
    parser.add_argument("--only", default="", help="formats whose name has this in it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        masks = mask(folder / "a.png", chosen.a), mask(folder / "b.png", chosen.b)
        for name, output, extra in KINDS:
            if chosen.only not in name:
                continue
            options = [*extra, "--size", chosen.size, "-q", "--overwrite", "-o", str(folder / output)]
            if "transparent" in extra:
                options += ["--source-mask", masks[0], "--target-mask", masks[1]]
            short, long = (
                peak(["morph", chosen.a, chosen.b, "--frames", str(count), *options]) for count in (SHORT, chosen.long)
            )
            more = 100 * (long / short - 1)
            print(
                f"{name:22} {SHORT} frames {short:5.0f} MB, {chosen.long} frames {long:5.0f} MB: {more:+5.1f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()
