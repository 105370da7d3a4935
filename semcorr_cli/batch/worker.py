"""The worker: does one job after the other in a process of its own, whatever engine that process belongs to."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from semcorr_cli.batch.jobs import Job, Value
from semcorr_cli.batch.recipe import Digests, recipe
from semcorr_cli.errors import SemcorrError
from semcorr_cli.io import atomic

Record = dict[str, Any]
"""What became of a job, ready for JSON; see `Worker.__call__` for its keys."""


@dataclass(frozen=True, slots=True)
class Order:
    """What all workers of a batch are told; it is sent to other processes and machines.

    Attributes:
        entry: "module:function" that builds a `Runner` from an order and a device.
        verb: what is done.
        version: of everything that does it.
        options: of the whole batch.
        root: folder that relative paths start from.
        folder: where outputs go.
        threads: that torch may use in each worker; None leaves it to torch.
        level: how much is said.
    """

    entry: str
    verb: str
    version: str
    options: Mapping[str, Value]
    root: Path
    folder: Path
    threads: int | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """A job on its way to a worker.

    Attributes:
        job: what to do.
        overwrite: the output may be replaced.
        is_ours: whatever lies at the output's place, if anything does, was put there by an attempt at this job.
        is_again: the job was begun before; what its killed writer left is cleared away.
        ahead: pictures that jobs to come need, and that no earlier task has named.
        attempt: 1 for the first.
    """

    job: Job
    overwrite: bool = False
    is_ours: bool = True
    is_again: bool = False
    ahead: tuple[str, ...] = ()
    attempt: int = 1

    def again(self) -> "Task":
        """Returns the task for another worker, this one's having died at it."""
        return replace(self, attempt=self.attempt + 1, overwrite=self.overwrite or self.is_ours, is_again=True)


class Runner(Protocol):
    """Runs jobs of one verb in this process; what it loads, it keeps."""

    def prepare(self) -> None:
        """Loads what jobs need; raises a SemcorrError where none could succeed."""

    def describe(self, paths: tuple[str, ...]) -> int:
        """Describes pictures together, where that is faster; returns how many were new."""

    def run(self, job: Job, output: Path, *, overwrite: bool) -> dict[str, Any]:
        """Runs a job and returns its envelope; what goes wrong stands there."""


class Worker:
    """Does jobs; built once a process, in the folder that relative paths start from."""

    def __init__(self, order: Order, device: str) -> None:
        """Builds the runner; nothing is loaded yet."""
        self._order = order
        self._device = device
        self._digests = Digests()
        module, _, name = order.entry.partition(":")
        self._runner: Runner = getattr(import_module(module), name)(order, device)

    def prepare(self) -> SemcorrError | None:
        """Loads what jobs need; returns why none can succeed, if so."""
        try:
            self._runner.prepare()
        except SemcorrError as error:
            return error
        return None

    def __call__(self, task: Task) -> Record:
        """Does a job; never raises."""
        order, job = self._order, task.job
        started, output, described = time.monotonic(), order.folder / job.output, 0
        digest = recipe(order.verb, order.version, job, order.root, self._digests)
        try:
            with atomic.reported(output):
                output.parent.mkdir(parents=True, exist_ok=True)
            if task.is_again:
                atomic.sweep(output)
            described = self._runner.describe(task.ahead)
            envelope = self._runner.run(job, output, overwrite=task.overwrite)
        except SemcorrError as error:
            envelope = _failed(order, job, error, time.monotonic() - started)
        except Exception as error:  # a worker outlives whatever a job does to it
            bug = SemcorrError(f"unexpected {type(error).__name__}: {error}; this is a bug in semcorr")
            envelope = _failed(order, job, bug, time.monotonic() - started)
        is_done = envelope["status"] == "ok"
        return {
            "job": job.output,
            "line": job.line,
            "status": "ok" if is_done else "failed",
            "attempt": task.attempt,
            "recipe": digest,
            "digest": self._digests.of(output) if is_done else "",
            "envelope": envelope,
            "thumbnail": self._thumbnail(job, output if is_done else None),
            "process": {"id": os.getpid(), "memory": _resident(), "device": self._device},
            "described": described + envelope["run"]["cached"].count(False),
        }

    def _thumbnail(self, job: Job, output: Path | None) -> str:
        from semcorr_cli.io import thumbnails

        return thumbnails.strip([*(self._order.root / path for path in job.inputs), *([output] if output else [])])


def lost(order: Order, task: Task, reason: str) -> Record:
    """Returns the record of a job whose worker died each time it was tried."""
    from semcorr_cli.errors import DeviceError

    atomic.sweep(order.folder / task.job.output)
    error = DeviceError(
        f"its worker died {task.attempt} times ({reason})",
        hint="if it was memory: a smaller --max-side, fewer --jobs",
    )
    return {
        "job": task.job.output,
        "line": task.job.line,
        "status": "failed",
        "attempt": task.attempt,
        "recipe": recipe(order.verb, order.version, task.job, order.root, Digests()),
        "digest": "",
        "envelope": _failed(order, task.job, error, 0.0),
        "thumbnail": "",
        "process": {},
        "described": 0,
    }


def _failed(order: Order, job: Job, error: SemcorrError, seconds: float) -> dict[str, Any]:
    """Returns the envelope of a job that its verb never saw the end of."""
    return {
        "semcorr": order.version.partition(" ")[0],
        "schema": 1,
        "command": order.verb,
        "status": "error",
        "inputs": [{"path": path, "hw": None, "notes": []} for path in job.inputs],
        "outputs": [],
        "result": {},
        "run": {"features": None, "device": None, "dtype": None, "cached": [], "seconds": round(seconds, 3)},
        "errors": [error.as_json()],
    }


def _resident() -> int | None:
    """Returns the bytes of memory that this process holds, where the system says so."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None
