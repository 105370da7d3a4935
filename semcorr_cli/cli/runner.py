"""What a batch's workers do: the verbs of the command line, again and again in one process."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.worker import Order
from semcorr_cli.cli import output
from semcorr_cli.cli.jobs import Command
from semcorr_cli.cli.options import keeping, open_session, shared
from semcorr_cli.cli.running import attempt, calm
from semcorr_cli.errors import SemcorrError

if TYPE_CHECKING:
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
            SemcorrError: weights or the device are missing.
        """
        self._open()

    def describe(self, paths: tuple[str, ...]) -> int:
        """Describes pictures together on a GPU, where that is faster; returns how many were new."""
        if not paths or self._device == "cpu":
            return 0
        from semcorr_cli.io import images

        session = self._open()
        if session.device.type == "cpu":
            return 0
        pictures = []
        for path in paths:
            try:
                pictures.append(images.load(path))
            except SemcorrError:
                continue  # its own job will say so
        return session.prepare(pictures)

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


def open_runner(order: Order, device: str) -> JobRunner:
    """Builds a runner: the entry that batches name to their workers."""
    return JobRunner(order, device)
