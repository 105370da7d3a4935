"""Style transfer on real pairs: python -m tests.benchmarks.style_pairs [FOLDER] [--every N] [--from K] [--method M]

Every pair of the samples, and every Nth of a folder in SPair-71k's layout from the Kth on, whose correspondence is
judged good: each part's distance to the style after the transfer by that before, weighted by area, and the correlation
of luminance gradients with the content's.
"""

import argparse
import statistics
from pathlib import Path

import torch

from semcorr_cli.core.quality import Verdict
from semcorr_cli.datasets import samples, spair
from semcorr_cli.effects.style import color, measures, patch
from semcorr_cli.effects.style.options import StyleOptions
from semcorr_cli.io import images
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"
METHODS = {"color": color.restyle, "patch": patch.restyle}
WANTED = {"color": (0.6, 0.95), "patch": (0.5, 0.0)}
"""Largest ratio and smallest correlation that count as a success, by method; patches bring edges of their own."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--method", choices=METHODS, default="color")
    arguments = parser.parse_args()
    groups = {"samples": list(samples.read(SAMPLES))}
    if arguments.folder:
        groups[arguments.folder.name] = list(spair.read(arguments.folder))[arguments.first :: arguments.every]
    session = Session(SessionOptions(), Settings.from_environment())
    for name, pairs in groups.items():
        ratios, kept, missed = [], [], []
        for pair in pairs:
            content, style = images.load(str(pair.source)), images.load(str(pair.target))
            field = session.correspond(content, style)
            if field.quality.verdict is not Verdict.GOOD:
                continue
            (features,) = session.working_features(content)
            styled = METHODS[arguments.method](content, style, field, StyleOptions(), features=features)
            found = measures.measure(content, styled.image, style, styled.parts, None)
            ratios.append(found.ratio)
            kept.append(found.gradient_correlation)
            wanted, least = WANTED[arguments.method]
            if found.ratio > wanted or found.gradient_correlation < least:
                missed.append(f"{pair.name} {found.ratio:.3f} {found.gradient_correlation:.3f}")
        if not ratios:
            print(f"{name}: none of {len(pairs)} pairs is good")
            continue
        print(f"{name}: {len(ratios)} good pairs of {len(pairs)}; {arguments.method}")
        print(f"  distance ratio        {summary(ratios)}, worst {max(ratios):.3f}")
        print(f"  gradient correlation  {summary(kept)}, worst {min(kept):.3f}")
        print(f"  short of ratio {wanted}, correlation {least}: {len(missed)}", *missed, sep="\n    ", flush=True)


def summary(values: list[float]) -> str:
    return f"mean {statistics.mean(values):.3f}, median {statistics.median(values):.3f}"


if __name__ == "__main__":
    with torch.inference_mode():
        main()
