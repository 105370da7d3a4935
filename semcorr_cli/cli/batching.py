"""How a batch is carried out and talked about: from options to jobs, workers, lines on the terminal, and a summary."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from semcorr_cli import settings
from semcorr_cli.batch import folders, manifest
from semcorr_cli.batch.dispatch import Engine
from semcorr_cli.batch.jobs import Form, Job, Reader, Value
from semcorr_cli.batch.local import LocalEngine
from semcorr_cli.batch.manifest import Mistake, Row
from semcorr_cli.batch.run import Batch, Shard, Switches
from semcorr_cli.batch.serial import SerialEngine
from semcorr_cli.batch.worker import Order
from semcorr_cli.cli import jobs, output
from semcorr_cli.cli.interruption import asked_to_stop
from semcorr_cli.cli.telling import Teller
from semcorr_cli.errors import ExitCode, InputError, Interrupted, OutputError, UsageError

if TYPE_CHECKING:
    from semcorr_cli.cli.batch import BatchOptions

ENTRY = "semcorr_cli.cli.runner:open_runner"
"""What workers run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for.

    Attributes:
        command: the verb.
        given: its options, for all jobs.
        manifest: a file, `-`, or None for folders.
        folder: where everything goes.
        format: suffix of outputs that nobody named.
        overwrite: outputs that are there may be replaced.
        devices: one, or several with commas.
        own: the batch's own options.
    """

    command: jobs.Command
    given: dict[str, Value]
    manifest: str | None
    folder: str | None
    format: str | None
    overwrite: bool
    devices: str
    own: "BatchOptions"


def carry_out(wanted: Wanted) -> None:
    """Does what a batch's command line asks for.

    Raises:
        SemcorrError: nothing could be done, or some jobs failed, or it was interrupted.
    """
    own, out = wanted.own, output.current()
    if wanted.folder == "-" or (wanted.folder is None and not own.check):
        raise UsageError("a batch needs a folder for its results", hint="-o DIR")
    root = (own.root or Path()).resolve()
    if not root.is_dir():
        raise InputError(f"--root {own.root} is no folder")
    try:
        shard = Shard.parse(own.shard)
    except ValueError:
        raise UsageError(f"--shard {own.shard} is not I/N", hint="--shard 3/16") from None
    form = wanted.command.form(wanted.format)
    reader = Reader(form, wanted.given, root)
    settings.pin_folders()  # workers may stand in another folder
    devices = [name.strip() for name in wanted.devices.split(",")]
    count = own.jobs or (0 if own.engine == "ray" else len(devices))
    order = Order(
        entry=ENTRY,
        verb=form.verb,
        version=jobs.version(),
        options=wanted.given,
        root=root,
        folder=Path(wanted.folder or "").resolve(),
        threads=settings.threads(count),
        level=out.level,
    )
    with asked_to_stop() as caught:
        items = reader.read(_rows(wanted, form, lambda: bool(caught)))
        if own.check:
            _check(list(items), reader)
            return
        plan = None if own.follow else _planned(list(items), shard, reader)
        with Batch(order, Switches(shard, own.retry_failed, wanted.overwrite)) as batch:
            _run(batch, plan, items, lambda: _engine(wanted, order, devices, count), caught)


def _rows(wanted: Wanted, form: Form, asked: Callable[[], bool]) -> Iterator[Row | Mistake | None]:
    """Returns what the jobs are made of."""
    own = wanted.own
    if (wanted.manifest is None) == (own.source_dir is None):
        raise UsageError("a batch needs a manifest, or --source-dir and --target-dir: one of the two")
    if wanted.manifest is not None:
        if own.target_dir is not None:
            raise UsageError("--target-dir goes with --source-dir, not with a manifest")
        stdin = sys.stdin.buffer
        return manifest.read(wanted.manifest, form.keys, stdin, asked=asked if own.follow else None)
    is_pair = len(form.places) == 2
    if is_pair != (own.target_dir is not None):
        raise UsageError(f"{form.verb} takes --source-dir {'and' if is_pair else 'without'} --target-dir")
    if own.follow:
        raise UsageError("--follow reads a manifest, not folders")
    # Paths are as a manifest would have them: relative to --root.
    with contextlib.chdir(own.root or Path()):
        target = None if own.target_dir is None else str(own.target_dir)
        warn = output.current().warn
        return iter(list(folders.paired(str(own.source_dir), target, own.pair.value, form.suffix, warn)))


def _check(items: list[Job | Mistake | None], reader: Reader) -> None:
    """Says what is wrong with the jobs.

    Raises:
        UsageError: something is.
    """
    out = output.current()
    mistakes = [item for item in items if isinstance(item, Mistake)]
    found = [item for item in items if isinstance(item, Job)]
    mistakes += [mistake for job in found for mistake in reader.missing(job)]
    mistakes.sort(key=lambda mistake: mistake.line)
    out.result.update(jobs=len(found), mistakes=[{"line": m.line, "message": m.message} for m in mistakes])
    for mistake in mistakes:
        out.failure(UsageError(str(mistake)))
    if mistakes:
        raise UsageError(f"{len(mistakes)} mistakes beside {len(found)} jobs; nothing was done")
    out.say(f"{len(found):,} jobs, nothing wrong with them")


def _planned(items: list[Job | Mistake | None], shard: Shard, reader: Reader) -> list[Job | Mistake]:
    """Returns this shard's jobs and mistakes, jobs that share pictures beside each other; says what is wrong."""
    out = output.current()
    mistakes = [item for item in items if isinstance(item, Mistake)]
    found = sorted((item for item in items if isinstance(item, Job)), key=lambda job: (job.inputs, job.output))
    for mistake in mistakes:
        out.failure(UsageError(str(mistake)))
    if mistakes and not found:
        raise UsageError("no line asks for a job that could be done")
    mine = slice(shard.number - 1, None, shard.count)
    for job in found[mine]:
        for missing in reader.missing(job):
            out.warn(str(missing))
    return [*mistakes[mine], *found[mine]]


def _engine(wanted: Wanted, order: Order, devices: list[str], count: int) -> Engine:
    if wanted.own.engine == "serial":
        return SerialEngine(order, devices)
    if wanted.own.engine == "ray":
        from semcorr_cli.batch.ray import RayEngine

        output.current().say("starting Ray" if wanted.own.ray_address is None else "joining the Ray cluster")
        return RayEngine(order, devices[0], count, wanted.own.ray_address)
    return LocalEngine(order, devices, count)


def _run(
    batch: Batch,
    plan: list[Job | Mistake] | None,
    growing: Iterable[Job | Mistake | None],
    engine: Callable[[], Engine],
    caught: list[int],
) -> None:
    """Skips what is settled, runs the rest, and says what it came to.

    Args:
        batch: whose folder is locked.
        plan: everything there is to do; None for a manifest that grows.
        growing: what that one yields.
        engine: builds the engine, when there is something to do.
        caught: signals that asked to stop.
    """
    out = output.current()
    total = None if plan is None else len(plan)
    with out.bar(total, batch.order.verb, plain=True) as advance:
        teller = Teller(batch, out, advance, total)

        def unsettled(items: Iterable[Job | Mistake | None]) -> Iterator[Job | Mistake | None]:
            for item in items:
                if caught:
                    return
                entry = batch.settled(item) if isinstance(item, Job) else None
                if isinstance(item, Job) and entry is not None:
                    teller(batch.skip(item, entry))
                else:
                    yield item

        try:
            todo: Iterable[Job | Mistake | None]
            if plan is None:
                shard = batch.switches.shard
                out.say("following; Ctrl-C ends it")
                todo = unsettled(_every(growing, shard))
            else:
                todo = list(unsettled(plan))
                teller.begin(plan, todo)
            if plan is None or any(isinstance(item, Job) for item in todo):
                batch.run(todo, engine(), lambda: bool(caught), teller)
            else:
                batch.note(todo, teller)
        finally:
            with contextlib.suppress(OutputError):  # the report can be made again; what happened cannot
                batch.write_report()
            teller.sum_up()
    if caught:
        raise Interrupted(
            ExitCode(128 + caught[0]), f"interrupted after {batch.summary.seen:,} jobs; the same command goes on"
        )
    teller.judge()


def _every(items: Iterable[Job | Mistake | None], shard: Shard) -> Iterator[Job | Mistake | None]:
    """Yields every n-th item; Nones are passed on."""
    number = 0
    for item in items:
        if item is None:
            yield None
        else:
            number += 1
            if (number - shard.number) % shard.count == 0:
                yield item
