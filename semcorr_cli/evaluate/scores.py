"""What is kept of a predicted pair, and the scores that many of them come to."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from semcorr_cli.core import metrics
from semcorr_cli.core.metrics import Pck
from semcorr_cli.core.quality import Verdict
from semcorr_cli.evaluate.prediction import Scored
from semcorr_cli.evaluate.protocol import Protocol

JUDGED = 0.10
"""Threshold at which verdicts are compared with what was found: it is the one that they speak of."""

SUCCESS = 0.5
"""Share of the points found from which a pair was matched: see `Quality.probability`."""

SHOWN = 24
"""Points of a pair that are kept for a report's pictures."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pair's result, in a few numbers.

    Attributes:
        name: of the pair.
        category: of the pair.
        points: how many count.
        found: how many of these were found, by threshold.
        judged: how many were found at `JUDGED`.
        error: mean distance to the truth, as a share of what thresholds are shares of.
        traits: of the pair.
        verdict: what the correspondence was called; None for nearest neighbours.
        probability: see `Quality`.
        shown: x and y of a few points in the source, their true place in the target, and the predicted one.
    """

    name: str
    category: str
    points: int
    found: tuple[int, ...]
    judged: int
    error: float
    traits: tuple[str, ...] = ()
    verdict: str | None = None
    probability: float | None = None
    shown: tuple[tuple[float, ...], ...] = ()

    @property
    def share(self) -> float:
        """Share of the points found at `JUDGED`."""
        return self.judged / max(self.points, 1)

    @classmethod
    def of(cls, scored: Scored, protocol: Protocol) -> "Row":
        """Counts a pair's predictions."""
        pair, counted, quality = scored.pair, scored.counted(protocol), scored.quality
        ends = [points[counted] for points in (pair.source_points, pair.target_points, scored.predicted)]
        count = len(ends[0])
        away = (ends[1].double() - ends[2].double()).norm(dim=-1)
        some = torch.linspace(0, count - 1, min(SHOWN, count)).round().long()
        return cls(
            name=pair.name,
            category=pair.category,
            points=count,
            found=tuple(int(scored.hits(alpha, protocol).sum()) for alpha in protocol.alphas),
            judged=int(scored.hits(JUDGED, protocol).sum()),
            error=round(float(away.mean()) / scored.side(protocol), 6) if count and scored.side(protocol) else 0.0,
            traits=pair.traits,
            verdict=None if quality is None else quality.verdict.value,
            probability=None if quality is None else round(quality.probability, 4),
            shown=tuple(tuple(round(value, 2) for value in row) for row in torch.cat(ends, dim=1)[some].tolist()),
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the row as a log holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Row":
        """Reads what `as_json` wrote."""
        shown = tuple(tuple(row) for row in content["shown"])
        lists = {"found": tuple(content["found"]), "traits": tuple(content["traits"]), "shown": shown}
        return cls(**(content | lists))


@dataclass(frozen=True, slots=True)
class Called:
    """What became of the pairs that were called alike.

    Attributes:
        pairs: how many.
        pck: mean over these pairs of the share found at `JUDGED`, in per cent.
        successful: how many in a hundred reach `SUCCESS`.
        promised: mean probability they were given, in per cent.
    """

    pairs: int
    pck: float
    successful: float
    promised: float


@dataclass(frozen=True, slots=True)
class Scores:
    """PCK by threshold.

    Attributes:
        overall: over everything.
        categories: by category.
        traits: by what makes pairs hard.
        mean: the categories' mean, each as much as any other.
        weighted: the categories' shares of points, each as much as its pairs (Zhang et al. 2023), in per cent.
        calibration: what pairs were called, and what became of them, best first; empty for nearest neighbours.
    """

    overall: dict[float, Pck]
    categories: dict[str, dict[float, Pck]]
    traits: dict[str, dict[float, Pck]]
    mean: dict[float, Pck]
    weighted: dict[float, float]
    calibration: dict[str, Called]


def score(scored: Iterable[Scored], protocol: Protocol) -> Scores:
    """Counts predictions by category and over everything."""
    return tally([Row.of(entry, protocol) for entry in scored], protocol.alphas)


def tally(rows: Sequence[Row], alphas: Sequence[float]) -> Scores:
    """Sums rows up.

    Args:
        rows: one a pair; pairs without points that count do not count.
        alphas: the thresholds that rows hold counts for.
    """
    rows = [row for row in rows if row.points]
    categories = _grouped(rows, alphas, lambda row: [row.category])
    by_alpha = {alpha: [group[alpha] for group in categories.values()] for alpha in alphas}
    return Scores(
        overall=_by_alpha(rows, alphas),
        categories=categories,
        traits=_grouped(rows, alphas, lambda row: row.traits),
        mean={alpha: _mean(groups) for alpha, groups in by_alpha.items()},
        weighted={
            alpha: sum(group.per_point * group.pairs for group in groups) / max(sum(group.pairs for group in groups), 1)
            for alpha, groups in by_alpha.items()
        },
        calibration=_calibration(rows),
    )


def _grouped(
    rows: Sequence[Row], alphas: Sequence[float], names: Callable[[Row], Sequence[str]]
) -> dict[str, dict[float, Pck]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        for name in names(row):
            groups.setdefault(name, []).append(row)
    return {name: _by_alpha(groups[name], alphas) for name in sorted(groups)}


def _by_alpha(rows: Sequence[Row], alphas: Sequence[float]) -> dict[float, Pck]:
    points = [row.points for row in rows]
    return {alpha: metrics.averages([row.found[k] for row in rows], points) for k, alpha in enumerate(alphas)}


def _mean(groups: Sequence[Pck]) -> Pck:
    count = max(len(groups), 1)
    return Pck(
        sum(group.per_image for group in groups) / count,
        sum(group.per_point for group in groups) / count,
        sum(group.pairs for group in groups),
        sum(group.points for group in groups),
    )


def _calibration(rows: Sequence[Row]) -> dict[str, Called]:
    table = {}
    for verdict in sorted(Verdict, key=lambda verdict: -verdict.rank):
        called = [row for row in rows if row.verdict == verdict.value]
        if called:
            share = [100 * row.share for row in called]
            successes = sum(row.share >= SUCCESS for row in called)
            promised = sum(row.probability or 0 for row in called)
            count = len(called)
            table[verdict.value] = Called(count, sum(share) / count, 100 * successes / count, 100 * promised / count)
    return table
