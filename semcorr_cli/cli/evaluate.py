"""`semcorr evaluate`: PCK on data sets with truth."""

from contextlib import nullcontext
from dataclasses import asdict, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from semcorr_cli import __version__
from semcorr_cli.batch.recipe import Digests
from semcorr_cli.cli import output
from semcorr_cli.cli.destination import Destination, destination
from semcorr_cli.cli.options import MatchOptions, open_session
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.core.metrics import Pck
    from semcorr_cli.evaluate import Protocol, Scores, Table
    from semcorr_cli.session import Session

UNRELATED = {"json", "quiet", "verbose", "output", "format", "overwrite", "device", "offline", "cache", "max_pixels"}
"""Options that change no score."""

DECIDED = {"features", "dtype"}
"""Options that the session has made up its mind about."""


class Dataset(StrEnum):
    """Data sets that can be read."""

    SPAIR = "spair"
    PF_PASCAL = "pf-pascal"
    PF_WILLOW = "pf-willow"
    AP10K = "ap10k"
    TSS = "tss"
    SAMPLES = "samples"


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
        str,
        typer.Option(
            help="Switches: per-image or per-point; <= or < (le, lt); bbox, img or kps; original or padded; centre, +7 "
            "or bilinear; all or geo; or dift, sd-dino, geoaware.",
            show_default="per-image,<= and the data set's own size",
        ),
    ] = "",
    alphas: Annotated[
        str | None,
        typer.Option(metavar="A,A,…", help="Thresholds, as shares of that size.", show_default="the data set's own"),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="test, val, trn, test-small, test_cross_species, …", show_default="test")
    ] = None,
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
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Draw this many pairs a category, as sd-dino and GeoAware-SC do.", show_default=False),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Keep each pair's result here (.jsonl); a run that was stopped goes on.", show_default=False),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Write tables and the worst pairs' pictures here (.html, .md).", show_default=False),
    ] = None,
    *,
    options: MatchOptions,
) -> None:
    """Examples:

    \b
        semcorr evaluate spair SPair-71k --log spair.jsonl --report spair.html
        semcorr evaluate spair SPair-71k --predict nearest --limit 200
        semcorr evaluate spair SPair-71k --protocol "per-point,<" --json
        semcorr evaluate ap10k ap-10k --split test_cross_family --protocol geoaware,geo --predict nearest
        semcorr evaluate pf-pascal PF-dataset-PASCAL
        semcorr evaluate samples samples --hard --changes similarity

    Measures PCK: the percentage of true points that are found within a share of a size, which is the longer side of the
    target's box (bbox), of the target picture (img) or of the box round its points (kps). Published numbers differ in
    these switches; both averages are always computed.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from semcorr_cli import evaluate as evaluation
    from semcorr_cli.datasets import catalogue
    from semcorr_cli.datasets import hard as hardening

    out = output.current()
    _check(options, hard=hard, changes=changes)
    counting = _protocol(protocol, alphas, dataset, predict)
    place = None if report is None else _report_place(report, options)
    whole = catalogue.read(dataset.value, directory, split, boxes=counting.size == "bbox")
    wanted = hardening.Changes((changes or Changes.ALL).value) if hard else None
    selection = evaluation.Selection(whole, sample, limit, wanted, options.seed, options.max_pixels)
    session = open_session(options)
    conditions = {
        "data set": dataset.value,
        "directory": str(directory.resolve()),
        "split": split or "test",
        "predict": predict.value,
        "protocol": str(counting),
        "alphas": list(counting.alphas),
        "hard": None if wanted is None else wanted.value,
    } | _settings(options, session)
    with nullcontext() if log is None else evaluation.Log(log, conditions) as known:
        out.say(f"{len(selection)} {'hard ' if hard else ''}pairs of {dataset.value}, {predict.value}")
        if known is not None and known.rows:
            out.say(f"{log} knows {len(known.rows)} of the results")
        with out.bar(len(selection), "pairs", plain=True) as advance:
            rows = evaluation.run(selection, session, predict.value, counting, known, lambda done: advance(done, ""))
    session.close()
    if len(rows) < len(selection):
        out.say(f"{len(selection) - len(rows)} pairs have too few points to be made hard and are left out")
    scores = evaluation.tally(rows, counting.alphas)
    out.result.update(_as_json(scores), pairs=len(rows), predict=predict.value, protocol=str(counting), hard=hard)
    out.result.update({} if wanted is None else {"changes": wanted.value})
    tables = evaluation.tables(scores, counting)
    for number, table in enumerate(tables):
        out.text(f"\n{table.title}" if number else table.title)
        out.table(_as_rich(table))
    if place is not None:
        facts = {name: _as_text(value) for name, value in conditions.items() if value not in (None, [], "")}
        title = f"semcorr evaluate {dataset.value}: {len(rows)} pairs"
        made = evaluation.Report(title, facts, tables, evaluation.show(selection, evaluation.worst(rows)))
        place.deliver(made.encode(place.suffix))


def _check(options: MatchOptions, *, hard: bool, changes: Changes | None) -> None:
    if changes is not None and not hard:
        raise UsageError("--changes says what --hard does, which was not asked for", hint="add --hard")
    if options.output is not None or options.format is not None:
        raise UsageError("evaluate prints tables and makes no picture", hint="--report FILE, or --json")


def _protocol(text: str, alphas: str | None, dataset: Dataset, predict: Prediction) -> "Protocol":
    from semcorr_cli.datasets import catalogue
    from semcorr_cli.evaluate import Protocol

    own = catalogue.DATASETS[dataset.value]
    found = Protocol.parse(text, Protocol(size=own.size, alphas=own.alphas))
    if predict is Prediction.WARP and found.reading != "centre":
        raise UsageError(
            f"--protocol {text}: {found.reading} is a way of reading nearest neighbours", hint="--predict nearest"
        )
    return found if alphas is None else found.with_alphas(alphas)


def _report_place(path: Path, options: MatchOptions) -> Destination:
    from semcorr_cli.evaluate.report import FORMATS

    return destination(replace(options, output=str(path)), path, FORMATS)


def _settings(options: MatchOptions, session: "Session") -> dict[str, Any]:
    """Returns what else scores depend on, as JSON has it."""
    dtype = str(session.dtype).removeprefix("torch.")
    told = {"semcorr": __version__, "features": session.spec.name, "version": session.spec.version, "dtype": dtype}
    names = {entry.name for entry in fields(options)} - UNRELATED - DECIDED
    return told | {name: _with_digests(getattr(options, name)) for name in sorted(names)}


def _with_digests(value: Any) -> Any:
    """Returns an option's value, with digests of the files that it names: their content counts, too."""
    if isinstance(value, list):
        return [_with_digests(part) for part in value]
    if not isinstance(value, str) or isinstance(value, StrEnum):
        return getattr(value, "value", value)
    path = Path(value.rpartition("=")[2])
    return f"{value} ({Digests().of(path)[:16]})" if value and path.is_file() else value


def _as_text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _as_json(scores: "Scores") -> dict[str, Any]:
    from semcorr_cli.evaluate import label

    def both(group: "dict[float, Pck]") -> dict[str, dict[str, float]]:
        return {
            kind: {label(alpha): round(getattr(pck, kind), 2) for alpha, pck in group.items()}
            for kind in ("per_image", "per_point")
        }

    def groups(found: "dict[str, dict[float, Pck]]") -> dict[str, Any]:
        return {
            name: both(group) | {"pairs": next(iter(group.values())).pairs, "points": next(iter(group.values())).points}
            for name, group in found.items()
        }

    weighted = {label(alpha): round(value, 2) for alpha, value in scores.weighted.items()}
    return {
        "pck": both(scores.overall),
        "categories": groups(scores.categories),
        "category_mean": both(scores.mean) | {"per_point_weighted_by_pairs": weighted},
        "traits": groups(scores.traits),
        "calibration": {
            verdict: {name: round(value, 2) for name, value in asdict(called).items()}
            for verdict, called in scores.calibration.items()
        },
    }


def _as_rich(table: "Table") -> RichTable:
    made = RichTable(box=None)
    for number, column in enumerate(table.columns):
        made.add_column(column, justify="right" if number else "left")
    for row in table.rows:
        made.add_row(*row, style="bold" if row[0] in table.strong else None)
    return made
