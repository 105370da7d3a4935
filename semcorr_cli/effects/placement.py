"""Placement: where a picture of any size lies in the frame of a film."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.coords import Hw

FITS = ("auto", "cover", "contain", "stretch")

COVER_LOSS = 0.15
"""Share of a picture that `--fit auto` may cut off before it prefers bars."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the frame: picture position = scale · frame position + offset, each (x, y)."""

    scale: tuple[float, float]
    offset: tuple[float, float]

    @classmethod
    def of(cls, picture_hw: Hw, frame_hw: Hw, fit: str) -> "Placement":
        """Places a picture in the middle of a frame.

        Args:
            picture_hw: size of the picture.
            frame_hw: size of the frame.
            fit: "stretch" fills the frame exactly, "cover" fills it and cuts off what is over, "contain" shows all of
                the picture, "auto" covers if little is lost and contains otherwise.
        """
        across, down = picture_hw[1] / frame_hw[1], picture_hw[0] / frame_hw[0]
        if fit == "auto":
            fit = "cover" if 1 - min(across, down) / max(across, down) <= COVER_LOSS else "contain"
        if fit != "stretch":
            across = down = min(across, down) if fit == "cover" else max(across, down)
        offset = ((picture_hw[1] - across * frame_hw[1]) / 2, (picture_hw[0] - down * frame_hw[0]) / 2)
        return cls((across, down), offset)

    def to_picture(self, xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
        """Maps frame positions to picture positions."""
        return xy * xy.new_tensor(self.scale) + xy.new_tensor(self.offset)

    def to_frame(self, xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
        """Maps picture positions to frame positions."""
        return (xy - xy.new_tensor(self.offset)) / xy.new_tensor(self.scale)
