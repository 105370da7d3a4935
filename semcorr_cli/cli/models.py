"""`semcorr models`: the extractors, and where their weights lie."""

from typing import Annotated

import typer
from rich.table import Table

from semcorr_cli import extractors
from semcorr_cli.cli import output
from semcorr_cli.cli.options import TalkOptions
from semcorr_cli.errors import UsageError
from semcorr_cli.extractors import ExtractorSpec
from semcorr_cli.settings import Settings

Name = Annotated[str, typer.Argument(help="An extractor; see `semcorr models list`.", show_default=False)]


def list_(*, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr models list
        semcorr models list --json

    Lists the extractors that --features takes, with size and licence of their weights and whether they are here.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    settings = Settings.from_environment()
    out = output.current()
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "weights", "here", "licence", "what it is"):
        table.add_column(heading, no_wrap=heading != "what it is")
    rows = []
    for spec in extractors.SPECS:
        size = sum(file.size for file in spec.weights)
        size += sum(path.stat().st_size for path in spec.files(settings.weights) if spec.packaged)
        here = is_here(spec, settings)
        rows.append({"name": spec.name, "bytes": size, "here": here, "licence": spec.licence, "summary": spec.summary})
        table.add_row(
            spec.name, f"{size / 1e6:,.0f} MB" if size else "none", "yes" if here else "no", spec.licence, spec.summary
        )
    out.result["models"] = rows
    out.table(table)


def path(name: Name, *, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr models path builtin

    Prints the files that an extractor's weights are, or would be, one a line; nothing for one without weights.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    spec = extractors.find(name)
    if spec is None:
        raise UsageError(f"{name!r} is no extractor", hint=f"known: {', '.join(extractors.names())}")
    settings = Settings.from_environment()
    out = output.current()
    files = spec.files(settings.weights)
    out.result["files"] = [{"path": str(file), "here": file.is_file()} for file in files]
    for file in files:
        out.text(str(file))


def is_here(spec: ExtractorSpec, settings: Settings) -> bool:
    """Tells whether all weights of an extractor are on this disk."""
    return all(path.is_file() for path in spec.files(settings.weights))
