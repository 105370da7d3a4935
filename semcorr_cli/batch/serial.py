"""The engine without processes: jobs run here, one after the other, under a debugger if need be."""

import contextlib
import time
from collections import deque

from semcorr_cli.batch.dispatch import Done, Message, Ready
from semcorr_cli.batch.worker import Order, Task, Worker


class SerialEngine:
    """One worker, in this process; see `dispatch.Engine`."""

    lifetime = 0
    slots = 1

    def __init__(self, order: Order, devices: list[str]) -> None:
        """Names what to do, and where: the first device is used."""
        self.order = order
        self._device = devices[0]
        self._messages: deque[Message] = deque()

    def start(self, slot: int) -> None:
        """Builds the worker."""
        with contextlib.chdir(self.order.root):
            self._worker = Worker(self.order, self._device)
            self._messages.append(Ready(self._worker.prepare()))

    def send(self, slot: int, task: Task) -> None:
        """Does the task."""
        with contextlib.chdir(self.order.root):
            self._messages.append(Done(self._worker(task)))

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        """Returns the messages that have gathered."""
        if not self._messages:
            time.sleep(timeout)
        messages = [(0, message) for message in self._messages]
        self._messages.clear()
        return messages

    def stop(self, slot: int) -> None:
        """Has nothing to end."""

    def close(self) -> None:
        """Has nothing to end."""
