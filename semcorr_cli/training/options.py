"""Every figure of a training run; the defaults are the recipe of the shipped weights."""

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from semcorr_cli.extractors.network import NetworkOptions
from semcorr_cli.training.fitting import FitOptions
from semcorr_cli.training.groups import GroupOptions
from semcorr_cli.training.objective import LossOptions
from semcorr_cli.training.views import ViewOptions

Sizes = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value that goes from one figure to another, geometrically, while steps go from one to another."""

    first: float
    last: float
    start: int
    end: int

    def at(self, step: int) -> float:
        """Returns the value at a step."""
        share = min(1.0, max(0.0, (step - self.start) / max(1, self.end - self.start)))
        return float(self.first * (self.last / self.first) ** share)


@dataclass(frozen=True, slots=True)
class Stage:
    """Sizes of views (one is drawn at each step) and the learning rate, from a step on."""

    start: int
    sizes: Sizes
    rate: float


STAGES = (
    Stage(0, ((112, 112), (128, 128), (128, 144), (144, 128), (128, 112), (112, 128), (144, 144), (160, 160)), 1.2e-3),
    Stage(400, ((96, 96), (96, 96), (96, 112), (112, 96), (112, 112), (128, 112), (112, 128), (128, 128)), 1.5e-3),
    Stage(2400, ((112, 112), (128, 128), (128, 112), (112, 128), (96, 128), (128, 96), (144, 144), (160, 160)), 1.5e-3),
    Stage(
        5800, ((128, 128), (144, 144), (160, 128), (128, 160), (160, 160), (176, 144), (144, 176), (192, 192)), 1.2e-3
    ),
)
"""The shipped runs': small views first, which are quick, larger ones later."""


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Self-training.

    Attributes:
        start: step of the first teacher.
        every: steps after which the averaged network becomes the next.
        sigma: how well a good fit is trusted to know a place, in pictures.
        fair_sigma: the same of a fair fit, at least.
        fair_trust: weight of fair fits.
        prior_trust: weight of pairs without a fit, by position.
        stray_trust: weight of good fits between categories.
    """

    start: int = 1200
    every: int = 1200
    sigma: Ramp = Ramp(0.045, 0.02, 1200, 11800)
    fair_sigma: float = 0.05
    fair_trust: float = 0.4
    prior_trust: float = 0.15
    stray_trust: float = 0.5


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """A training run.

    Attributes:
        steps: how many.
        seed: of everything random.
        side: longer side that pictures are kept at.
        stages: sizes of views and learning rates.
        warmup: steps in which the rate rises from nothing.
        decay: last steps, in which the rate falls to a hundredth.
        weight_decay: of matrices and kernels.
        average: share of the averaged weights that a step keeps.
        clip: largest norm of the gradient.
        same_sigma: how well views of one picture know each other, in pictures.
        exact_sigma: the same of rendered pairs.
        prior_sigma: the same of alike pictures, by position.
        checkpoint: steps between checkpoints.
        develop: steps between development scores.
    """

    steps: int = 13_400
    seed: int = 1
    side: int = 192
    stages: tuple[Stage, ...] = STAGES
    warmup: int = 200
    decay: int = 3800
    weight_decay: float = 0.05
    average: float = 0.998
    clip: float = 3.0
    same_sigma: float = 0.02
    exact_sigma: float = 0.02
    prior_sigma: Ramp = Ramp(0.09, 0.06, 0, 4000)
    checkpoint: int = 200
    develop: int = 600
    network: NetworkOptions = field(default_factory=NetworkOptions)
    views: ViewOptions = field(default_factory=ViewOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    groups: GroupOptions = field(default_factory=GroupOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    teacher: TeacherOptions = field(default_factory=TeacherOptions)

    def stage(self, step: int) -> Stage:
        """Returns the stage that a step is in."""
        return max((s for s in self.stages if s.start <= step), key=lambda s: s.start)

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step: warm-up, a plateau for each stage, a linear fall."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        fall = min(1.0, (self.steps - step) / max(1, self.decay))
        return self.stage(step).rate * rise * max(0.01, fall)


def fine_tuning(steps: int) -> TrainOptions:
    """Returns options for going on from weights: few steps at a low rate, a teacher from the start."""
    stage = Stage(0, STAGES[-1].sizes, 3e-4)
    teacher = TeacherOptions(start=0, every=max(200, steps // 2), sigma=Ramp(0.03, 0.025, 0, steps))
    prior = Ramp(0.06, 0.06, 0, steps)
    warmup, decay = min(50, steps // 4), steps // 2
    return TrainOptions(steps=steps, stages=(stage,), warmup=warmup, decay=decay, prior_sigma=prior, teacher=teacher)


def changed(options: TrainOptions, settings: Mapping[str, str]) -> TrainOptions:
    """Returns options with some fields set from text: `{"steps": "500", "views.turn": "20"}`."""
    out: Any = options
    for key, text in settings.items():
        out = _set(out, key.split("."), ast.literal_eval(text))
    assert isinstance(out, TrainOptions)
    return out


def _set(options: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _set(getattr(options, path[0]), path[1:], value)
    return dataclasses.replace(options, **{path[0]: value})
