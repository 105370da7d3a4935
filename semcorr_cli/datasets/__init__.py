"""Readers of benchmarks: pairs of pictures with true correspondences.

A reader has a function `read(root, split)`, which returns `Pairs`: what there is is known at once, and each pair is
read when it is asked for. `catalogue` knows all readers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from jaxtyping import Bool, Float
from torch import Tensor

from semcorr_cli.datasets.change import Change
from semcorr_cli.errors import UsageError

T = TypeVar("T")
Box = tuple[float, float, float, float]


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
        target_box: left, top, right and bottom of the object in the target, in pixels; None where nobody knows.
        source_change: what is done to the source before it is matched; points are those of the changed picture.
        target_change: the same for the target.
        ambiguous: points that have a look-alike in sight in the target, such as the other ear (see `lookalikes`); None
            where the data set does not tell points apart.
        traits: what makes the pair hard, in the data set's own words, such as "viewpoint 2".
    """

    name: str
    category: str
    source: Path
    target: Path
    source_points: Float[Tensor, "n 2"]
    target_points: Float[Tensor, "n 2"]
    target_box: Box | None
    source_change: Change | None = None
    target_change: Change | None = None
    ambiguous: Bool[Tensor, " n"] | None = None
    traits: tuple[str, ...] = ()

    @property
    def box_side(self) -> float:
        """The longer side of the target's box, in pixels.

        Raises:
            UsageError: nobody knows the box.
        """
        if self.target_box is None:
            raise UsageError(f"{self.name}: there is no box round the target", hint="--protocol img or kps")
        left, top, right, bottom = self.target_box
        return max(right - left, bottom - top)

    @property
    def points_side(self) -> float:
        """The longer side of the box round the target's points, in pixels; 0 without points."""
        if not len(self.target_points):
            return 0.0
        return float((self.target_points.amax(dim=0) - self.target_points.amin(dim=0)).max())


class Pairs(Generic[T]):
    """Pairs that are read when they are asked for: a large set need not be in memory, nor be read for a part of it."""

    def __init__(self, entries: Sequence[T], read: Callable[[T], TruePair]) -> None:
        """Keeps what says where pairs are, and the function that reads one.

        Args:
            entries: one for each pair.
            read: returns the pair of an entry.
        """
        self._entries = entries
        self._read = read

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[TruePair]:
        return map(self._read, self._entries)

    @overload
    def __getitem__(self, index: int) -> TruePair: ...

    @overload
    def __getitem__(self, index: slice) -> "Pairs[T]": ...

    def __getitem__(self, index: int | slice) -> "TruePair | Pairs[T]":
        if isinstance(index, slice):
            return Pairs(self._entries[index], self._read)
        return self._read(self._entries[index])

    def picked(self, indices: Sequence[int]) -> "Pairs[T]":
        """Returns some of the pairs, in this order."""
        return Pairs([self._entries[index] for index in indices], self._read)


AnyPairs = Pairs[Any]
