"""What every method of style transfer is told, and what it hands back."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.image import Image
from semcorr_cli.effects.style.parts import Parts


class Reach(StrEnum):
    """How far the matches are followed, the closest first."""

    LOCAL = "local"
    PARTS = "parts"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True)
class StyleOptions:
    """How a style is transferred, whatever the method.

    Attributes:
        strength: 0 leaves the content as it is, 1 goes all the way.
        luma: "match" takes the style's lightness too, "keep" leaves the content's.
        background: "change" restyles everything; "keep" only the content's object, which its mask and its alpha tell;
            without either everything is object.
        stats: "meanstd" matches each Lab channel's mean and spread, "cov" their whole covariance.
        edge_snap: colour changes follow the content's edges, against halos.
        reach: how far to follow the matches; None decides by their quality.
        seed: of everything random.
    """

    strength: float = 1.0
    luma: str = "match"
    background: str = "change"
    stats: str = "meanstd"
    edge_snap: bool = True
    reach: Reach | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Styled:
    """A restyled picture and how it came about.

    Attributes:
        image: the content in the style.
        reach: how far the matches were followed.
        local_share: share of the content, in [0, 1], that follows its own matches rather than its part's.
        parts: which region of the style each region of the content was given.
        gamut_share: share of the pixels that had to be clipped to fit into sRGB.
        changed: where the picture was allowed to change, in [0, 1]; None for everywhere.
    """

    image: Image
    reach: Reach
    local_share: float
    parts: Parts
    gamut_share: float
    changed: Float[Tensor, "1 h w"] | None


Preview = Callable[[int, int, Callable[[], Image]], None]
"""Told after every step of a long method: steps done, steps in all, and what renders the picture so far."""
