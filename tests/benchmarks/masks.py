"""Estimated masks against true ones: python -m tests.benchmarks.masks [--features builtin] [--every 2]

Intersection over union on the rendered samples, whose masks are exact, each picture beside a partner of its kind; and,
for comparison, that of a mask that takes everything.
"""

import argparse
from pathlib import Path

import torch

from semcorr_cli.datasets import samples
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"


def overlap(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Returns intersection over union in per cent."""
    a, b = found > 0.5, truth > 0.5
    return 100 * float((a & b).sum()) / max(1, int((a | b).sum()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", default="builtin")
    parser.add_argument("--every", type=int, default=2, help="take every so manieth pair")
    arguments = parser.parse_args()
    session = Session(SessionOptions(features=arguments.features), Settings.from_environment())
    found: dict[str, list[float]] = {}
    everything = []
    for pair in list(samples.read(SAMPLES))[:: arguments.every]:
        pictures = images.load(str(pair.source)), images.load(str(pair.target))
        for path, picture in zip(
            (pair.source, pair.target), session.find_objects(*pictures, of=(True, True)), strict=True
        ):
            truth = images.load_mask(str(SAMPLES / "truth" / f"{path.stem}.mask.png"), picture.hw)
            assert picture.mask is not None
            found.setdefault(path.stem, []).append(overlap(picture.mask, truth))
            everything.append(overlap(torch.ones_like(truth), truth))
    session.close()
    for name, values in sorted(found.items()):
        print(f"{name:12} {min(values):5.1f} … {max(values):5.1f}")
    figures = torch.tensor([value for values in found.values() for value in values])
    print(
        f"{len(figures)} masks: mean {figures.mean():.1f}, median {figures.median():.1f}, worst {figures.min():.1f}",
        end="",
    )
    print(f" per cent of intersection over union; everything taken: {sum(everything) / len(everything):.1f}")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
