"""`semcorr batch`: many jobs of one verb, from a manifest or two folders, resumable."""

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from semcorr_cli.cli import jobs
from semcorr_cli.cli.options import RUN, TalkOptions

JOBS = "Jobs"


class Pairing(StrEnum):
    """How the pictures of two folders are paired."""

    NAME = "name"
    ALL = "all"
    ZIP = "zip"


class EngineName(StrEnum):
    """Who runs the workers."""

    LOCAL = "local"
    SERIAL = "serial"
    RAY = "ray"


Manifest = Annotated[
    str | None,
    typer.Argument(metavar="[MANIFEST]", help="Jobs as csv, tsv or jsonl; - for stdin.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """Options of every batch."""

    source_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of first pictures, instead of a manifest.", rich_help_panel=JOBS, show_default=False),
    ] = None
    target_dir: Annotated[
        Path | None, typer.Option(help="Folder of second pictures.", rich_help_panel=JOBS, show_default=False)
    ] = None
    pair: Annotated[
        Pairing,
        typer.Option(help="Same names, everything with everything, or in order.", rich_help_panel=JOBS),
    ] = Pairing.NAME
    root: Annotated[
        Path | None,
        typer.Option(
            help="Folder that relative inputs start from; default this one.", rich_help_panel=JOBS, show_default=False
        ),
    ] = None
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Take every N-th job, from the I-th on.", rich_help_panel=JOBS)
    ] = "1/1"
    follow: Annotated[
        bool, typer.Option("--follow", help="Keep reading a manifest that grows, until Ctrl-C.", rich_help_panel=JOBS)
    ] = False
    check: Annotated[
        bool, typer.Option("--check", help="Say what is wrong with the jobs, and do none.", rich_help_panel=JOBS)
    ] = False
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try jobs again that failed before.", rich_help_panel=JOBS)
    ] = False
    engine: Annotated[
        EngineName, typer.Option(help="Processes here, none at all, or a Ray cluster.", rich_help_panel=RUN)
    ] = EngineName.LOCAL
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Workers; default one a device.", rich_help_panel=RUN, show_default=False),
    ] = None
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Of a running cluster, such as auto; default a new one here.", rich_help_panel=RUN, show_default=False
        ),
    ] = None


HELP = {
    "output": "Folder of the results, the journal and the report.",
    "format": "What outputs that nobody named are written as.",
    "overwrite": "Replace outputs that are there and that the batch has not made.",
    "device": "auto, cpu, cuda, mps, or several: cuda:0,cuda:1.",
}
"""Options that mean something else for a batch than for one of its jobs."""

DOC = """Examples:

    \b
        semcorr batch {verb} jobs.csv -o out
        semcorr batch {verb} jobs.csv -o out --check
        semcorr batch {verb} --source-dir cats{target} -o out --jobs 2

    Runs `semcorr {verb}` for each line of a manifest: csv or tsv whose first line names the columns, or one JSON object
    a line. Keys are {keys}, output (inside -o) and any option of the verb; options given here are for all lines. The
    same command again goes on where it stopped and skips what is done. -o holds journal.jsonl and report.html too.
    """


def command(name: str) -> Callable[..., None]:
    """Returns `semcorr batch NAME`: the batch's options, and those of the verb for all jobs."""
    *verbs_own, bundle = inspect.signature(jobs.VERBS[name].function).parameters.values()
    inputs = [parameter.name for parameter in verbs_own if parameter.default is inspect.Parameter.empty]

    def verb(context: typer.Context, manifest: str | None, *, talk: TalkOptions, **values: Any) -> None:
        from semcorr_cli.cli.batching import Wanted, carry_out

        own = BatchOptions(**{entry.name: values[entry.name] for entry in fields(BatchOptions)})
        parser = jobs.Command(name)
        carry_out(
            Wanted(
                command=parser,
                given=parser.given(context),
                manifest=manifest,
                folder=values["output"],
                format=values["format"],
                overwrite=values["overwrite"],
                devices=values["device"],
                own=own,
            )
        )

    shared = [entry for entry in fields(bundle.annotation) if entry.name not in TalkOptions.__dataclass_fields__]
    verb.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            _parameter("context", typer.Context, inspect.Parameter.empty),
            _parameter("manifest", Manifest, None),
            *_parameters(BatchOptions, [entry.name for entry in fields(BatchOptions)]),
            *(_parameter(p.name, p.annotation, p.default) for p in verbs_own if p.name not in inputs),
            *_parameters(bundle.annotation, [entry.name for entry in shared]),
            _parameter("talk", TalkOptions, inspect.Parameter.empty),
        ]
    )
    verb.__name__ = name
    is_pair = inputs != ["image"]
    verb.__doc__ = DOC.format(
        verb=name,
        target=" --target-dir dogs --pair all" if is_pair else "",
        keys="source, target" if is_pair else "source",
    )
    return verb


def _parameters(bundle: type, names: list[str]) -> list[inspect.Parameter]:
    hints = get_type_hints(bundle, include_extras=True)
    defaults = {entry.name: entry.default for entry in fields(bundle)}
    return [_parameter(name, _renamed(hints[name], HELP.get(name)), defaults[name]) for name in names]


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _renamed(hint: Any, text: str | None) -> Any:
    """Returns an annotation whose option says something else in --help."""
    if text is None:
        return hint
    kind, option = get_args(hint)
    option = copy.copy(option)
    option.help = text
    return Annotated[kind, option]
