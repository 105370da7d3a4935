"""Made-up predictions, and scores counted by plain loops that share nothing with the package."""

import math
from pathlib import Path

import torch
from torch import Tensor

from semcorr_cli.core.quality import Quality, Verdict
from semcorr_cli.datasets import TruePair
from semcorr_cli.evaluate import Protocol, Scored
from tests.specimens import all_signs

CATEGORIES = ("cat", "dog", "dog", "cat", "cow", "cat", "cow")
POINTS = (5, 1, 12, 30, 8, 2, 17)
HWS = ((150, 130), (97, 211), (120, 120), (375, 500), (200, 64), (90, 91), (333, 250))


def called(verdict: Verdict, probability: float) -> Quality:
    return Quality(verdict, probability, (), all_signs(1.0, 9))


def scored(
    number: int, predicted: Tensor, truth: Tensor, category: str = "cat", quality: Quality | None = None
) -> Scored:
    box = (10.0, 20.0, 110.0 + 7 * number, 90.0)
    generator = torch.Generator().manual_seed(number)
    ambiguous = torch.rand(len(truth), generator=generator) < 0.5
    traits = (f"viewpoint {number % 3}",)
    pair = TruePair(
        f"{number}", category, Path("s.png"), Path("t.png"), truth, truth, box, ambiguous=ambiguous, traits=traits
    )
    return Scored(pair, predicted, HWS[number % len(HWS)], quality)


def guesses(seed: int = 0) -> list[Scored]:
    """Returns pairs with more and fewer points, half of which are hit and half missed."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for number, points in enumerate(POINTS):
        truth = torch.rand(points, 2, generator=generator) * 100
        away = torch.randn(points, 2, generator=generator) * 12
        made.append(scored(number, truth + away, truth, CATEGORIES[number]))
    return made


def side(entry: Scored, size: str) -> float:
    if size == "img":
        return max(entry.target_hw)
    if size == "bbox":
        left, top, right, bottom = entry.pair.target_box
        return max(right - left, bottom - top)
    xs, ys = zip(*entry.pair.target_points.tolist(), strict=True)
    return max(max(xs) - min(xs), max(ys) - min(ys))


def in_square(x: float, y: float, entry: Scored) -> tuple[float, float]:
    """Carries a point into the 840-pixel square as the reference does, which counts from the first pixel's centre."""
    height, width = entry.target_hw
    x, y = (x - 0.5) * 840 / max(width, height), (y - 0.5) * 840 / max(width, height)
    if height < width:
        y += int((840 - round(840 * height / width)) / 2)
    elif width < height:
        x += int((840 - round(840 * width / height)) / 2)
    return x, y


def shares(entry: Scored, alpha: float, protocol: Protocol) -> list[bool]:
    """Returns which of the points that count are hit."""
    found = []
    reach = alpha * side(entry, protocol.size)
    if protocol.padded:
        reach = alpha * 840 if protocol.size == "img" else reach * (840 / max(entry.target_hw))
    for k in range(len(entry.predicted)):
        if protocol.subset == "geo" and not entry.pair.ambiguous[k]:
            continue
        p, t = entry.predicted[k].tolist(), entry.pair.target_points[k].tolist()
        if protocol.padded:
            p, t = in_square(*p, entry), in_square(*t, entry)
        error = math.hypot(p[0] - t[0], p[1] - t[1])
        found.append(error < reach if protocol.strict else error <= reach)
    return found


def counted(group: list[Scored], alpha: float, protocol: Protocol) -> tuple[float, float, int, int]:
    """Returns both averages, pairs and points."""
    hits = [pair for pair in (shares(entry, alpha, protocol) for entry in group) if pair]
    per_image = sum(sum(pair) / len(pair) for pair in hits) / len(hits)
    points = sum(len(pair) for pair in hits)
    return 100 * per_image, 100 * sum(sum(pair) for pair in hits) / points, len(hits), points
