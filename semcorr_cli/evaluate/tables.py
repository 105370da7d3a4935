"""Scores as tables of text, the same ones for terminals and reports."""

from collections.abc import Mapping
from dataclasses import dataclass

from semcorr_cli.core.metrics import Pck
from semcorr_cli.evaluate.protocol import Protocol, label
from semcorr_cli.evaluate.scores import JUDGED, SUCCESS, Scores

ALL, MEAN = "all", "mean of categories"


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        title: what it shows.
        columns: headings; all columns but the first hold numbers.
        rows: texts.
        strong: first texts of the rows that matter most.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[str] = frozenset()


def tables(scores: Scores, protocol: Protocol) -> list[Table]:
    """Returns the tables that there is something to say in: categories, what makes pairs hard, verdicts."""
    title = f"PCK in per cent ({protocol})"
    sums = {ALL: scores.overall} | ({MEAN: scores.mean} if len(scores.categories) > 1 else {})
    made = [_pck(title, "category", scores.categories | sums, protocol)]
    if telling := {name: group for name, group in scores.traits.items() if _differs(name, scores)}:
        made.append(_pck(f"{title}, by what makes pairs hard", "trait", telling, protocol))
    if scores.calibration:
        made.append(_verdicts(scores))
    return made


def _differs(trait: str, scores: Scores) -> bool:
    """Tells whether some pairs do not have a trait."""
    counts = [next(iter(group.values())).pairs for group in (scores.traits[trait], scores.overall)]
    return counts[0] < counts[1]


def _pck(title: str, what: str, groups: Mapping[str, dict[float, Pck]], protocol: Protocol) -> Table:
    kind = protocol.average.replace("-", "_")
    first = protocol.alphas[0]
    rows = [
        (
            name,
            *(f"{getattr(group[alpha], kind):.1f}" for alpha in protocol.alphas),
            f"{group[first].pairs:,}",
            f"{group[first].points:,}",
        )
        for name, group in groups.items()
    ]
    return Table(title, (what, *map(label, protocol.alphas), "pairs", "points"), tuple(rows), frozenset({ALL}))


def _verdicts(scores: Scores) -> Table:
    total = sum(called.pairs for called in scores.calibration.values())
    rows = [
        (
            verdict,
            f"{called.pairs:,}",
            f"{100 * called.pairs / total:.1f}",
            f"{called.pck:.1f}",
            f"{called.successful:.1f}",
            f"{called.promised:.1f}",
        )
        for verdict, called in scores.calibration.items()
    ]
    columns = ("verdict", "pairs", "%", f"PCK@{JUDGED:.2f}", "matched", "promised")
    title = (
        f"What pairs were called, and what became of them, in per cent (matched: at least {SUCCESS:.0%} of the points "
        f"found at {JUDGED:.2f}; promised: mean chance of it that pairs were given)"
    )
    return Table(title, columns, tuple(rows))
