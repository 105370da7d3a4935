"""The engine of one machine: a process for each worker, fed through a pipe.

A pool of the standard library loses everything, or hangs, when one of its processes is killed; here each worker has a
pipe of its own, whose end tells of its death.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from semcorr_cli.batch.dispatch import Died, Done, Message, Ready
from semcorr_cli.batch.worker import Order, Task, Worker
from semcorr_cli.errors import DeviceError

LIFETIME = 1000
"""Tasks after which a worker is replaced."""


@dataclass(frozen=True, slots=True)
class _Hand:
    process: BaseProcess
    pipe: Connection


class LocalEngine:
    """Worker processes on this machine; see `dispatch.Engine`."""

    def __init__(self, order: Order, devices: list[str], slots: int, lifetime: int = LIFETIME) -> None:
        """Names what to do, by how many, and where: slots take the devices in turn."""
        self.order = order
        self.slots = slots
        self.lifetime = lifetime
        self._devices = devices
        self._hands: dict[int, _Hand] = {}
        self._context = get_context("spawn")  # CUDA does not survive a fork

    def start(self, slot: int) -> None:
        """Starts a process.

        Raises:
            DeviceError: the system allows no more of them.
        """
        here, there = self._context.Pipe()
        device = self._devices[slot % len(self._devices)]
        process = self._context.Process(target=_work, args=(there, self.order, device), daemon=True)
        try:
            with _deaf():
                process.start()
        except OSError as error:
            raise DeviceError(f"no worker can be started: {error.strerror or error}", hint="fewer --jobs") from None
        there.close()  # so that the pipe ends with the process
        self._hands[slot] = _Hand(process, here)

    def send(self, slot: int, task: Task) -> None:
        """Hands a task over; that the worker has died meanwhile is heard by `wait`."""
        with contextlib.suppress(OSError):
            self._hands[slot].pipe.send(task)

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        """Returns what workers have to say."""
        slots = {hand.pipe: slot for slot, hand in self._hands.items()}
        if not slots:
            time.sleep(timeout)
            return []
        messages: list[tuple[int, Message]] = []
        for pipe in wait(list(slots), timeout):
            slot = slots[pipe]  # type: ignore[index]
            try:
                messages.append((slot, self._hands[slot].pipe.recv()))
            except (EOFError, OSError):
                messages.append((slot, Died(self._buried(slot))))
        return messages

    def stop(self, slot: int) -> None:
        """Lets an idle worker end by itself."""
        hand = self._hands.pop(slot)
        hand.pipe.close()
        hand.process.join(5)
        hand.process.kill()

    def close(self) -> None:
        """Kills all workers: outputs appear whole or not at all, and what idle ones lose is nothing."""
        for hand in self._hands.values():
            hand.process.kill()
        for hand in self._hands.values():
            hand.process.join()
            hand.pipe.close()
        self._hands.clear()

    def _buried(self, slot: int) -> str:
        """Takes away a worker that has died; returns how."""
        hand = self._hands.pop(slot)
        hand.process.join(5)
        hand.pipe.close()
        code = hand.process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Keeps Ctrl-C from processes that are started meanwhile: they are ended by the batch, which hears it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, order: Order, device: str) -> None:
    """Does what comes through the pipe, until it ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.chdir(order.root)
    worker = Worker(order, device)
    with contextlib.suppress(EOFError, OSError):
        pipe.send(Ready(worker.prepare()))
        while True:
            pipe.send(Done(worker(pipe.recv())))


def _end_with_parent() -> None:
    """Ends this process as soon as the batch is gone, killed perhaps: nobody would take its results."""
    if (parent := parent_process()) is not None:
        parent.join()
    os._exit(1)
