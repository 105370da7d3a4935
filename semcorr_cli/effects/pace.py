"""Time: easing curves, and which moment of which transition every frame of a film shows."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

EASINGS: dict[str, Callable[[float], float]] = {
    "linear": lambda t: t,
    "smoothstep": lambda t: t * t * (3 - 2 * t),
    "smootherstep": lambda t: t * t * t * (t * (6 * t - 15) + 10),
    "cosine": lambda t: (1 - math.cos(math.pi * t)) / 2,
    "ease-in": lambda t: t * t,
    "ease-out": lambda t: t * (2 - t),
}
"""Curves from [0, 1] to [0, 1] that start at 0 and end at 1, by the names that `--easing` takes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What one frame shows.

    Attributes:
        transition: 0 for the first pair of pictures.
        t: 0 at its first picture, 1 at its second.
    """

    transition: int
    t: float


@dataclass(frozen=True, slots=True)
class Pace:
    """The order of a film's frames.

    Attributes:
        frames: frames of one transition, with both its ends; 2 or more.
        hold: frames that each picture stands still for, beyond its one.
        ping_pong: play back to the start; the turning points are not shown twice.
    """

    frames: int = 50
    hold: int = 0
    ping_pong: bool = False

    @classmethod
    def lasting(cls, count: int, transitions: int, hold: int = 0, *, ping_pong: bool = False) -> "Pace | None":
        """Returns the order of a film whose count of frames comes nearest to `count`; None if there is no time to move.

        Args:
            count: frames of the whole film.
            transitions: of the film.
            hold: frames that each picture stands still for, beyond its one.
            ping_pong: play back to the start.
        """
        still = cls(2, hold, ping_pong)
        each = (2 if ping_pong else 1) * transitions  # frames that a step more of every transition adds
        more = round((count - still.count(transitions)) / each)
        return None if more < 0 else cls(2 + more, hold, ping_pong)

    def moments(self, transitions: int) -> Iterator[Moment]:
        """Yields every frame's moment; neighbouring transitions share a picture, which is shown once."""
        yield from self._forth(transitions)
        if self.ping_pong:
            back = list(self._forth(transitions))[::-1]
            still = 1 + self.hold  # both ends have stood still on the way forth
            yield from back[still:-still]

    def count(self, transitions: int) -> int:
        """Returns how many frames `moments` yields."""
        return sum(1 for _ in self.moments(transitions))

    def _forth(self, transitions: int) -> Iterator[Moment]:
        for transition in range(transitions):
            if transition == 0:
                yield from [Moment(0, 0.0)] * (1 + self.hold)
            for step in range(1, self.frames):
                yield Moment(transition, step / (self.frames - 1))
            yield from [Moment(transition, 1.0)] * self.hold


def spread(transitions: int, count: int) -> Iterator[Moment]:
    """Yields so many moments at equal distances from the first picture to the last."""
    for k in range(count):
        place = Fraction(k * transitions, max(count - 1, 1))
        transition = min(int(place), transitions - 1)
        yield Moment(transition, float(place - transition))
