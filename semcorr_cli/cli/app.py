"""The app, and main(): the one place where errors become exit codes."""

import inspect
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer

from semcorr_cli import __version__
from semcorr_cli.cli import (
    batch,
    cache,
    doctor,
    evaluate,
    extract,
    jobs,
    match,
    models,
    morph,
    output,
    style,
    train,
    warp,
)
from semcorr_cli.cli.options import shared
from semcorr_cli.cli.running import attempt, calm
from semcorr_cli.errors import ExitCode, Interrupted
from semcorr_cli.settings import calm_libraries

EPILOG = (
    "Exit codes: 0 done · 1 our bug · 2 usage · 3 input unreadable · 4 weights or package missing · "
    "5 device or memory · 6 output exists or cannot be written · 7 below --min-quality, or jobs of a batch failed · "
    "130 Ctrl-C"
)

SETTINGS = {"help_option_names": ["-h", "--help"]}


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; None for the process's own.

    Returns:
        The exit code; see `semcorr_cli.errors`.
    """
    calm_libraries()
    arguments = sys.argv[1:] if argv is None else argv
    try:
        app(arguments or ["--help"], prog_name="semcorr")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return ExitCode.DONE


def _version(value: bool) -> None:
    if value:
        typer.echo(f"semcorr {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Image editing by semantic correspondence: which part of one picture is which part of another, and edits with it.

    \b
        semcorr match cat.jpg dog.jpg -o matches.png
        semcorr warp cat.jpg dog.jpg -o cat-as-dog.png
        semcorr morph cat.jpg dog.jpg -o morph.gif
    """  # noqa: D301 (\\b keeps the examples' lines)


def _group(help_: str) -> typer.Typer:
    return typer.Typer(help=help_, context_settings=SETTINGS, no_args_is_help=True)


def _add(parent: typer.Typer, name: str, verb: Callable[..., None], summary: str, *, title: str | None = None) -> None:
    """Adds a verb: its shared options are unfolded, and it runs guarded."""
    unfolded = shared(verb)

    def guarded(**values: Any) -> None:
        _run(title or name, unfolded, values)

    guarded.__signature__ = unfolded.__signature__  # type: ignore[attr-defined]
    guarded.__annotations__ = unfolded.__annotations__
    guarded.__doc__ = _reflowed(verb.__doc__ or "")
    parent.command(name, short_help=summary, epilog=EPILOG)(guarded)


def _reflowed(text: str) -> str:
    """Returns help with each paragraph on one line, to be wrapped to the terminal; examples keep their lines."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(part if part.startswith("\b") else part.replace("\n", " ") for part in paragraphs)


def _run(name: str, verb: Callable[..., None], values: dict[str, Any]) -> None:
    """Runs a verb with stdout guarded, and leaves with the exit code of whatever happens."""
    with output.guarded(name) as out, _interruptible() as caught:
        out.as_json = values["json"]
        out.level = -1 if values["quiet"] else values["verbose"]
        calm(out.level)
        error = attempt(lambda: verb(**values), out)
        if error is not None and caught:  # libraries turn an interruption into errors of their own
            left = error.left if isinstance(error, Interrupted) else ""
            error = Interrupted(ExitCode(128 + caught[0]), left=left)
        if error is not None:
            out.failure(error)
        out.envelope(error)
    raise SystemExit(int(ExitCode.DONE if error is None else error.exit_code))


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Turns Ctrl-C and SIGTERM into KeyboardInterrupt, so that temporary files go; yields the signals that came."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield caught
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


app = typer.Typer(context_settings=SETTINGS, epilog=EPILOG, pretty_exceptions_enable=False, callback=_root)
_add(app, "match", match.match, "Find which part of one picture is which part of the other.")
_add(app, "warp", warp.warp, "Redraw a picture in the layout of another.")
_add(app, "morph", morph.morph, "Make a film in which pictures become each other.")
_add(app, "transfer-style", style.transfer_style, "Give a picture the looks of another's corresponding regions.")
_add(app, "extract", extract.extract, "Write a picture's feature map.")
_add(app, "evaluate", evaluate.evaluate, "Measure PCK on a data set.")
_add(app, "train", train.train, "Train or fine-tune the built-in extractor on pictures of your own.")
_add(app, "doctor", doctor.doctor, "Print versions, devices, folders and weights.")
_batch = _group("Many jobs of one verb: resumable, on several workers, on a cluster.")
for _name, _verb in jobs.VERBS.items():
    _add(_batch, _name, batch.command(_name), _verb.summary, title=f"batch {_name}")
app.add_typer(_batch, name="batch")
_models = _group("The extractors, and where their weights lie.")
_add(_models, "list", models.list_, "List the extractors.", title="models list")
_add(_models, "pull", models.pull, "Bring weights to this machine.", title="models pull")
_add(_models, "verify", models.verify, "Compare weights with their digests.", title="models verify")
_add(_models, "path", models.path, "Print where weights lie.", title="models path")
app.add_typer(_models, name="models")
_cache = _group("Features kept on disk.")
_add(_cache, "info", cache.info, "Say where the cache lies and how big it is.", title="cache info")
_add(_cache, "prune", cache.prune, "Empty the cache, or make it smaller.", title="cache prune")
app.add_typer(_cache, name="cache")
