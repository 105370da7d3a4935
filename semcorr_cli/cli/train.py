"""`semcorr train`: the networks of the package, from scratch or fine-tuned, on a folder of pictures."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import output
from semcorr_cli.cli.interruption import asked_to_stop
from semcorr_cli.cli.options import TalkOptions, named
from semcorr_cli.errors import InputError, MissingError, OutputError, UsageError

if TYPE_CHECKING:
    from semcorr_cli.extractors.facing import FacingNet
    from semcorr_cli.extractors.network import DescriptorNet
    from semcorr_cli.training.options import TrainOptions
    from semcorr_cli.training.pictures import Pictures

TUNING_STEPS = 600
"""Steps of a run that starts from weights."""

WEIGHTS = "weights.safetensors"
"""What a run leaves for `--weights builtin=…`."""

RELATION = "relation.safetensors"
"""What a run with --relation leaves."""

FACING = "facing.safetensors"
"""What a run with --facing leaves."""


def train(
    pictures: Annotated[
        Path, typer.Argument(metavar="PICTURES", help="Folder of pictures, one sub-folder a kind of thing.")
    ],
    run: Annotated[
        Path, typer.Option("--run", help="Folder of the run: checkpoint, log and weights. One that exists goes on.")
    ] = Path("semcorr-run"),
    start: Annotated[
        str | None,
        typer.Option(
            help="Fine-tune these weights: a file, or `builtin` (with --facing, also `facing`) for the shipped ones.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Default: 13400 from scratch, 600 with --start.", show_default=False)
    ] = None,
    renders: Annotated[
        list[Path] | None, typer.Option(help="Folders of rendered pairs in the layout of samples/.", show_default=False)
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(help="Sub-folders and pictures to leave out.", show_default=False)
    ] = None,
    loose: Annotated[
        list[str] | None, typer.Option(help="Sub-folders whose pictures are not alike.", show_default=False)
    ] = None,
    develop: Annotated[
        Path | None,
        typer.Option(help="Pairs in SPair-71k's layout to score on while training.", show_default=False),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change the recipe: views.turn=20.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 1,
    relation: Annotated[
        bool,
        typer.Option(
            "--relation",
            help="Train the network that tells poses instead; its file is RUN/relation.safetensors.",
        ),
    ] = False,
    facing: Annotated[
        bool,
        typer.Option(
            "--facing",
            help="Train the network that tells fronts from backs instead; its file is RUN/facing.safetensors.",
        ),
    ] = False,
    often: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER=TIMES",
            help="With --facing: draw a sub-folder so many times more often, whose fronts and backs are hard to tell.",
            show_default=False,
        ),
    ] = None,
    *,
    options: TalkOptions,
) -> None:
    """Examples:

    \b
        semcorr train birds --start builtin --run birds-run
        semcorr match heron.jpg crane.jpg --features builtin --weights builtin=birds-run/weights.safetensors
        semcorr train caltech101 --run run --without okapi --develop caltech_kps
        semcorr train caltech101 --run run
        semcorr train caltech101 --run run --relation
        semcorr train caltech101 --run run --facing --often car_side=15

    Trains the network of the built-in extractor on PICTURES, on the CPU. Pictures of one sub-folder should show the
    same kind of thing, facing the same way; pictures that lie beside the sub-folders need not. Ctrl-C saves and stops;
    the same command goes on from there.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    from semcorr_cli.extractors.network import load_network
    from semcorr_cli.training import renders as rendered
    from semcorr_cli.training.pictures import read_folder
    from semcorr_cli.training.trainer import Trainer
    from semcorr_cli.training.weights import write_weights

    out = output.current()
    if relation and facing:
        raise UsageError("--relation and --facing train different networks: give one of them")
    if often and not facing:
        raise UsageError("--often goes with --facing")
    more_often = _often(often)
    recipe = _recipe(steps, start is not None, seed, settings)
    _check_run(run)
    origin = None if start is None or facing else load_network(_weights(start))
    facing_origin = _facing_origin(start or "builtin") if facing else None
    out.say(f"reading {pictures}")
    everything = read_folder(pictures, run / "pictures", recipe.side, without or (), loose or ())
    everything = rendered.join(everything, renders or ())
    if relation:
        _train_relation(everything, run, steps, seed)
        return
    if facing_origin is not None:
        _train_facing(everything, run, facing_origin, steps, seed, more_often)
        return
    trainer = Trainer(everything, recipe, run, origin)
    counts = f"{len(everything.hw)} pictures in {len(everything.names)} categories"
    out.say(f"{counts}, from step {trainer.step} to {recipe.steps}")
    with out.bar(recipe.steps, "steps") as advance, asked_to_stop() as caught:
        trainer.run(
            lambda done, total, losses: advance(done, f"loss {losses['pair']:.2f}"),
            None if develop is None else _developer(develop, without or [], recipe.side),
            lambda: bool(caught),
        )
    write_weights(trainer.average, run / WEIGHTS, {"step": str(trainer.step)})
    out.made(str(run / WEIGHTS), None)
    out.result.update(step=trainer.step, steps=recipe.steps, pictures=len(everything.hw), best=trainer.best)
    if trainer.step < recipe.steps:
        raise KeyboardInterrupt


def _train_relation(pictures: "Pictures", run: Path, steps: int | None, seed: int) -> None:
    """Trains the network that tells what two pictures are to each other; see `training.relations`."""
    from semcorr_cli.extractors.network import load_network
    from semcorr_cli.training import relations
    from semcorr_cli.training.relations import RelationTraining

    out, recipe = output.current(), RelationTraining(seed=seed)
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    network = load_network(_weights("builtin"))
    with out.bar(recipe.views(len(pictures.hw)), "views") as advance:
        described = relations.describe(pictures, network, recipe, lambda done: advance(done, ""))
    with out.bar(recipe.steps, "steps") as advance:
        trained = relations.train(described, pictures.loose, recipe, lambda done, off: advance(done, f"loss {off:.2f}"))
    relations.write(trained, run / RELATION, {"steps": str(recipe.steps), "seed": str(seed)})
    out.made(str(run / RELATION), None)
    out.result.update(steps=recipe.steps, pictures=len(pictures.hw))


def _train_facing(
    pictures: "Pictures",
    run: Path,
    start: "DescriptorNet | FacingNet",
    steps: int | None,
    seed: int,
    often: Mapping[str, float],
) -> None:
    """Trains the network that tells fronts from backs; see `training.facing`."""
    from semcorr_cli.training import facing
    from semcorr_cli.training.facing import FacingTraining
    from semcorr_cli.training.weights import write_weights

    out, recipe = output.current(), FacingTraining(seed=seed, often=often)
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    with out.bar(recipe.steps, "steps") as advance:
        trained = facing.train(pictures, start, recipe, lambda done, off: advance(done, f"loss {off:.2f}"))
    write_weights(trained, run / FACING, {"steps": str(recipe.steps), "seed": str(seed)})
    out.made(str(run / FACING), None)
    out.result.update(steps=recipe.steps, pictures=len(pictures.hw))


def _often(settings: list[str] | None) -> dict[str, float]:
    """Reads --often."""
    times = {}
    for name, value in named(settings, "--often", "FOLDER=TIMES", "car_side=15"):
        count = math.nan
        with suppress(ValueError):
            count = float(value)
        if not 0 < count < math.inf:
            raise UsageError(f"--often {f'{name}={value}'!r} is not FOLDER=TIMES, times above 0")
        times[name] = count
    return times


def _facing_origin(start: str) -> "DescriptorNet | FacingNet":
    """Returns what --facing starts from: a network of its own kind, or one whose trunk it takes."""
    from semcorr_cli.extractors.facing import FacingNet
    from semcorr_cli.extractors.network import load_network, load_trunk

    path = _weights(start)
    try:
        return load_trunk(path, FacingNet)
    except InputError:
        return load_network(path)


def _recipe(steps: int | None, tuning: bool, seed: int, settings: list[str] | None) -> "TrainOptions":
    from semcorr_cli.training.options import TrainOptions, changed, fine_tuning

    recipe = fine_tuning(steps or TUNING_STEPS) if tuning else TrainOptions()
    if steps is not None and not tuning:
        recipe = replace(recipe, steps=steps, decay=min(recipe.decay, steps // 4))
    pairs = dict(named(settings, "--set", "NAME=VALUE", "views.turn=20"))
    try:
        return changed(replace(recipe, seed=seed), pairs)
    except (AttributeError, TypeError, ValueError, SyntaxError) as error:
        raise UsageError(
            f"--set: {error}", hint="names and values are those of semcorr_cli/training/options.py"
        ) from None


def _check_run(run: Path) -> None:
    """Refuses a folder that holds something else than a run."""
    from semcorr_cli.training.state import LAST

    if run.exists() and not run.is_dir():
        raise OutputError(f"{run} is a file, not a folder for a run")
    if run.is_dir() and any(run.iterdir()) and not (run / LAST).exists() and not (run / "pictures").exists():
        raise OutputError(f"{run} holds something else than a run", hint="give --run a new folder")
    if not run.parent.is_dir():
        raise OutputError(f"cannot write {run}: there is no folder {run.parent}", hint=f"mkdir -p {run.parent}")


def _weights(start: str) -> Path:
    """Returns the file that --start means."""
    from semcorr_cli import extractors

    shipped = {"builtin": extractors.find("builtin"), "facing": extractors.FACING}.get(start)
    path = Path(start) if shipped is None else shipped.files(Path())[0]
    if not path.is_file():
        raise MissingError(f"--start {start}: there is no such file")
    return path


def _developer(folder: Path, unseen: list[str], side: int) -> "Callable[[DescriptorNet], dict[str, float]]":
    from semcorr_cli.datasets import spair
    from semcorr_cli.training import development

    pairs = list(spair.read(folder))
    score = development.scorer(pairs, side, [name for name in unseen if any(pair.category == name for pair in pairs)])

    def told(network: "DescriptorNet") -> dict[str, float]:
        figures = score(network)
        output.current().say("development: " + ", ".join(f"{name} {value:g}" for name, value in figures.items()))
        return figures

    return told
