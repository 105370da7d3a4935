"""Style transfer with a known answer: python -m tests.benchmarks.style_known_answer [PICTURES...]

Every picture, at 512 × 512, is divided into six regions of colour and place, and every region is recoloured by a random
affine map of Lab. The recoloured picture is the answer; bent by up to 55 pixels and scrambled by up to 5, it is the
style. The transfer gets the picture, the style, and the true matches of a 60 × 60 grid, corrupted: jittered (in cells)
and, in part, thrown anywhere. Printed is the mean ΔE to the answer, and the correlation of luminance gradients with
the picture's.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords, metrics, resample
from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality, Verdict
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.style import color
from semcorr_cli.effects.style.options import Reach, StyleOptions
from semcorr_cli.io import images
from tests.benchmarks.known_warps import random_warp
from tests.specimens import all_signs

SAMPLES = Path(__file__).parents[2] / "samples"
DEFAULT = ("fox", "beetle", "tabby", "delft", "zebra", "pickup")
SIDE = 512
GRID = 60
NOISE = ((0.5, 0.0), (1.0, 0.15), (2.0, 0.35), (3.0, 0.60))
METHODS: dict[str, Callable[[], StyleOptions | None]] = {
    "identity": lambda: None,
    "global Reinhard": lambda: StyleOptions(reach=Reach.GLOBAL),
    "global covariance": lambda: StyleOptions(reach=Reach.GLOBAL, stats="cov"),
    "parts only": lambda: StyleOptions(reach=Reach.PARTS),
    "color": lambda: StyleOptions(),
    "color --no-edge-snap": lambda: StyleOptions(edge_snap=False),
    "color --stats cov": lambda: StyleOptions(stats="cov"),
}


def regions(lab: Tensor, generator: torch.Generator, count: int = 6) -> Tensor:
    """Returns six regions of colour and place, by plain k-means at a quarter of the size, as soft masks."""
    small = functional.avg_pool2d(lab[None], 4)[0]
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in small.shape[1:]), indexing="ij")
    points = torch.cat([small / 25, x[None], y[None]]).flatten(1).T
    centres = points[torch.randperm(len(points), generator=generator)[:count]]
    for _ in range(20):
        label = torch.cdist(points, centres).argmin(dim=1)
        centres = torch.stack(
            [points[label == k].mean(dim=0) if (label == k).any() else centres[k] for k in range(count)]
        )
    masks = functional.one_hot(label, count).T.reshape(count, *small.shape[1:]).float()
    masks = functional.interpolate(masks[None], size=lab.shape[1:], mode="bilinear")
    return gaussian_blur2d(masks, 9, (2.0, 2.0))[0]


def answer(picture: Image, generator: torch.Generator) -> Image:
    lab = rgb_to_lab(picture.rgb)
    masks = regions(lab, generator)
    total = torch.zeros_like(lab)
    for mask in masks:
        centre = (lab * mask).sum(dim=(1, 2), keepdim=True) / mask.sum()
        slope = 0.7 + 0.7 * torch.rand(3, 1, 1, generator=generator)
        shift = (2 * torch.rand(3, 1, 1, generator=generator) - 1) * torch.tensor([16.0, 26.0, 26.0])[:, None, None]
        total += mask * ((lab - centre) * slope + centre + shift)
    return Image(lab_to_rgb(total))


def styled(ideal: Image, seed: int, generator: torch.Generator) -> tuple[Image, Warp, Warp]:
    """Returns the style, and the maps both ways between it and the answer."""
    bend = random_warp(ideal.hw, seed, angle=0, factor=1.0, bend=55 / SIDE / 2)
    drawn = resample.draw(ideal, bend)
    noise = torch.randn(1, 2, SIDE, SIDE, generator=generator)
    shift = gaussian_blur2d(noise, 13, (2.0, 2.0))
    shift = 5 * shift / shift.abs().max()
    grid = coords.pixels_to_unit(coords.pixel_centres(ideal.hw) + shift[0].movedim(0, -1), ideal.hw)
    rgb = functional.grid_sample(drawn.rgb[None], grid[None], padding_mode="border", align_corners=False)[0]
    return Image(rgb), bend, inverse(bend)


def inverse(bend: Warp) -> Warp:
    """Returns the inverse of a gentle bend, by fixed-point iteration at the lattice's nodes."""

    def field(xy: Tensor) -> Tensor:
        found = xy.clone()
        for _ in range(40):
            found = found - (bend.at(found) - xy)
        return found

    return Warp.sampled(field, bend.target_hw, bend.source_hw)


def corrupted(there: Warp, back: Warp, jitter: float, outliers: float, generator: torch.Generator) -> Correspondence:
    """Returns matches both ways on the grid, weighted by the cycle consistency that the corruption left."""
    hw = there.target_hw
    centres = coords.cell_centres((GRID, GRID), hw)
    cell = hw[0] / GRID
    go, come = (noisy(warp.at(centres), hw, cell * jitter, outliers, generator) for warp in (there, back))
    rows, rates = [], []
    for ahead, behind in ((go, come), (come, go)):
        home = behind[coords.nearest_cell(ahead, (GRID, GRID), hw)]
        cycle = (home - centres).norm(dim=-1) / cell
        rows.append((ahead, torch.exp(-0.5 * (cycle / 2) ** 2)))
        rates.append((cycle <= 3).float().mean())
    matches = Matches(
        torch.cat([centres, rows[1][0]]), torch.cat([rows[0][0], centres]), torch.cat([rows[0][1], rows[1][1]]), hw, hw
    )
    rate = float(sum(rates) / 2)
    quality = Quality(Verdict.GOOD, 1.0, (), all_signs(rate, len(matches)))
    return Correspondence(matches, back, there, quality, Pose())


def noisy(xy: Tensor, hw: tuple[int, int], jitter: float, outliers: float, generator: torch.Generator) -> Tensor:
    moved = xy + jitter * torch.randn(xy.shape, generator=generator)
    lost = torch.rand(xy.shape[0], 1, generator=generator) < outliers
    anywhere = torch.rand(xy.shape, generator=generator) * coords.wh(hw, xy)
    # A nearest neighbour is always a cell, so it lies where cells are.
    return coords.cell_centres((GRID, GRID), hw)[
        coords.nearest_cell(torch.where(lost, anywhere, moved), (GRID, GRID), hw)
    ]


def squared(path: str) -> Image:
    picture = images.load(path).flattened()
    rgb = functional.interpolate(picture.rgb[None], size=(SIDE, SIDE), mode="bilinear", antialias=True)[0]
    return Image(rgb.clamp(0, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", default=[str(SAMPLES / f"{name}.jpg") for name in DEFAULT])
    arguments = parser.parse_args()
    scores: dict[str, list[list[float]]] = {name: [[] for _ in NOISE] for name in METHODS}
    kept: dict[str, list[float]] = {name: [] for name in METHODS}
    rates: list[list[float]] = [[] for _ in NOISE]
    for seed, path in enumerate(arguments.pictures):
        generator = torch.Generator().manual_seed(seed)
        picture = squared(path)
        ideal = answer(picture, generator)
        style, bend, unbend = styled(ideal, seed, generator)
        luminance = rgb_to_lab(picture.rgb)[0]
        for column, (jitter, outliers) in enumerate(NOISE):
            field = corrupted(unbend, bend, jitter, outliers, generator)
            rates[column].append(field.quality.signs.cycle_rate)
            for name, options in METHODS.items():
                chosen = options()
                result = picture if chosen is None else color.restyle(picture, style, field, chosen).image
                scores[name][column].append(float(metrics.colour_difference(result.rgb, ideal.rgb).mean()))
                kept[name].append(metrics.gradient_correlation(luminance, rgb_to_lab(result.rgb)[0]))
    print(f"{len(arguments.pictures)} pictures; mean ΔE to the answer by cells of jitter / share of outliers")
    print(f"{'':20}" + "".join(f"{jitter:g}/{100 * lost:.0f} %".rjust(10) for jitter, lost in NOISE) + "  gradients")
    for name, columns in scores.items():
        print(
            f"{name:20}"
            + "".join(f"{statistics.mean(c):10.2f}" for c in columns)
            + f"{statistics.mean(kept[name]):11.3f}"
        )
    print(f"{'cycle rate':20}" + "".join(f"{statistics.mean(c):10.2f}" for c in rates))


if __name__ == "__main__":
    with torch.inference_mode():
        main()
