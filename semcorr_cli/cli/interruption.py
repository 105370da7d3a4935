"""Ctrl-C and SIGTERM, for commands that finish what they are at before they stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """Lets Ctrl-C and SIGTERM wait; yields the signals that have come."""
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    previous = [signal.signal(number, lambda number, frame: caught.append(number)) for number in numbers]
    try:
        yield caught
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)
