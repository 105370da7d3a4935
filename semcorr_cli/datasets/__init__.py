"""Readers of benchmarks: pairs of pictures with true correspondences."""

from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from semcorr_cli.datasets.change import Change


@dataclass(frozen=True, slots=True, eq=False)
class TruePair:
    """Two pictures and points that are known to correspond.

    Attributes:
        name: unique within its data set.
        category: what both show; tables are broken down by it.
        source: path of the source picture.
        target: path of the target picture.
        source_points: pixel positions in the source.
        target_points: the same parts in the target.
        target_box: left, top, right and bottom of the object in the target, in pixels.
        source_change: what is done to the source before it is matched; points are those of the changed picture.
        target_change: the same for the target.
    """

    name: str
    category: str
    source: Path
    target: Path
    source_points: Float[Tensor, "n 2"]
    target_points: Float[Tensor, "n 2"]
    target_box: tuple[float, float, float, float]
    source_change: Change | None = None
    target_change: Change | None = None

    @property
    def box_side(self) -> float:
        """The longer side of the target's box, in pixels."""
        left, top, right, bottom = self.target_box
        return max(right - left, bottom - top)
