"""How far the robust spline is off when part of the matches are wrong: python -m tests.benchmarks.outliers

A smooth map of ±8 % of a 1024 × 1024 picture, 400 matches with 3 px of noise, a share of them replaced by uniform
outliers, by a coherent wrong cluster, or by a mirrored part. Mean error of the fitted map over the picture, in pixels.
"""

import statistics

import torch

from semcorr_cli.core import coords, spline
from semcorr_cli.core.matches import Matches
from semcorr_cli.matchers import smooth, unfold
from semcorr_cli.matchers.looks import FieldOptions

SIDE = 1024
HW = (SIDE, SIDE)
SEEDS = 12


def truth(generator: torch.Generator) -> spline.ThinPlateSpline:
    knots = spline.lattice_knots(HW, 4)
    shift = (torch.rand(knots.shape, generator=generator, dtype=torch.float64) * 2 - 1) * 0.08 * SIDE
    return spline.fit(knots, knots + shift, smoothing=0.0, frame_hw=HW)


def corrupted(kind: str, share: float, field: spline.ThinPlateSpline, generator: torch.Generator) -> Matches:
    count = 400
    target = torch.rand(count, 2, generator=generator) * SIDE
    source = field(target).float() + 3 * torch.randn(count, 2, generator=generator)
    wrong = torch.arange(count) < share * count
    if kind == "uniform":
        source[wrong] = torch.rand(int(wrong.sum()), 2, generator=generator) * SIDE
    elif kind == "cluster":
        source[wrong] = source[wrong] + torch.tensor([180.0, -140.0])
    else:
        source[wrong] = torch.stack([SIDE - source[wrong, 0], source[wrong, 1]], dim=-1)
    return Matches(source, target, torch.ones(count), HW, HW)


def error(kind: str, share: float, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    field = truth(generator)
    matches = corrupted(kind, share, field, generator)
    warp = unfold.unfold(smooth.fit(matches, FieldOptions().second, torch.Generator().manual_seed(0))).warp
    queries = coords.pixel_centres(HW)[8::16, 8::16].reshape(-1, 2)
    return float((warp.at(queries) - field(queries)).norm(dim=-1).mean())


def main() -> None:
    print(f"mean error in px at {SIDE} × {SIDE}, over {SEEDS} seeds: median / worst")
    for kind, share in (("uniform", 0.0), ("uniform", 0.3), ("uniform", 0.5), ("cluster", 0.2), ("mirror", 0.35)):
        errors = [error(kind, share, seed) for seed in range(SEEDS)]
        print(f"{kind:8} {100 * share:3.0f} %   {statistics.median(errors):5.2f} / {max(errors):5.2f}")


if __name__ == "__main__":
    main()
