"""What a frame of a morph costs: python -m tests.benchmarks.frame_speed A B

A 1024 × 1024 frame of two pictures (both warps, bicubic reading, blending in linear light, 8-bit encoding) against two
bare bilinear `grid_sample` calls of that size, called in turns so that whatever else the machine does slows both; and
what each step of the frame takes. Medians of all rounds; the last line is the median of the rounds' ratios.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace

import cv2
import torch
from torch.nn import functional

from semcorr_cli.core import coords, resample
from semcorr_cli.core.image import Image
from semcorr_cli.effects.morph import Morph, MorphOptions, encoded
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

HW = (1024, 1024)
ROUNDS = 40
MOMENT = 0.4

Steps = dict[str, Callable[[], object]]


def enlarged(path: str) -> Image:
    image = images.load(path)
    rgb = functional.interpolate(image.rgb[None], size=HW, mode="bicubic")[0].clamp(0, 1)
    return replace(image, rgb=rgb, alpha=None, digest="")


def in_turns(steps: Steps) -> dict[str, torch.Tensor]:
    """Returns the milliseconds of every step in every round: on the clock, and of processor time."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, work in steps.items():
            start, start_own = time.perf_counter(), time.process_time()
            work()
            rounds[name].append((1000 * (time.perf_counter() - start), 1000 * (time.process_time() - start_own)))
    return {name: torch.tensor(times) for name, times in rounds.items()}


def steps_of(morph: Morph, planes: torch.Tensor) -> Steps:
    """Returns the calls to compare, the whole first."""
    maps = morph.shape.maps(MOMENT)
    grids = [coords.pixels_to_unit(map_.rows(0, HW[0]), HW)[None] for map_ in maps]
    readers, mix = morph._readers, morph._dissolve.mix(maps, MOMENT)
    rows = list(resample.strips(HW, planes))
    read = [list(reader.strips(map_)) for reader, map_ in zip(readers, maps, strict=True)]
    linear = [mix.rows(first, second, r.start) for (r, first), (_, second) in zip(*read, strict=True)]
    return {
        "two bare grid_sample": lambda: [functional.grid_sample(planes, grid, align_corners=False) for grid in grids],
        "frame": lambda: morph.frame(MOMENT),
        "  shape: spline and maps": lambda: morph.shape.maps(MOMENT),
        "  shares and tints": lambda: morph._dissolve.mix(maps, MOMENT),
        "  reading both, bicubic": lambda: [list(r.strips(m)) for r, m in zip(readers, maps, strict=True)],
        "  blending": lambda: [
            mix.rows(first, second, r.start) for r, (_, first), (_, second) in zip(rows, *read, strict=True)
        ],
        "  encoding to 8 bits": lambda: [encoded(strip) for strip in linear],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("a")
    parser.add_argument("b")
    arguments = parser.parse_args()
    pair = enlarged(arguments.a), enlarged(arguments.b)
    session = Session(SessionOptions(features="sift"), Settings.from_environment())
    morph = Morph(*pair, session.correspond(*pair), HW, MorphOptions())
    times = in_turns(steps_of(morph, pair[0].rgb[None]))
    threads = f"threads: {torch.get_num_threads()} of torch, {cv2.getNumThreads()} of OpenCV"
    print(f"{len(morph.shape.controls.start)} points, {os.cpu_count()} cores; {threads}")
    print(f"{'':26} {'clock, ms':>10} {'processor, ms':>14}")
    for name, milliseconds in times.items():
        clock, processor = milliseconds.median(dim=0).values.tolist()
        print(f"{name:26} {clock:10.1f} {processor:14.1f}")
    clock, processor = (times["frame"] / times["two bare grid_sample"]).median(dim=0).values.tolist()
    print(f"{'frame / bare':26} {clock:10.2f} {processor:14.2f}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
