"""Which pairs of a data set are predicted, and how hard they are made."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from semcorr_cli.datasets import AnyPairs, TruePair, hard
from semcorr_cli.datasets.hard import Changes
from semcorr_cli.io import images

SAMPLE_SEED = 42
"""Seed of sd-dino's and GeoAware-SC's draws."""


@dataclass(frozen=True)
class Selection:
    """Pairs to predict; one can go through them as often as one likes.

    Attributes:
        whole: the data set.
        sample: take this many of each category, drawn with replacement.
        limit: then take this many, spread evenly.
        changes: make them hard; None leaves them as they are. What cannot be made hard is left out.
        seed: of that.
        max_pixels: refuse larger pictures.
    """

    whole: AnyPairs
    sample: int | None = None
    limit: int | None = None
    changes: Changes | None = None
    seed: int = 0
    max_pixels: int = images.MAX_PIXELS

    @cached_property
    def chosen(self) -> AnyPairs:
        """The pairs as the data set has them."""
        pairs = self.whole if self.sample is None else drawn(self.whole, self.sample)
        return pairs if self.limit is None else spread(pairs, self.limit)

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self) -> Iterator[TruePair]:
        if self.changes is None:
            return iter(self.chosen)
        return hard.harden(self.chosen, self.seed, among=self._pictures, changes=self.changes)

    @cached_property
    def _pictures(self) -> list[hard.Picture]:
        return hard.pictures(self.whole)


def spread(pairs: AnyPairs, count: int) -> AnyPairs:
    """Returns this many pairs at even distances, so that every category has its share."""
    if count >= len(pairs):
        return pairs
    return pairs.picked([k * len(pairs) // count for k in range(count)])


def drawn(pairs: AnyPairs, count: int) -> AnyPairs:
    """Returns this many pairs of each category, drawn with replacement as sd-dino and GeoAware-SC do.

    A category's pairs are sorted by name, and every draw starts from the same seed.
    """
    names: dict[str, list[tuple[str, int]]] = {}
    for index, pair in enumerate(pairs):
        names.setdefault(pair.category, []).append((pair.name, index))
    chosen: list[int] = []
    for category in sorted(names):
        indices = [index for _, index in sorted(names[category])]
        draw = np.random.RandomState(SAMPLE_SEED).choice(len(indices), count)
        chosen += [indices[k] for k in draw]
    return pairs.picked(chosen)
