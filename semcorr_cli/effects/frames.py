"""The frames of a film: on a processor several are drawn at once, each by one thread that never waits for another."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from semcorr_cli.effects.morph import Transition
from semcorr_cli.effects.pace import Moment

MOST_AT_ONCE = 4
"""Frames that are drawn at once at most; as many are in memory, and one more."""

Frame = NDArray[np.uint8]


def frames(morphs: Sequence[Transition], moments: Iterable[Moment]) -> Iterator[Frame]:
    """Yields the frames of a film; a moment that stands still is drawn once.

    Args:
        morphs: the film's transitions.
        moments: what the frames show, in order.
    """
    stills = ((moment, sum(1 for _ in same)) for moment, same in itertools.groupby(moments))
    on_processor = all(morph.device.type == "cpu" for morph in morphs)
    threads = torch.get_num_threads()
    drawers = min(threads, MOST_AT_ONCE) if on_processor else 1
    if drawers == 1:
        for moment, count in stills:
            yield from itertools.repeat(morphs[moment.transition].frame(moment.t), count)
        return
    waiting: deque[tuple[Future[Frame], int]] = deque()
    try:
        with ThreadPoolExecutor(drawers, "drawer", torch.set_num_threads, (1,)) as pool:
            for moment, count in stills:
                waiting.append((pool.submit(_drawn, morphs[moment.transition], moment.t), count))
                if len(waiting) > drawers:
                    yield from _as_often(*waiting.popleft())
            while waiting:
                yield from _as_often(*waiting.popleft())
    finally:
        torch.set_num_threads(threads)  # the drawers' one thread is not what others are to begin with


def _drawn(morph: Transition, t: float) -> Frame:
    with torch.inference_mode():  # which is a thread's own
        return morph.frame(t)


def _as_often(frame: Future[Frame], count: int) -> Iterator[Frame]:
    return itertools.repeat(frame.result(), count)
