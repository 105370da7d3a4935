"""What a batch's workers do: the verbs of the command line, again and again in one process."""

import contextlib
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.worker import Order
from semcorr_cli.cli import output
from semcorr_cli.cli.jobs import Command, version
from semcorr_cli.cli.options import keeping, open_session, shared
from semcorr_cli.cli.running import attempt, calm
from semcorr_cli.errors import MissingError, SemcorrError

if TYPE_CHECKING:
    from semcorr_cli.core.image import Image
    from semcorr_cli.session import Session


class JobRunner:
    """Runs jobs of one verb; see `batch.worker.Runner`."""

    def __init__(self, order: Order, device: str) -> None:
        """Keeps libraries quiet, and shares the machine's cores as the order says."""
        import cv2
        import torch

        calm(order.level)
        if order.threads is not None:
            torch.set_num_threads(order.threads)
            cv2.setNumThreads(order.threads)
        self._command = Command(order.verb)
        self._order = order
        self._device = device
        self._sessions: dict[str, Session] = {}

    def prepare(self) -> None:
        """Opens the session of jobs without options of their own.

        Raises:
            SemcorrError: weights or the device are missing, or this machine's semcorr is not that of the batch.
        """
        if self._order.version != version():
            ours, theirs = version().partition(" ")[0], self._order.version.partition(" ")[0]
            raise MissingError(
                f"{platform.node()} has semcorr {ours}, which makes other results than {theirs}, of the batch",
                hint="the same version on all machines",
            )
        self._open()

    def describe(self, paths: tuple[str, ...]) -> int:
        """Describes pictures together on a GPU, where that is faster; returns how many were new."""
        if not paths or self._device == "cpu":
            return 0
        session = self._open()
        if session.device.type == "cpu":
            return 0
        return session.prepare(_pictures(paths), is_matched=self._command.name != "extract")

    def run(self, job: Job, place: Path, *, overwrite: bool) -> dict[str, Any]:
        """Runs a job and returns its envelope."""
        words = [f"--device={self._device}", *(["--overwrite"] if overwrite else [])]
        words += self._command.arguments(job.inputs, job.options, place)
        with output.captured(self._command.name) as out, keeping(self._sessions):
            if self._order.level >= 2:
                out.level = self._order.level
            error = attempt(lambda: self._command.run(words), out)
            if not out.inputs:
                out.inputs = [{"path": path, "hw": None, "notes": []} for path in job.inputs]
            return out.content(error)

    def _open(self) -> "Session":
        found: list[Session] = []

        def verb(*, options: Any) -> None:
            found.append(open_session(options))

        verb.__annotations__["options"] = self._command.bundle()
        app = typer.Typer(add_completion=False)
        app.command()(shared(verb))
        words = [f"--device={self._device}", *self._command.shared_words(self._order.options)]
        with output.captured(self._command.name), keeping(self._sessions):
            typer.main.get_command(app).main(words, prog_name="semcorr", standalone_mode=False)
        return found[0]


def _pictures(paths: Iterable[str]) -> "Iterator[Image]":
    """Yields the pictures that can be read; of the others, their own jobs will say so."""
    from semcorr_cli.io import images

    for path in paths:
        with contextlib.suppress(SemcorrError):
            yield images.load(path)


def open_runner(order: Order, device: str) -> JobRunner:
    """Builds a runner: the entry that batches name to their workers."""
    return JobRunner(order, device)
