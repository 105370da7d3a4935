"""How pictures are looked at while a correspondence field is sought, and with what patience."""

from collections.abc import Callable
from dataclasses import dataclass

from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.matchers.nearest import NearestOptions
from semcorr_cli.matchers.smooth import SmoothOptions

WORKING_SIDE = 512
"""Longer side of the copies that are turned and aligned, unless the extractor sees more of the picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """A way of looking at pictures.

    Attributes:
        describe: what there is to say of one picture.
        compare: makes what was said of two pictures comparable.
    """

    describe: Callable[[Image], FeatureStack]
    compare: Callable[[FeatureStack, FeatureStack], tuple[FeatureMap, FeatureMap]]


@dataclass(frozen=True, slots=True)
class Looks:
    """How pictures are looked at in each step.

    Attributes:
        coarse: for the first matches.
        posing: for telling poses apart; whatever the others are, this is the one that `matchers.relation` knows.
        facing: describes a picture for telling which end of a thing is which; see `matchers.facing`.
        fine: for the aligned passes that poses are told by, with less context; None when describing is dear: then only
            the likeliest pose is tried and no second pass is made.
        close: for the aligned passes in the pose that was chosen; None where `fine` is.
    """

    coarse: Look
    posing: Look
    facing: Callable[[Image], FeatureStack]
    fine: Look | None = None
    close: Look | None = None


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """How a correspondence field is found.

    Attributes:
        flip: "auto" tries the mirrored source, "never" does not, "always" takes it.
        rotate: "auto" tries rotated and scaled sources, "never" does not; a number of degrees has the source turned
            counter-clockwise by so much and tries nothing else.
        nearest: how matches are found.
        first: the fit to the first matches.
        second: the fit to the matches of the aligned pictures.
        close: the fits of further passes, for pictures that show the same thing.
        passes: passes at most, after the first.
        calibration: name of the extractor by whose figures the verdict is made.
        side: longer side of the copies that are worked on.
    """

    flip: str = "auto"
    rotate: str = "auto"
    nearest: NearestOptions = NearestOptions()
    first: SmoothOptions = SmoothOptions()
    second: SmoothOptions = SmoothOptions(
        knots=10, scale_start=0.1, scale_end=0.03, smoothing_start=1e-2, smoothing_end=1e-4
    )
    close: SmoothOptions = SmoothOptions(
        knots=12, scale_start=0.05, scale_end=0.015, smoothing_start=1e-3, smoothing_end=1e-5, refined=0, rows=20_000
    )
    passes: int = 5
    calibration: str = "builtin"
    side: int = WORKING_SIDE
