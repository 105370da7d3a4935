"""Thin-plate evaluation against kornia's: python -m tests.benchmarks.spline_speed [--side 1024] [--points 100]

The spline goes through points of a smooth map of ±2.5 % of the side. Both evaluate it with the same true weights and
read a picture through it, each in a process of its own. Printed are the ratio of their processor times, of the memory
they add, and the largest difference between the two maps, in pixels.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import torch
from kornia.geometry.transform import warp_image_tps

from semcorr_cli.core import coords, resample, spline
from semcorr_cli.core.image import Image
from semcorr_cli.core.spline import ThinPlateSpline
from semcorr_cli.core.warp import Warp

REPEATS = 3


def problem(side: int, points: int) -> tuple[Image, ThinPlateSpline]:
    generator = torch.Generator().manual_seed(0)
    knots = spline.lattice_knots((side, side), 4)
    bend = (torch.rand(knots.shape, generator=generator, dtype=torch.float64) - 0.5) * 0.05 * side
    smooth = spline.fit(knots, knots + bend, smoothing=0.0, frame_hw=(side, side))
    xy = torch.rand(points, 2, generator=generator, dtype=torch.float64) * side
    field = spline.fit(xy, smooth(xy), smoothing=0.0, frame_hw=(side, side))
    return Image(torch.rand(3, side, side, generator=generator)), field


def ours(image: Image, field: ThinPlateSpline) -> torch.Tensor:
    warp = Warp.sampled(lambda xy: field(xy.double()), image.hw, image.hw)
    return resample.draw(image, warp, mode="bilinear").rgb


def kornias(image: Image, field: ThinPlateSpline) -> torch.Tensor:
    """The same spline in kornia's frame, [-1, 1] whose kernel is r² log r."""
    centres, kernel, affine = in_kornias_frame(field, image.hw[0])
    return warp_image_tps(image.rgb[None], centres[None], kernel[None], affine[None], align_corners=False)[0]


def in_kornias_frame(field: ThinPlateSpline, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Refits the spline's own values at its own centres in kornia's coordinates: an exact change of variables."""
    centres = field.centres * field.scale + field.origin
    unit = 2 * centres / side - 1
    values = 2 * field(centres) / side - 1
    n = len(unit)
    distance = torch.cdist(unit, unit).square()
    matrix = torch.zeros(n + 3, n + 3, dtype=torch.float64)
    matrix[:n, :n] = torch.where(distance > 0, 0.5 * distance * distance.clamp_min(1e-300).log(), 0.0)
    matrix[:n, n], matrix[:n, n + 1 :] = 1, unit
    matrix[n:, :n] = matrix[:n, n:].T
    solved = torch.linalg.solve(matrix, torch.cat([values, torch.zeros(3, 2, dtype=torch.float64)]))
    return unit.float(), solved[:n].float(), solved[n:].float()


def measure(which: str, side: int, points: int) -> dict[str, float]:
    image, field = problem(side, points)
    draw = ours if which == "ours" else kornias
    small, small_field = problem(64, points)
    draw(small, small_field)  # whatever is loaded lazily
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        draw(image, field)
        times.append(time.process_time() - start)
    return {"seconds": min(times), "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def difference(side: int, points: int) -> float:
    """Returns the largest distance between the two maps, in pixels."""
    _, field = problem(side, points)
    ramp = coords.pixel_centres((side, side)).permute(2, 0, 1) / side
    size = (side, side)
    warp = Warp.sampled(lambda xy: field(xy.double()), size, size)
    theirs = kornias(Image(ramp.contiguous()), field).permute(1, 2, 0) * side
    mine = warp.rows(0, side)
    inside = ((mine > 2) & (mine < side - 2)).all(dim=-1)  # a ramp tells where it was read, but for the rim
    return float((mine - theirs)[inside].norm(dim=-1).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--which", choices=["ours", "kornia"])
    a = parser.parse_args()
    if a.which:
        print(json.dumps(measure(a.which, a.side, a.points)))
        return
    command = [sys.executable, "-m", "tests.benchmarks.spline_speed", "--side", str(a.side), "--points", str(a.points)]
    rows = {}
    for which in ("kornia", "ours"):
        done = subprocess.run([*command, "--which", which], capture_output=True, text=True, check=True)
        rows[which] = json.loads(done.stdout)
        print(f"{which:7} {1000 * rows[which]['seconds']:8.1f} ms   {rows[which]['mb']:7.1f} MB added")
    mine, theirs = rows["ours"], rows["kornia"]
    print(f"ours is {theirs['seconds'] / mine['seconds']:.0f} times as fast", end=", ")
    print(f"adds 1/{theirs['mb'] / max(mine['mb'], 0.1):.0f} of the memory", end=", ")
    print(f"and differs by {difference(a.side, a.points):.4f} px at most")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
