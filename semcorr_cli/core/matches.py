"""Matches: scored point pairs between two pictures."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Point pairs; row k says that `source[k]` and `target[k]` show the same part.

    Attributes:
        source: pixel positions in the source picture.
        target: pixel positions in the target picture.
        score: confidence in [0, 1].
        source_hw: size of the source picture.
        target_hw: size of the target picture.
    """

    source: Float[Tensor, "n 2"]
    target: Float[Tensor, "n 2"]
    score: Float[Tensor, " n"]
    source_hw: Hw
    target_hw: Hw

    def __len__(self) -> int:
        return self.source.shape[0]

    def __getitem__(self, index: Tensor | slice) -> "Matches":
        """Returns the chosen rows, given as a slice, a boolean mask or indices."""
        return replace(self, source=self.source[index], target=self.target[index], score=self.score[index])

    def reversed(self) -> "Matches":
        """Returns the same pairs seen from the other picture."""
        return Matches(self.target, self.source, self.score, self.target_hw, self.source_hw)

    def joined(self, other: "Matches") -> "Matches":
        """Returns these pairs and others between the same pictures at the same sizes."""
        return replace(
            self,
            source=torch.cat([self.source, other.source]),
            target=torch.cat([self.target, other.target]),
            score=torch.cat([self.score, other.score]),
        )

    def best(self, count: int) -> "Matches":
        """Returns at most `count` rows, the most confident first; ties keep their order."""
        return self[torch.argsort(self.score, descending=True, stable=True)[:count]]

    def spread(self, count: int) -> "Matches":
        """Returns at most `count` rows, confident ones that lie well apart in the target, the most confident first.

        Greedy: a row is taken when no taken one lies within a radius; the radius halves until `count` are found.
        """
        ordered = self.best(len(self))
        taken = torch.zeros(len(ordered), dtype=torch.bool, device=self.score.device)
        radius = 0.5 * max(self.target_hw)
        while int(taken.sum()) < min(count, len(ordered)) and radius > 0.5:
            for row in range(len(ordered)):
                if taken[row]:
                    continue
                apart = (ordered.target[taken] - ordered.target[row]).norm(dim=-1)
                if apart.numel() == 0 or float(apart.min()) >= radius:
                    taken[row] = True
                    if int(taken.sum()) == count:
                        break
            radius /= 2**0.5
        return ordered[taken]

    def mean(self, values: Float[Tensor, " n"]) -> float:
        """Returns the mean of a value of each row, by the scores; 0 where there are none."""
        return float((values.to(self.score) * self.score).sum() / self.score.sum().clamp_min(1e-6))

    def mirrored_source(self) -> "Matches":
        """Returns the matches after the source picture was mirrored left to right."""
        return replace(self, source=coords.mirror_points(self.source, self.source_hw))

    def resized(self, source_hw: Hw, target_hw: Hw) -> "Matches":
        """Returns the matches after the pictures were resized."""
        return Matches(
            coords.resize_points(self.source, self.source_hw, source_hw),
            coords.resize_points(self.target, self.target_hw, target_hw),
            self.score,
            source_hw,
            target_hw,
        )
