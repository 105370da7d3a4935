"""Predicting the points of pairs with truth."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from semcorr_cli.core import metrics
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Quality
from semcorr_cli.datasets import TruePair
from semcorr_cli.datasets.change import Change
from semcorr_cli.errors import UsageError
from semcorr_cli.evaluate.protocol import PADDED_SIDE, Protocol, to_padded
from semcorr_cli.evaluate.reading import nearest
from semcorr_cli.io import images
from semcorr_cli.session import Session

PREDICTIONS = ("nearest", "warp")


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

    def hits(self, alpha: float, protocol: Protocol) -> Bool[Tensor, " _"]:
        """Tells which of the points that count are found at a threshold."""
        counted = self.counted(protocol)
        predicted, truth = self.predicted[counted].double(), self.pair.target_points[counted].double()
        threshold = alpha * self.side(protocol)
        if protocol.padded:
            predicted, truth = (to_padded(points, self.target_hw) for points in (predicted, truth))
            threshold *= PADDED_SIDE / max(self.target_hw)
        return metrics.correct(predicted, truth, threshold, strict=protocol.strict)

    def counted(self, protocol: Protocol) -> Bool[Tensor, " n"]:
        """Tells which points count.

        Raises:
            UsageError: nobody knows which points have look-alikes.
        """
        if protocol.subset == "all":
            return torch.ones(len(self.predicted), dtype=torch.bool)
        if self.pair.ambiguous is None:
            raise UsageError(
                f"{self.pair.name}: nobody knows which points have look-alikes",
                hint="--protocol all counts all points",
            )
        return self.pair.ambiguous

    def side(self, protocol: Protocol) -> float:
        """Returns the length in pixels that thresholds are shares of.

        Raises:
            UsageError: it is the side of a box that nobody knows.
        """
        if protocol.size == "img":
            return float(max(self.target_hw))
        return self.pair.box_side if protocol.size == "bbox" else self.pair.points_side


def predict(
    pairs: Iterable[TruePair],
    session: Session,
    prediction: str,
    reading: str = "centre",
    max_pixels: int = images.MAX_PIXELS,
) -> Iterator[Scored]:
    """Predicts every pair's points.

    Args:
        pairs: what to predict; pairs that share pictures should follow each other.
        session: extractor and matcher.
        prediction: "nearest" takes each point's nearest neighbour among the target's cells, "warp" the smooth field.
        reading: how neighbours are read off the grid; see `Protocol`.
        max_pixels: refuse larger pictures.
    """
    loaded: dict[Path, Image] = {}
    for pair in pairs:
        source, target = pictured(pair, loaded, max_pixels)
        if prediction == "warp":
            field = session.correspond(source, target)
            yield Scored(pair, field.forward.at(pair.source_points), target.hw, field.quality)
        else:
            found = _nearest(session, source, target, pair.source_points, reading)
            yield Scored(pair, found, target.hw, None)


def pictured(pair: TruePair, loaded: dict[Path, Image], max_pixels: int) -> tuple[Image, Image]:
    """Returns a pair's pictures, changed as it says.

    Args:
        pair: the pair.
        loaded: the pictures of the pair before, which become those of this one.
        max_pixels: refuse larger pictures.
    """

    def load(path: Path) -> Image:
        return images.load(str(path), max_pixels=max_pixels)

    def changed(image: Image, change: Change | None) -> Image:
        if change is None:
            return image
        return change.apply(image, None if change.background is None else load(change.background))

    kept = {path: loaded.get(path) or load(path) for path in (pair.source, pair.target)}
    loaded.clear()
    loaded.update(kept)
    return changed(kept[pair.source], pair.source_change), changed(kept[pair.target], pair.target_change)


@torch.inference_mode()
def _nearest(
    session: Session, source: Image, target: Image, points: Float[Tensor, "n 2"], reading: str
) -> Float[Tensor, "n 2"]:
    features_s, features_t = session.working_features(source, target)  # of copies that may be smaller
    return nearest(replace(features_s, image_hw=source.hw), replace(features_t, image_hw=target.hw), points, reading)
