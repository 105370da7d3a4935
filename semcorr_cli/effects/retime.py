"""Even pacing: moments chosen so that neighbouring frames look equally far apart, measured on small frames.

The way from one picture to the other is measured in steps of CIELAB, and its moments are moved until all steps are
alike (equidistribution, de Boor 1973). Two small frames exist at a time.
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from statistics import fmean, pstdev

from jaxtyping import Float
from kornia.color import rgb_to_lab
from torch import Tensor

from semcorr_cli.core import light
from semcorr_cli.effects.pace import Moment

LOOK_SIDE = 128
"""Longer side of the frames that are compared."""

MOST_STEPS = 32
"""Steps that are measured at most; between them time runs evenly."""

ROUNDS = 3
"""How often moments are moved."""

STILL = 1e-3
"""Share of the mean step that every step counts for at least: time goes on where nothing changes."""

Look = Callable[[float], Float[Tensor, "c h w"]]
"""Draws a small frame of a moment: linear premultiplied planes."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Time as a function of a film's progress.

    Attributes:
        times: at equal distances of progress, from 0 to 1.
        unevenness: standard deviation of the steps between them, over their mean.
        before: the same where time runs evenly.
    """

    times: tuple[float, ...]
    unevenness: float
    before: float

    def at(self, progress: float) -> float:
        """Returns the moment at some progress in [0, 1]."""
        place = progress * (len(self.times) - 1)
        k = min(int(place), len(self.times) - 2)
        return self.times[k] + (self.times[k + 1] - self.times[k]) * (place - k)


def even(look: Look, steps: int) -> Tempo:
    """Returns the tempo at which so many steps look alike."""
    count = min(steps, MOST_STEPS)
    times = tuple(k / count for k in range(count + 1))
    lengths = _steps(look, times)
    before = _unevenness(lengths)
    best = Tempo(times, before, before)
    for _ in range(ROUNDS):
        times = _moved(times, lengths)
        lengths = _steps(look, times)
        if (unevenness := _unevenness(lengths)) < best.unevenness:
            best = Tempo(times, unevenness, before)
    return best


def retimed(moments: Iterator[Moment], tempos: Sequence[Tempo]) -> Iterator[Moment]:
    """Yields moments at the tempo of their transition."""
    for moment in moments:
        yield replace(moment, t=tempos[moment.transition].at(moment.t))


def _steps(look: Look, times: Sequence[float]) -> list[float]:
    """Returns how far apart the frames of neighbouring moments look: mean ΔE over the frame."""
    return [float((a - b).norm(dim=0).mean()) for a, b in pairwise(_lab(look(t)) for t in times)]


def _lab(planes: Float[Tensor, "c h w"]) -> Float[Tensor, "3 h w"]:
    if planes.shape[0] == 4:  # what is transparent is looked at before a grey wall
        planes = planes[:3] + 0.2 * (1 - planes[3:])
    lab: Tensor = rgb_to_lab(light.to_srgb(planes.clamp(0, 1)))
    return lab


def _unevenness(lengths: Sequence[float]) -> float:
    mean = fmean(lengths)
    return pstdev(lengths) / mean if mean > 0 else 0.0


def _moved(times: Sequence[float], lengths: Sequence[float]) -> tuple[float, ...]:
    """Returns moments at equal distances along the way whose steps have been measured."""
    least = STILL * fmean(lengths)
    if least == 0:
        return tuple(times)
    way = [0.0, *accumulate(max(length, least) for length in lengths)]
    moved = []
    for k in range(1, len(times) - 1):
        place = way[-1] * k / (len(times) - 1)
        i = min(bisect.bisect_right(way, place), len(way) - 1) - 1
        moved.append(times[i] + (times[i + 1] - times[i]) * (place - way[i]) / (way[i + 1] - way[i]))
    return (0.0, *moved, 1.0)
