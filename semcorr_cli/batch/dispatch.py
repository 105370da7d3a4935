"""Who does what: tasks go to idle workers, records come back, the dead are replaced and their jobs tried once more.

Engines only start, feed and end workers; whatever must not differ between them is here.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from semcorr_cli.batch.worker import Order, Record, Task, lost
from semcorr_cli.errors import DeviceError, SemcorrError

ATTEMPTS = 2
"""Times that a job is tried whose worker dies at it."""

STARTS = 3
"""Workers in a row that may die before they are ready, until the batch gives up."""

TICK = 0.25
"""Seconds between two looks at a growing manifest, and at whether to stop."""

GRACE = 2.0
"""Seconds that running jobs have to finish once the batch was asked to stop."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker is there; or it is, but no job can succeed."""

    error: SemcorrError | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A worker has done its task."""

    record: Record


@dataclass(frozen=True, slots=True)
class Died:
    """A worker is no more."""

    reason: str


Message = Ready | Done | Died

_OVER: Final = object()


class Engine(Protocol):
    """Starts, feeds and ends workers; a slot is a number that a worker and its replacements have.

    Attributes:
        order: what workers are told.
        slots: how many workers there may be.
        lifetime: tasks after which a worker is replaced, so that whatever leaks has an end; 0 for never.
    """

    order: Order
    slots: int
    lifetime: int

    def start(self, slot: int) -> None:
        """Starts a worker, which will say that it is ready."""

    def send(self, slot: int, task: Task) -> None:
        """Hands a task to a worker that is ready."""

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        """Returns what workers have to say, as soon as one has."""

    def stop(self, slot: int) -> None:
        """Ends an idle worker."""

    def close(self) -> None:
        """Ends all workers at once, whatever they are at."""


@dataclass(slots=True)
class _Crew:
    """Which slots have a worker, and what it is at."""

    engine: Engine
    starting: set[int] = field(default_factory=set)
    idle: deque[int] = field(default_factory=deque)
    busy: dict[int, Task] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    failed_starts: int = 0

    @property
    def free(self) -> int:
        """Slots that could take a task, now or soon."""
        return self.engine.slots - len(self.busy)

    def feed(self, tasks: deque[Task]) -> None:
        """Hands tasks to idle workers, and starts as many as there are tasks left."""
        while tasks and self.idle:
            slot = self.idle.popleft()
            self.busy[slot] = tasks.popleft()
            self.engine.send(slot, self.busy[slot])
        vacant = [slot for slot in range(self.engine.slots) if slot not in {*self.starting, *self.idle, *self.busy}]
        for slot in vacant[: max(0, len(tasks) - len(self.starting))]:
            self.starting.add(slot)
            self.done[slot] = 0
            self.engine.start(slot)

    def hear(self, slot: int, message: Message) -> tuple[Record | None, Task | None]:
        """Takes a message; returns the record it brings, or the task that was lost."""
        if isinstance(message, Done):
            del self.busy[slot]
            self.done[slot] += 1
            if self.engine.lifetime and self.done[slot] >= self.engine.lifetime:
                self.engine.stop(slot)
            else:
                self.idle.append(slot)
            return message.record, None
        if isinstance(message, Ready):
            self.starting.discard(slot)
            if message.error is not None:
                raise message.error
            self.failed_starts = 0
            self.idle.append(slot)
            return None, None
        if slot in self.starting:
            self.starting.discard(slot)
            self.failed_starts += 1
            if self.failed_starts >= STARTS:
                raise DeviceError(f"workers die before they are ready ({message.reason})", hint="fewer --jobs")
        elif slot in self.idle:
            self.idle.remove(slot)
        return None, self.busy.pop(slot, None)


def dispatch(engine: Engine, tasks: Iterator[Task | None], asked: Callable[[], bool]) -> Generator[Record]:
    """Yields what becomes of tasks, in the order in which they end.

    Args:
        engine: has the workers; they are ended when this ends, however it ends.
        tasks: taken one by one as workers become idle; None says that nothing is there yet.
        asked: tells whether to stop: then no task is taken, and running ones have `GRACE` seconds.

    Raises:
        SemcorrError: no job could succeed: weights or a device are missing, or workers cannot live.
    """
    crew = _Crew(engine)
    again, held = deque[Task](), deque[Task]()
    is_over, end = False, float("inf")
    try:
        while True:
            if asked() and end == float("inf"):
                end = time.monotonic() + GRACE
                held.clear()
            is_stopping = end < float("inf")
            while not is_stopping and len(held) < crew.free:
                task = again.popleft() if again else None if is_over else next(tasks, _OVER)
                is_over = is_over or task is _OVER
                if not isinstance(task, Task):
                    break
                held.append(task)
            crew.feed(held)
            if not crew.busy and (is_stopping or (is_over and not held and not again)):
                return
            if time.monotonic() >= end:
                return
            for slot, message in engine.wait(TICK):
                record, victim = crew.hear(slot, message)
                if record is not None:
                    yield record
                if victim is not None and isinstance(message, Died) and not is_stopping:
                    if victim.attempt >= ATTEMPTS:
                        yield lost(engine.order, victim, message.reason)
                    else:
                        again.append(victim.again())
    finally:
        engine.close()
