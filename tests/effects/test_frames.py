import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.frames import MOST_AT_ONCE, frames
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.pace import Moment, Pace, spread
from tests.specimens import correspondence, picture

HW = (60, 80)


@pytest.fixture(params=[1, 2, 7], ids=lambda count: f"{count} threads")
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


class Counting(Morph):
    """A transition that only counts how often it is drawn; a frame's code tells transition and time."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.device = torch.device("cpu")
        self.drawn: list[float] = []
        self.drawers: set[int] = set()

    def frame(self, t: float) -> NDArray[np.uint8]:
        time.sleep(0.002 * (1 - t))  # what begins later may be ready earlier
        self.drawn.append(t)
        self.drawers.add(threading.get_ident())
        return np.full((8, 8, 3), self.code + round(10 * t), np.uint8)


def test_a_film_is_its_moments_in_order_and_a_held_one_is_drawn_once(threads: int) -> None:
    morphs = [Counting(0), Counting(100)]
    pace = Pace(frames=3, hold=4)
    film = list(frames(morphs, pace.moments(2)))
    assert [int(frame[0, 0, 0]) for frame in film] == [
        100 * moment.transition + round(10 * moment.t) for moment in pace.moments(2)
    ]
    assert len(film) == pace.count(2)
    assert [sorted(morph.drawn) for morph in morphs] == [[0.0, 0.5, 1.0], [0.5, 1.0]]
    assert film[1] is film[0], "what is held is the same frame, by which encoders know it"
    assert torch.get_num_threads() == threads


def test_no_more_is_drawn_than_is_taken_and_waits(threads: int) -> None:
    morph = Counting(0)
    film = frames([morph], spread(1, 100))
    next(film)
    film.close()
    assert len(morph.drawn) <= 1 + min(threads, MOST_AT_ONCE)
    assert len(morph.drawers) <= MOST_AT_ONCE
    assert torch.get_num_threads() == threads


def test_a_film_of_no_moments_is_empty(threads: int) -> None:
    nothing: list[Moment] = []
    assert list(frames([Counting(0)], iter(nothing))) == []


def test_frames_are_the_same_however_many_draw(threads: int) -> None:
    source_hw = (300, 400)  # read from halved copies, which the first who wants them makes
    field = correspondence(Warp.identity(source_hw, HW))
    morph = Morph(picture(source_hw, 1), picture(HW, 2), field, HW, MorphOptions())
    film = list(frames([morph], spread(1, 9)))
    for mine, other in zip(film, (morph.frame(moment.t) for moment in spread(1, 9)), strict=True):
        assert np.array_equal(mine, other)


class Failing(Counting):
    def frame(self, t: float) -> NDArray[np.uint8]:
        if t > 0.5:
            raise MemoryError
        return super().frame(t)


def test_what_fails_while_drawing_is_told(threads: int) -> None:
    with pytest.raises(MemoryError):
        list(frames([Failing(0)], spread(1, 20)))
    assert torch.get_num_threads() == threads
