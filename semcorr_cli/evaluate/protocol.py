"""How predictions are counted; published numbers differ in these switches."""

from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.errors import UsageError

PADDED_SIDE = 840
"""Side in pixels of the square that sd-dino and GeoAware-SC measure in."""

SWITCHES: dict[str, dict[str, Any]] = {
    "per-image": {"average": "per-image"},
    "per-point": {"average": "per-point"},
    "<=": {"strict": False},
    "le": {"strict": False},
    "<": {"strict": True},
    "lt": {"strict": True},
    "bbox": {"size": "bbox"},
    "img": {"size": "img"},
    "kps": {"size": "kps"},
    "original": {"padded": False},
    "padded": {"padded": True},
    "centre": {"reading": "centre"},
    "+7": {"reading": "+7"},
    "bilinear": {"reading": "bilinear"},
    "all": {"subset": "all"},
    "geo": {"subset": "geo"},
    "dift": {"average": "per-image", "strict": False, "padded": False, "reading": "bilinear"},
    "sd-dino": {"average": "per-point", "strict": True, "padded": True, "reading": "centre"},
    "geoaware": {"average": "per-image", "strict": True, "padded": True, "reading": "+7"},
}
"""Words of `--protocol`; the last three are those of Tang et al. 2023, Zhang et al. 2023 and 2024."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """How predictions are counted.

    Attributes:
        average: "per-image" or "per-point", which of the two a table leads with; both are always computed.
        strict: closer than the threshold, rather than at most it.
        size: thresholds are shares of the longer side of "bbox", the target's box, "img", the target picture, or "kps",
            the box round the target's points.
        alphas: these shares.
        padded: distances are measured with the target enlarged to a square of `PADDED_SIDE`; but for rounding, this is
            the same.
        reading: where a cell of the target's grid lies, for nearest neighbours: "centre", or "+7", half a pixel of the
            padded square beyond it; or "bilinear", descriptors are interpolated and compared pixel by pixel.
        subset: "all" points, or "geo", those that have a look-alike in sight.
    """

    average: str = "per-image"
    strict: bool = False
    size: str = "bbox"
    alphas: tuple[float, ...] = (0.05, 0.10, 0.20)
    padded: bool = False
    reading: str = "centre"
    subset: str = "all"

    @classmethod
    def parse(cls, text: str, start: "Protocol | None" = None) -> "Protocol":
        """Reads switches such as "per-point,<,img"; those left out keep what they are.

        Args:
            text: words of `SWITCHES`.
            start: what they are; None for the defaults.

        Raises:
            UsageError: a word that is no switch.
        """
        protocol = start or cls()
        for word in text.replace(" ", ",").split(","):
            if word and word.lower() not in SWITCHES:
                raise UsageError(f"--protocol: {word!r} is no switch", hint=f"known: {' '.join(SWITCHES)}")
            if word:
                protocol = replace(protocol, **SWITCHES[word.lower()])
        return protocol

    def with_alphas(self, text: str) -> "Protocol":
        """Returns the protocol with thresholds such as "0.05,0.10".

        Raises:
            UsageError: they are no shares.
        """
        try:
            alphas = tuple(sorted({float(word) for word in text.replace(" ", ",").split(",") if word}))
        except ValueError:
            alphas = ()
        if not alphas or not 0 < alphas[0] <= alphas[-1] <= 1:
            raise UsageError(f"--alphas {text!r} are no shares from 0 to 1", hint="--alphas 0.05,0.10")
        return replace(self, alphas=alphas)

    def __str__(self) -> str:
        words = [self.average, "<" if self.strict else "<=", self.size]
        words += [word for word in ("padded" if self.padded else "", self.reading, self.subset) if word]
        return ",".join(word for word in words if word not in ("centre", "all"))


def label(alpha: float) -> str:
    """Returns a threshold as tables and JSON name it: 0.10, 0.005."""
    return f"{alpha:.2f}" if round(alpha, 2) == alpha else f"{alpha:g}"


def to_padded(xy: Float[Tensor, "n 2"], hw: Hw) -> Float[Tensor, "n 2"]:
    """Carries points into the padded square, in its own pixels from the first one's centre.

    The picture is enlarged until its longer side fills the square and lies in its middle, at a whole pixel; that pixels
    are enlarged about their corners is neglected, as it is for published numbers.
    """
    height, width = hw
    shorter = round(PADDED_SIDE * min(hw) / max(hw))
    margin = (PADDED_SIDE - shorter) // 2
    offset = xy.new_tensor([margin if width < height else 0, margin if height < width else 0])
    return coords.to_centre_origin(xy) * (PADDED_SIDE / max(hw)) + offset
