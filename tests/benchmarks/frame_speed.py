"""What a frame of a morph costs: python -m tests.benchmarks.frame_speed A B

A 1024 × 1024 frame of two pictures (both warps, bicubic reading, blending in linear light, 8-bit encoding) against two
bare bilinear `grid_sample` calls of that size; medians of processor time in one run.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.image import Image
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

HW = (1024, 1024)
ROUNDS = 15


def enlarged(path: str) -> Image:
    image = images.load(path)
    rgb = functional.interpolate(image.rgb[None], size=HW, mode="bicubic")[0].clamp(0, 1)
    return replace(image, rgb=rgb, alpha=None, digest="")


def seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return sorted(times)[ROUNDS // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a")
    parser.add_argument("b")
    arguments = parser.parse_args()
    pair = enlarged(arguments.a), enlarged(arguments.b)
    session = Session(SessionOptions(features="sift"), Settings.from_environment())
    morph = Morph(*pair, session.correspond(*pair), HW, MorphOptions())
    grids = [coords.pixels_to_unit(map_.rows(0, HW[0]), HW)[None] for map_ in morph.shape.maps(0.4)]
    planes = pair[0].rgb[None]
    bare = seconds(lambda: [functional.grid_sample(planes, grid, align_corners=False) for grid in grids])
    frame = seconds(lambda: morph.frame(0.4))
    points = len(morph.shape.controls.start)
    print(f"{points} points: {1000 * frame:.0f} ms a frame, {1000 * bare:.0f} ms bare: {frame / bare:.1f} times")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
