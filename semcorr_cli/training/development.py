"""A development score while training: true points, carried by nearest neighbours on the grid."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from semcorr_cli.core import coords, metrics
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.datasets import TruePair
from semcorr_cli.extractors.network import DescriptorNet, prepared
from semcorr_cli.io import images

ALPHAS = (0.05, 0.10)
"""Thresholds, as shares of the longer side of the target's box."""


def scorer(
    pairs: Sequence[TruePair], side: int, unseen: Sequence[str] = ()
) -> Callable[[DescriptorNet], dict[str, float]]:
    """Returns a function that scores a network: PCK per image in per cent.

    Args:
        pairs: what to score on.
        side: working side, the longer one.
        unseen: categories to report apart.
    """

    @torch.inference_mode()
    def score(network: DescriptorNet) -> dict[str, float]:
        paths = {path for pair in pairs for path in (pair.source, pair.target)}
        maps = {path: _describe(network, path, side) for path in sorted(paths)}
        figures = {"score": 0.0}
        for alpha in ALPHAS:
            for name, group in _groups(pairs, unseen).items():
                hits = [_hits(pair, maps[pair.source], maps[pair.target], alpha) for pair in group]
                figures[f"{name}_{alpha:.2f}"] = round(metrics.pck(hits).per_image, 2)
        figures["score"] = figures["pck_0.10"]
        return figures

    return score


def _groups(pairs: Sequence[TruePair], unseen: Sequence[str]) -> dict[str, list[TruePair]]:
    groups = {"pck": list(pairs)}
    if unseen:
        groups["seen"] = [pair for pair in pairs if pair.category not in unseen]
        groups["unseen"] = [pair for pair in pairs if pair.category in unseen]
    return groups


def _describe(network: DescriptorNet, path: Path, side: int) -> FeatureMap:
    image = images.load(str(path))
    return FeatureMap(network.describe(prepared(image, side))[0], image.hw)


def _hits(pair: TruePair, source: FeatureMap, target: FeatureMap, alpha: float) -> torch.Tensor:
    best = (source.at(pair.source_points) @ target.flat().T).argmax(dim=1)
    found = coords.cell_centres(target.hw, target.image_hw)[best]
    return metrics.correct(found, pair.target_points, alpha * pair.box_side)
