"""Quality: how far a correspondence is to be trusted, in numbers and in one word."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """One word for a correspondence."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    POOR = "poor"

    @property
    def rank(self) -> int:
        """0 for the worst; verdicts compare by it."""
        return ("poor", "uncertain", "good").index(self.value)


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be measured about a correspondence without knowing the truth; all shares are in [0, 1].

    Attributes:
        cycle_rate: share of cells, of both pictures, whose match leads back to within three cells.
        inlier_rate: share of the matches' weight that agrees with the smooth map.
        support: weight that agrees with the smooth map, a cell: 1 when every cell has a perfect match on the map.
        coverage: share of the target on which agreeing matches lie.
        fold_share: share of the map that folded before smoothing was raised.
        matches: number of matches that agree with the smooth map.
        agreement: the support with every cell's weight squared, so that a few clear matches count for more than many
            vague ones.
        consistency: share of the target from which the two maps, one each way, lead there and back to within a
            twentieth of its side.
        swapped: share of the matches' weight that agrees with one mirrored map rather than with the smooth one: left
            and right of a symmetric thing taken for each other.
        kin: estimated chance that the pictures show one kind of thing, told from a look at them rather than from the
            matches; of two that do, in poses or lights that hide it, too, it may be small.
        first_inliers: the inlier rate of the first look's matches, made before the pictures were aligned.
        likeness: mean cosine similarity of the built-in descriptors of the aligned pictures where matches agree.
        facing: chance that like ends were joined, fronts with fronts, rather than by the matches of the other side;
            1 where no pose of the other side came into question.
    """

    cycle_rate: float
    inlier_rate: float
    support: float
    coverage: float
    fold_share: float
    matches: int
    agreement: float
    consistency: float
    swapped: float
    kin: float
    first_inliers: float
    likeness: float
    facing: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Signs, the probability made of them, and the verdict.

    Attributes:
        verdict: the probability in one word.
        probability: estimated chance that at least half of the parts land within a tenth of the object's size.
        reasons: what speaks against the result, or against this judgement, in words; empty when nothing does.
        signs: the measurements.
    """

    verdict: Verdict
    probability: float
    reasons: tuple[str, ...]
    signs: Signs
