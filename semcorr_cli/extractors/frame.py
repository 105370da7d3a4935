"""How pictures meet the size a network works at: as they are, on a black square, or squashed into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import UsageError
from semcorr_cli.extractors.base import working_hw

FRAMES = ("fit", "pad", "squash")

T = TypeVar("T")

AT_ONCE = 8
"""Frames at most that a network sees together."""

BACKGROUND = 0.5
"""Grey that stands behind transparent pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A picture at working size.

    Attributes:
        rgb: sRGB in [0, 1], on the CPU.
        grid_hw: cells of the frame.
        inside: (top, left, height, width) in cells of the picture in it.
        image_hw: size of the picture it was made of.
    """

    rgb: Float[Tensor, "3 h w"]
    grid_hw: Hw
    inside: tuple[int, int, int, int]
    image_hw: Hw

    def stack(self, layers: dict[str, Float[Tensor, "_ _ _"]]) -> FeatureStack:
        """Returns layers that cover the frame as a stack of the picture."""
        return FeatureStack(layers, self.image_hw, self.grid_hw, self.inside)


def framed(image: Image, side: int, stride: int, frame: str) -> Framed:
    """Brings a picture to working size.

    Args:
        image: any size; what is transparent shows grey.
        side: of the frame's longer side, rounded to whole cells.
        stride: pixels a cell.
        frame: "fit" keeps the picture's shape and adds nothing, "pad" sets it in the middle of a black square as
            sd-dino and GeoAware-SC do, "squash" makes it square as DIFT does. A padded picture covers whole cells.

    Raises:
        UsageError: another word.
    """
    if frame not in FRAMES:
        raise UsageError(f"frame {frame!r} is none of {', '.join(FRAMES)}")
    cells = max(1, round(side / stride))
    square = (cells * stride, cells * stride)
    h, w = square if frame == "squash" else working_hw(image.hw, cells * stride, stride)
    rgb = image.over(BACKGROUND).to("cpu", torch.float32)[None]
    rgb = functional.interpolate(rgb, (h, w), mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)
    rows, columns = h // stride, w // stride
    if frame != "pad":
        return Framed(rgb, (rows, columns), (0, 0, rows, columns), image.hw)
    top, left = (cells - rows) // 2, (cells - columns) // 2
    canvas = torch.zeros(3, *square)
    canvas[:, top * stride : top * stride + h, left * stride : left * stride + w] = rgb
    return Framed(canvas, (cells, cells), (top, left, rows, columns), image.hw)


def together(frames: Sequence[Framed], describe: Callable[[Sequence[Framed]], Sequence[T]]) -> list[T]:
    """Returns what is said of frames, in their order, where those of one size are described together."""
    sizes: dict[Hw, list[int]] = {}
    for number, frame in enumerate(frames):
        sizes.setdefault((frame.rgb.shape[1], frame.rgb.shape[2]), []).append(number)
    found: dict[int, T] = {}
    for numbers in sizes.values():
        for start in range(0, len(numbers), AT_ONCE):
            part = numbers[start : start + AT_ONCE]
            found.update(zip(part, describe([frames[number] for number in part]), strict=True))
    return [found[number] for number in range(len(frames))]
