"""How well known warps of photographs are recovered: python -m tests.benchmarks.known_warps PHOTOGRAPHS...

Every textured photograph is warped by a random thin-plate spline of up to ±8 % of its side on a 4 × 4 lattice and a
similarity of ±30° and ×0.7 to ×1.4. Printed is the mean distance between the recovered and the true map, over the
canvas pixels whose true position lies in the photograph, in per cent of the longer side.
"""

import argparse
import math
import statistics
import time
from pathlib import Path

import torch

from semcorr_cli.core import coords, metrics, resample, spline
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings


def random_warp(hw: tuple[int, int], seed: int, *, angle: float = 30, factor: float = 1.4, bend: float = 0.08) -> Warp:
    """Returns a backward map from a canvas of a picture's own size."""
    generator = torch.Generator().manual_seed(seed)
    knots = torch.cartesian_prod(torch.linspace(0, hw[1], 4), torch.linspace(0, hw[0], 4)).double()
    shift = (torch.rand(knots.shape, generator=generator, dtype=torch.float64) * 2 - 1) * bend * max(hw)
    field = spline.fit(knots, knots + shift, smoothing=0.0, frame_hw=hw)
    turn, size = (torch.rand(2, generator=generator) * 2 - 1).tolist()
    radians, scale = math.radians(angle * turn), factor**size
    cosine, sine = math.cos(radians) / scale, math.sin(radians) / scale
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    middle = coords.wh(hw, linear) / 2
    return Warp.sampled(lambda xy: field(((xy - middle) @ linear + middle).double()).float(), hw, hw)


def is_textured(image: Image) -> bool:
    """Tells whether nine tenths of the picture have structure that something could be recognised by."""
    grey = image.rgb.mean(dim=0, keepdim=True)[None]
    mean = torch.nn.functional.avg_pool2d(grey, 24)
    spread = (torch.nn.functional.avg_pool2d(grey**2, 24) - mean**2).clamp_min(0).sqrt()
    return float((spread > 0.03).float().mean()) > 0.9


def error(truth: Warp, found: Warp) -> float:
    """Returns the mean end-point error where there is a truth, in per cent of the longer side."""
    xy = coords.pixel_centres(truth.target_hw)[4::8, 4::8].reshape(-1, 2)
    true = truth.at(xy)
    size = coords.wh(truth.source_hw, true)
    known = ((true > 0) & (true < size)).all(dim=-1)
    return 100 * metrics.end_point_error(found.at(xy[known]), true[known]) / max(truth.source_hw)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", nargs="+", type=Path, help="pictures, or folders of pictures")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--features", default="auto")
    arguments = parser.parse_args()
    paths = [
        file for path in arguments.photographs for file in (sorted(path.rglob("*.jpg")) if path.is_dir() else [path])
    ]
    photographs = [image for path in paths if is_textured(image := images.load(str(path)))]
    step = max(1, len(photographs) // arguments.count)
    photographs = photographs[::step][: arguments.count]
    session = Session(SessionOptions(features=arguments.features, cache=False), Settings.from_environment())
    errors, seconds = [], 0.0
    for seed, photograph in enumerate(photographs):
        truth = random_warp(photograph.hw, seed)
        warped = resample.draw(photograph, truth)
        start = time.perf_counter()
        field = session.correspond(photograph, warped)
        seconds += time.perf_counter() - start
        errors.append(error(truth, field.warp))
        signs = field.quality.signs
        print(f"{errors[-1]:6.2f} %  {field.pose}  {field.quality.verdict}  support {signs.support:.2f}")
    print(f"{len(errors)} textured photographs of {len(paths)}: mean {statistics.mean(errors):.2f} %, ", end="")
    print(f"median {statistics.median(errors):.2f} %, worst {max(errors):.2f} %, {seconds / len(errors):.2f} s a pair")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
