"""The verdict on a correspondence, from signs that need no truth.

A logistic regression of "half of the parts land within a tenth of the object" on the signs, fitted per extractor on
pairs with truth and on wrong pairs by `tests/benchmarks/calibrate.py`, whose figures lie beside this file.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from semcorr_cli.core.quality import Quality, Signs, Verdict

TABLE = "verdict.json"
"""The file that holds the figures, one entry an extractor."""

WORDS = {
    "cycle_rate": "few matches lead back to where they started",
    "inlier_rate": "the matches do not agree on one smooth map",
    "support": "few confident matches",
    "coverage": "large parts of the target have no match near",
    "unfolded": "the map had to be stiffened so as not to fold",
    "agreement": "aligned by the map, the pictures are not alike",
    "consistency": "the maps of the two directions contradict each other",
    "unswapped": "left and right may have been taken for each other",
    "kin": "the pictures may not show the same kind of thing",
    "first_inliers": "the first matches did not agree on one smooth map",
    "likeness": "matched places do not look like the same parts",
    "facing": "fronts and backs may have been taken for each other",
}
"""What a low value of each sign says in words, in the order in which reasons are given."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The figures of one extractor.

    Attributes:
        bias: of the regression.
        weights: by sign.
        low: value of each sign that nine of ten successful pairs exceed; below it the sign is given as a reason.
        good: probability from which a result is good.
        poor: probability below which it is poor.
    """

    bias: float
    weights: dict[str, float]
    low: dict[str, float]
    good: float
    poor: float

    def probability(self, values: dict[str, float]) -> float:
        """Returns the probability of success for signs as `values_of` names them."""
        return 1 / (1 + math.exp(-(self.bias + sum(self.weights[name] * values[name] for name in self.weights))))


UNCALIBRATED = "judged by the figures of builtin, as none have been fitted for these features"
"""What is said beside a verdict on features that the regression has not been fitted for."""


def judge(signs: Signs, extractor: str) -> Quality:
    """Returns signs with probability, verdict and reasons.

    Args:
        signs: what was measured.
        extractor: whose calibration applies.
    """
    figures, doubts = calibration(extractor), () if is_calibrated(extractor) else (UNCALIBRATED,)
    values = values_of(signs)
    if signs.matches == 0:
        return Quality(Verdict.POOR, 0.0, ("no matches",), signs)
    probability = figures.probability(values)
    if probability >= figures.good:
        return Quality(Verdict.GOOD, probability, doubts, signs)
    verdict = Verdict.POOR if probability < figures.poor else Verdict.UNCERTAIN
    reasons = tuple(words for name, words in WORDS.items() if values[name] < figures.low[name])
    return Quality(verdict, probability, (reasons or ("all signs are middling",)) + doubts, signs)


def values_of(signs: Signs) -> dict[str, float]:
    """Returns the signs as the regression takes them; the larger the better."""
    return {
        "cycle_rate": signs.cycle_rate,
        "inlier_rate": signs.inlier_rate,
        "support": math.sqrt(signs.support),
        "coverage": signs.coverage,
        "unfolded": 1 - math.sqrt(signs.fold_share),
        "agreement": math.sqrt(signs.agreement),
        "consistency": signs.consistency,
        "unswapped": 1 - signs.swapped,
        "kin": signs.kin,
        "first_inliers": signs.first_inliers,
        "likeness": signs.likeness,
        "facing": signs.facing,
    }


@cache
def calibration(extractor: str) -> Calibration:
    """Returns the figures of an extractor; those of `builtin` for one that has none."""
    return Calibration(**_table()[extractor if is_calibrated(extractor) else "builtin"])


def is_calibrated(extractor: str) -> bool:
    """Tells whether an extractor has figures of its own."""
    return extractor in _table()


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(resources.files(__package__).joinpath(TABLE).read_text(encoding="utf-8"))
    return table
