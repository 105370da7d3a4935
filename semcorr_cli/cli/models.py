"""`semcorr models`: the extractors, their weights, where these lie, and how they get there."""

from typing import Annotated, Any

import typer
from rich.table import Table

from semcorr_cli import extractors, weights
from semcorr_cli.cli import output
from semcorr_cli.cli.options import RUN, TalkOptions
from semcorr_cli.errors import MissingError, UsageError
from semcorr_cli.extractors.models import Model, known_as, table
from semcorr_cli.extractors.spec import ExtractorSpec
from semcorr_cli.settings import Settings

Name = Annotated[
    str, typer.Argument(help="An extractor, see `semcorr models list`, or weights by name.", show_default=False)
]
Names = Annotated[
    list[str],
    typer.Argument(
        help="Extractors, see `semcorr models list`, weights by name, or their repository, be it a former one.",
        show_default=False,
    ),
]


def list_(*, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr models list
        semcorr models list --json

    Lists the extractors that --features takes, with size and licence of their weights and whether they are here, and
    the adapters that --adapter takes. --json lists every file, with repository, revision, size and digest.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    settings = Settings.from_environment()
    out = output.current()
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "weights", "here", "licence", "what it is"):
        shown.add_column(heading, no_wrap=heading != "what it is")
    rows = [_row(spec, settings) for spec in extractors.SPECS]
    adapters = [model for model in table().values() if model.role == "adapter"]
    rows += [_adapter_row(model, settings) for model in adapters]
    for row in rows:
        shown.add_row(row["name"], _size(row["bytes"]), "yes" if row["here"] else "no", row["licence"], row["summary"])
    out.result["models"] = rows
    out.result["weights"] = [_as_json(model, settings) for model in table().values()]
    out.table(shown)


def pull(
    names: Names,
    repository: Annotated[
        str | None,
        typer.Option("--from", metavar="OWNER/NAME", help="A mirror to take instead.", show_default=False),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch or commit of the mirror.", show_default=False)] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never touch the network.", rich_help_panel=RUN)] = False,
    *,
    options: TalkOptions,
) -> None:
    """Examples:

    \b
        semcorr models pull dino
        semcorr models pull hybrid
        semcorr models pull diy-sc
        semcorr models pull stabilityai/stable-diffusion-2-1 --from OWNER/MIRROR

    Brings the weights of extractors to this machine. What was interrupted goes on where it stopped; every file is
    compared with its digest before it is put in its place. Repositories that have moved are found where they are now.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from dataclasses import replace

    settings = Settings.from_environment()
    settings = replace(settings, offline=settings.offline or offline)
    wanted = _models(names)
    if repository is None and revision is not None:
        raise UsageError("--revision belongs to --from", hint="the table's own revisions are pinned")
    if repository is not None and len({model.repository for model in wanted}) > 1:
        raise UsageError("--from takes the place of one repository", hint="pull the others by themselves")
    out = output.current()
    brought: list[str] = []
    total = sum(file.size or 0 for model in wanted for file in weights.missing(model, settings))
    for model in wanted:
        if weights.missing(model, settings):
            out.say(f"{model.name}: {_size(model.size)} from {repository or model.repository} ({model.licence})")
    with out.bar(max(total, 1), "pulling") as advance:
        come = 0

        def progress(count: int) -> None:
            nonlocal come
            come += count
            advance(come, f"{come / 1e6:,.0f} MB")

        for model in wanted:
            brought += map(
                str,
                weights.pull(model, settings, progress, repository=repository or "", revision=revision or ""),
            )
    out.result["files"] = brought
    for path in brought:
        out.made(path, None)
    if not brought:
        out.say("everything is here already")


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="As for pull; all that is here without.", show_default=False)
    ] = None,
    *,
    options: TalkOptions,
) -> None:
    """Examples:

    \b
        semcorr models verify
        semcorr models verify hybrid --json

    Reads every byte of weights and compares it with its digest. Exit code 4 if a file is damaged or missing.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    settings = Settings.from_environment()
    out = output.current()
    wanted = _models(names) if names else [m for m in table().values() if not weights.missing(m, settings)]
    shown = Table(box=None, pad_edge=False)
    for heading in ("weights", "file", "state"):
        shown.add_column(heading)
    rows = []
    for model in out.progress(wanted, len(wanted), "verifying"):
        for path, state in weights.verify(model, settings).items():
            rows.append({"name": model.name, "file": path, "state": state})
            shown.add_row(model.name, path, state)
    out.result["files"] = rows
    out.table(shown)
    states = ("damaged", "missing")
    wrong = [f"{row['name']}: {row['file']} is {row['state']}" for row in rows if row["state"] in states]
    if wrong:
        first = wrong[0].partition(":")[0]
        more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise MissingError(f"{wrong[0]}{more}", hint=f"remove what is damaged, then semcorr models pull {first}")


def path(name: Name, *, options: TalkOptions) -> None:
    """Examples:

    \b
        semcorr models path builtin
        semcorr models path hybrid

    Prints the files that an extractor's weights are, or would be, one a line; nothing for one without weights.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    settings = Settings.from_environment()
    out = output.current()
    spec = extractors.find(name)
    if spec is not None:
        files = spec.files(settings.weights)
    else:
        files = [settings.weights / model.folder / file.path for model in _models([name]) for file in model.files]
    out.result["files"] = [{"path": str(file), "here": file.is_file()} for file in files]
    for file in files:
        out.text(str(file))


def _models(names: list[str]) -> list[Model]:
    """Returns the models that names stand for, each once.

    Raises:
        UsageError: a name of nothing.
    """
    found: dict[str, Model] = {}
    for name in names:
        spec = extractors.find(name)
        models = spec.models if spec is not None else known_as(name)
        if not models and spec is None:
            known = ", ".join((*extractors.names(), *table()))
            raise UsageError(f"{name!r} is neither an extractor nor weights", hint=f"known: {known}")
        found |= {model.name: model for model in models}
    return list(found.values())


def _row(spec: ExtractorSpec, settings: Settings) -> dict[str, Any]:
    sizes = [model.size for model in spec.models]
    size = sum(path.stat().st_size for path in spec.files(settings.weights)) if spec.packaged else _sum(sizes)
    return {
        "name": spec.name,
        "preset": spec.preset or None,
        "bytes": size,
        "here": weights.local(spec, {}, settings) is not None,
        "licence": spec.licence,
        "gated": any(model.gated for model in spec.models),
        "summary": spec.summary,
        "weights": [model.name for model in spec.models],
    }


def _adapter_row(model: Model, settings: Settings) -> dict[str, Any]:
    return {
        "name": model.name,
        "preset": None,
        "bytes": model.size,
        "here": not weights.missing(model, settings),
        "licence": model.licence,
        "gated": model.gated,
        "summary": "an adapter, for --adapter",
        "weights": [model.name],
    }


def _as_json(model: Model, settings: Settings) -> dict[str, Any]:
    return {
        "name": model.name,
        "repository": model.repository,
        "formerly": list(model.formerly),
        "revision": model.revision,
        "licence": model.licence,
        "gated": model.gated,
        "bytes": model.size,
        "here": not weights.missing(model, settings),
        "files": [
            {
                "path": file.path,
                "bytes": file.size,
                "sha256": file.digest if len(file.digest) == 64 else None,
                "git_sha1": file.digest if len(file.digest) == 40 else None,
            }
            for file in model.files
        ],
    }


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size / 1e6:,.0f} MB" if size else "none"
