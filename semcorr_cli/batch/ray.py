"""The engine of a cluster: the same workers as Ray actors, on one machine or many.

Only paths and records travel: pictures and results are read and written where every machine sees them.
"""

import contextlib
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

from semcorr_cli.batch.dispatch import Died, Done, Message, Ready
from semcorr_cli.batch.local import LIFETIME
from semcorr_cli.batch.worker import Order, Record, Task, Worker
from semcorr_cli.errors import DeviceError, MissingError, SemcorrError

GPU_ACTOR_CPUS = 0.5
"""Share of a core that is booked beside a GPU, so that actors never wait for cores."""

KNOCK_SECONDS = 5
"""How long a cluster may take to answer."""


class Actor:
    """A worker in a process of Ray's."""

    def __init__(self, order: Order, device: str) -> None:
        """Builds the worker in the folder that relative paths start from."""
        os.chdir(order.root)
        self._worker = Worker(order, device)

    def prepare(self) -> SemcorrError | None:
        """Loads what jobs need; returns why none can succeed, if so."""
        return self._worker.prepare()

    def do(self, task: Task) -> Record:
        """Does a job; never raises."""
        return self._worker(task)


class RayEngine:
    """Workers on a Ray cluster; see `dispatch.Engine`."""

    def __init__(self, order: Order, device: str, slots: int, address: str | None, lifetime: int = LIFETIME) -> None:
        """Connects to a cluster, or starts one on this machine.

        Args:
            order: what to do.
            device: "cpu", or "cuda" for a GPU of its own for each worker.
            slots: workers; 0 for one a GPU, or one a core, of the whole cluster.
            address: of a cluster, such as "auto" or "ray://host:10001"; None starts one here.
            lifetime: tasks after which a worker is replaced.

        Raises:
            MissingError: Ray is not installed.
            DeviceError: there is no cluster at the address.
        """
        try:
            import ray
        except ImportError as error:
            raise MissingError(f"Ray cannot be imported ({error})", hint='pip install "semcorr-cli[ray]"') from None
        self._ray = ray
        self.order = order
        self.lifetime = lifetime
        if address is not None:
            _knock(address)
        try:
            here: dict[str, Any] = {"include_dashboard": False, "num_cpus": slots or None} if address is None else {}
            with _own_signals():
                # Without an address Ray would join whatever cluster the environment names.
                ray.init(
                    address=address or "local", log_to_driver=order.level >= 2, logging_level=logging.ERROR, **here
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise DeviceError(
                f"no Ray cluster at {address or 'this machine'}: {reason}", hint="ray start --head, or no --ray-address"
            ) from None
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call, unused-ignore]
        has_gpu = device.startswith("cuda") or (device == "auto" and resources.get("GPU", 0) > 0)
        self._device = "cuda" if has_gpu else device
        self.slots = slots or max(1, int(resources.get("GPU" if has_gpu else "CPU", 1)))
        booked = {"num_gpus": 1, "num_cpus": GPU_ACTOR_CPUS} if has_gpu else {"num_cpus": 1}
        # max_restarts=0: the dispatcher replaces the dead itself, so that both engines count attempts alike.
        self._class: Any = ray.remote(max_restarts=0, max_task_retries=0, **booked)(Actor)
        self._actors: dict[int, Any] = {}
        self._asked: dict[Any, tuple[int, type[Ready] | type[Done]]] = {}

    def start(self, slot: int) -> None:
        """Starts an actor."""
        actor: Any = self._class.remote(self.order, self._device)
        self._actors[slot] = actor
        self._asked[actor.prepare.remote()] = slot, Ready

    def send(self, slot: int, task: Task) -> None:
        """Hands a task over."""
        self._asked[self._actors[slot].do.remote(task)] = slot, Done

    def wait(self, timeout: float) -> list[tuple[int, Message]]:
        """Returns what actors have to say; an idle one that has died says so when it is next given a task."""
        if not self._asked:
            threading.Event().wait(timeout)
            return []
        ready, _ = self._ray.wait(list(self._asked), num_returns=1, timeout=timeout)
        messages: list[tuple[int, Message]] = []
        for reference in ready:
            slot, kind = self._asked.pop(reference)
            try:
                messages.append((slot, kind(self._ray.get(reference))))
            except self._ray.exceptions.RayError as error:
                self.stop(slot)
                messages.append((slot, Died(type(error).__name__)))
        return messages

    def stop(self, slot: int) -> None:
        """Ends an actor."""
        self._ray.kill(self._actors.pop(slot))

    def close(self) -> None:
        """Ends all actors, and leaves the cluster; one that was started here goes with it."""
        for slot in list(self._actors):
            self.stop(slot)
        self._ray.shutdown()


def _knock(address: str) -> None:
    """Looks whether anybody is at HOST:PORT: Ray itself would try for minutes.

    Raises:
        DeviceError: nobody is.
    """
    match = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if match is None:  # "auto", or whatever else Ray understands
        return
    try:
        socket.create_connection((match[1], int(match[2])), KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DeviceError(f"no Ray cluster at {address}: {reason}", hint="ray start --head") from None


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keeps what SIGTERM and Ctrl-C do: Ray puts handlers of its own in their place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
