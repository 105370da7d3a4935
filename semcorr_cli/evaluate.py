"""Pairs with truth become a table of scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords, metrics
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.metrics import Pck
from semcorr_cli.core.quality import Quality
from semcorr_cli.datasets import TruePair
from semcorr_cli.datasets.change import Change
from semcorr_cli.errors import UsageError
from semcorr_cli.io import images
from semcorr_cli.session import Session

PREDICTIONS = ("nearest", "warp")


@dataclass(frozen=True, slots=True)
class Protocol:
    """How predictions are counted; published numbers differ in these switches.

    Attributes:
        average: "per-image" or "per-point", which of the two a table leads with; both are always computed.
        strict: closer than the threshold, rather than at most it.
        size: "bbox" measures thresholds by the longer side of the target's box, "img" by that of the target picture.
        alphas: thresholds as shares of that size.
    """

    average: str = "per-image"
    strict: bool = False
    size: str = "bbox"
    alphas: tuple[float, ...] = (0.05, 0.10, 0.20)

    @classmethod
    def parse(cls, text: str) -> "Protocol":
        """Reads switches such as "per-point,<,img"; those left out keep their defaults.

        Raises:
            UsageError: a word that is no switch.
        """
        switches: dict[str, dict[str, Any]] = {
            "per-image": {"average": "per-image"},
            "per-point": {"average": "per-point"},
            "<=": {"strict": False},
            "le": {"strict": False},
            "<": {"strict": True},
            "lt": {"strict": True},
            "bbox": {"size": "bbox"},
            "img": {"size": "img"},
        }
        protocol = cls()
        for word in text.replace(" ", ",").split(","):
            if word and word.lower() not in switches:
                raise UsageError(f"--protocol: {word!r} is no switch", hint=f"known: {' '.join(switches)}")
            if word:
                protocol = replace(protocol, **switches[word.lower()])
        return protocol


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """One pair, predicted.

    Attributes:
        pair: the pair.
        predicted: where the source's points were found in the target.
        target_hw: size of the target picture.
        quality: what the field said of itself; None for plain nearest neighbours.
    """

    pair: TruePair
    predicted: Float[Tensor, "n 2"]
    target_hw: Hw
    quality: Quality | None

    def hits(self, alpha: float, protocol: Protocol) -> Tensor:
        """Tells which points count as found at a threshold."""
        size = self.pair.box_side if protocol.size == "bbox" else float(max(self.target_hw))
        return metrics.correct(self.predicted, self.pair.target_points, alpha * size, strict=protocol.strict)


@dataclass(frozen=True, slots=True)
class Scores:
    """PCK by threshold, over everything and by category."""

    overall: dict[float, Pck]
    categories: dict[str, dict[float, Pck]]


def predict(pairs: Iterable[TruePair], session: Session, prediction: str) -> Iterator[Scored]:
    """Predicts every pair's points.

    Args:
        pairs: what to predict; pairs that share pictures should follow each other.
        session: extractor and matcher.
        prediction: "nearest" takes each point's nearest neighbour among the target's cells, "warp" the smooth field.
    """
    loaded: dict[Path, Image] = {}
    for pair in pairs:
        loaded = {path: loaded.get(path) or images.load(str(path)) for path in (pair.source, pair.target)}
        source = _changed(loaded[pair.source], pair.source_change)
        target = _changed(loaded[pair.target], pair.target_change)
        if prediction == "warp":
            field = session.correspond(source, target)
            yield Scored(pair, field.forward.at(pair.source_points), target.hw, field.quality)
        else:
            yield Scored(pair, _nearest(session, source, target, pair.source_points), target.hw, None)


def _changed(image: Image, change: Change | None) -> Image:
    if change is None:
        return image
    return change.apply(image, None if change.background is None else images.load(str(change.background)))


def score(scored: list[Scored], protocol: Protocol) -> Scores:
    """Counts predictions by category and over everything."""
    names = sorted({entry.pair.category for entry in scored})
    groups = {name: [entry for entry in scored if entry.pair.category == name] for name in names}
    return Scores(_by_alpha(scored, protocol), {name: _by_alpha(group, protocol) for name, group in groups.items()})


def _by_alpha(group: list[Scored], protocol: Protocol) -> dict[float, Pck]:
    return {alpha: metrics.pck([entry.hits(alpha, protocol) for entry in group]) for alpha in protocol.alphas}


@torch.inference_mode()
def _nearest(session: Session, source: Image, target: Image, points: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Returns, for each point's cell in the source, the centre of the most similar cell in the target."""
    features_s, features_t = session.working_features(source, target)
    cells = coords.nearest_cell(points, features_s.hw, source.hw)
    best = (features_s.flat()[cells.to(session.device)] @ features_t.flat().T).argmax(dim=1).cpu()
    return coords.cell_centres(features_t.hw, target.hw)[best]
