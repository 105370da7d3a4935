"""`semcorr evaluate`: PCK on data sets with truth."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from semcorr_cli.cli import output
from semcorr_cli.cli.options import MatchOptions, open_session
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semcorr_cli.core.metrics import Pck
    from semcorr_cli.datasets import TruePair
    from semcorr_cli.evaluate import Protocol, Scores


class Dataset(StrEnum):
    """Data sets that can be read."""

    SPAIR = "spair"
    SAMPLES = "samples"


class Split(StrEnum):
    """Parts of SPair-71k."""

    TEST = "test"
    VAL = "val"
    TRN = "trn"


class Changes(StrEnum):
    """What makes a picture hard."""

    ALL = "all"
    SIMILARITY = "similarity"


class Prediction(StrEnum):
    """What is measured."""

    NEAREST = "nearest"
    WARP = "warp"


def evaluate(
    dataset: Annotated[Dataset, typer.Argument(help="Which data set DIR holds.", show_default=False)],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where it was unpacked.", show_default=False)],
    predict: Annotated[
        Prediction, typer.Option(help="Plain nearest neighbours on the grid, or the smooth field.")
    ] = Prediction.WARP,
    protocol: Annotated[
        str, typer.Option(help="Switches: per-image or per-point, <= or < (le, lt), bbox or img.")
    ] = "per-image,<=,bbox",
    split: Annotated[Split, typer.Option(help="Part of SPair-71k.")] = Split.TEST,
    hard: Annotated[
        bool,
        typer.Option("--hard", help="Mirror, turn, scale, move and recolour one picture of each pair (by --seed)."),
    ] = False,
    changes: Annotated[
        Changes | None,
        typer.Option(
            help="What --hard does: all of it, or no more than mirror, turn, scale and move.", show_default="all"
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take this many pairs, spread over the whole set.", show_default=False)
    ] = None,
    *,
    options: MatchOptions,
) -> None:
    """Examples:

    \b
        semcorr evaluate spair SPair-71k
        semcorr evaluate spair SPair-71k --predict nearest --limit 200
        semcorr evaluate spair SPair-71k --protocol "per-point,<" --json
        semcorr evaluate samples samples --hard
        semcorr evaluate samples samples --hard --changes similarity

    Measures PCK: the percentage of true points that are found within a share (0.05, 0.10, 0.20) of the target object's
    longer side. Published numbers differ in averaging and in < or <=; both averages are always computed.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from semcorr_cli import evaluate as evaluation

    out = output.current()
    counting = evaluation.Protocol.parse(protocol)
    if changes is not None and not hard:
        raise UsageError("--changes says what --hard does, which was not asked for", hint="add --hard")
    pairs = list(_pairs(dataset, directory, split.value))
    if hard:
        whole = len(pairs)
        pairs = _hardened(pairs, options.seed, changes or Changes.ALL)
        if len(pairs) < whole:
            out.say(f"{whole - len(pairs)} pairs have too few points to be made hard and are left out")
    pairs = _limited(pairs, limit)
    session = open_session(options)
    out.say(f"{len(pairs)} {'hard ' if hard else ''}pairs of {dataset.value}, {predict.value}")
    predicted = evaluation.predict(pairs, session, predict.value)
    scores = evaluation.score(list(out.progress(predicted, len(pairs), "pairs")), counting)
    out.result.update(_as_json(scores), pairs=len(pairs), predict=predict.value, protocol=protocol, hard=hard)
    if hard:
        out.result.update(changes=(changes or Changes.ALL).value)
    out.table(_table(scores, counting))
    session.close()


def _pairs(dataset: Dataset, directory: Path, split: str) -> "Iterator[TruePair]":
    from semcorr_cli.datasets import samples, spair

    return samples.read(directory) if dataset is Dataset.SAMPLES else spair.read(directory, split)


def _hardened(pairs: "list[TruePair]", seed: int, changes: Changes) -> "list[TruePair]":
    from semcorr_cli.datasets import hard

    among = hard.pictures(pairs)
    return list(hard.harden(pairs, seed, among=among, changes=hard.Changes(changes.value)))


def _limited(pairs: "list[TruePair]", limit: int | None) -> "list[TruePair]":
    """Returns `limit` pairs at even distances, so that every category has its share."""
    if limit is None or limit >= len(pairs):
        return pairs
    return [pairs[k * len(pairs) // limit] for k in range(limit)]


def _as_json(scores: "Scores") -> dict[str, object]:
    def both(group: "dict[float, Pck]") -> dict[str, dict[str, float]]:
        return {
            kind: {f"{alpha:.2f}": round(getattr(pck, kind), 2) for alpha, pck in group.items()}
            for kind in ("per_image", "per_point")
        }

    categories = {
        name: both(group) | {"pairs": next(iter(group.values())).pairs, "points": next(iter(group.values())).points}
        for name, group in scores.categories.items()
    }
    return {"pck": both(scores.overall), "categories": categories}


def _table(scores: "Scores", protocol: "Protocol") -> Table:
    kind = protocol.average.replace("-", "_")
    sign = "<" if protocol.strict else "<="
    table = Table(title=f"PCK in per cent, {protocol.average.replace('-', ' ')}, {sign}, {protocol.size}", box=None)
    table.add_column("category")
    for alpha in protocol.alphas:
        table.add_column(f"{alpha:.2f}", justify="right")
    table.add_column("pairs", justify="right")
    for name, group in [*scores.categories.items(), ("all", scores.overall)]:
        values = [f"{getattr(group[alpha], kind):.1f}" for alpha in protocol.alphas]
        table.add_row(name, *values, str(group[protocol.alphas[0]].pairs), style="bold" if name == "all" else None)
    return table
