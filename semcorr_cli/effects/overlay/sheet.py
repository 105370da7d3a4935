"""The sheet that the pictures of `match` are drawn on: both pictures side by side, marks over them, words below."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image

HEIGHT, WIDTH = 640, 960
"""Largest size of a panel; small pictures are enlarged to at most twice the larger one's size."""

SUPERSAMPLING = 2
"""Marks are drawn this much larger and reduced, for smooth edges."""

PAPER = (250, 250, 248)
INK = (30, 32, 36)
WHITE = (255, 255, 255)
GAP = 16
FOOT = 44

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where two pictures lie side by side, each as large as its box allows, whatever their shapes.

    Attributes:
        panels: sizes of the two panels.
        height: of the sheet without its foot.
    """

    panels: tuple[Hw, Hw]
    height: int

    @classmethod
    def of(cls, source_hw: Hw, target_hw: Hw) -> "Sheet":
        """Lays out two pictures."""
        sizes = (source_hw, target_hw)
        box = min(HEIGHT, 2 * max(h for h, _ in sizes)), min(WIDTH, 2 * max(w for _, w in sizes))
        scales = [min(box[0] / h, box[1] / w) for h, w in sizes]
        first, second = (
            (max(1, round(h * scale)), max(1, round(w * scale))) for (h, w), scale in zip(sizes, scales, strict=True)
        )
        return cls((first, second), max(first[0], second[0]))

    @property
    def width(self) -> int:
        """Of the sheet."""
        return self.panels[0][1] + GAP + self.panels[1][1]

    def corner(self, which: int) -> tuple[int, int]:
        """Returns (left, top) of a panel; the lower one stands in the middle."""
        return which * (self.panels[0][1] + GAP), (self.height - self.panels[which][0]) // 2

    def place(self, which: int, xy: Float[Tensor, "n 2"], hw: Hw) -> list[tuple[float, float]]:
        """Returns where points of a picture lie on the sheet; what lies outside is put on the panel's edge."""
        inside = torch.minimum(xy.clamp_min(0), coords.wh(hw, xy))
        at = coords.resize_points(inside, hw, self.panels[which]) + xy.new_tensor(self.corner(which))
        return [(x, y) for x, y in at.tolist()]

    def shown(self, which: int, image: Image) -> Float[Tensor, "3 h w"]:
        """Returns a picture at the size of its panel, over white."""
        planes = (image.over(1.0) * 255 + 0.5).clamp(0, 255).to(torch.uint8)
        picture = Pillow.fromarray(planes.permute(1, 2, 0).contiguous().cpu().numpy())
        h, w = self.panels[which]
        return _planes(picture.resize((w, h), Pillow.Resampling.LANCZOS))

    def paper(self, first: Float[Tensor, "3 h w"], second: Float[Tensor, "3 u v"]) -> Pillow.Image:
        """Returns the sheet with its panels filled."""
        canvas = Pillow.new("RGB", (self.width, self.height + FOOT), PAPER)
        for which, planes in enumerate((first, second)):
            codes = (planes * 255 + 0.5).clamp(0, 255).to(torch.uint8)
            canvas.paste(Pillow.fromarray(codes.permute(1, 2, 0).contiguous().numpy()), self.corner(which))
        return canvas


class Marks:
    """Lines, dots and numbers over a sheet, each ringed in white and ink, to be seen on light and on dark."""

    def __init__(self, sheet: Sheet) -> None:
        """Opens an empty layer."""
        self._k = SUPERSAMPLING
        self._layer = Pillow.new("RGBA", (self._k * sheet.width, self._k * (sheet.height + FOOT)))
        self._draw = ImageDraw.Draw(self._layer)

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float, share: float
    ) -> None:
        """Draws a line with a dark edge.

        Args:
            start: one end on the sheet.
            end: the other.
            colour: of the line.
            width: in pixels of the sheet.
            share: opacity.
        """
        ends = [tuple(self._k * value for value in point) for point in (start, end)]
        for fill, extra, opacity in ((INK, 1.2, 0.5 * share), (colour, 0.0, share)):
            self._draw.line(ends, fill=(*fill, round(255 * opacity)), width=max(1, round(self._k * (width + extra))))

    def dot(self, at: tuple[float, float], radius: float, colour: Colour) -> None:
        """Draws a disc."""
        for extra, fill in ((2.0, (*INK, 160)), (1.0, (*WHITE, 255)), (0.0, (*colour, 255))):
            self._disc(at, radius + extra, fill)

    def ring(self, at: tuple[float, float], radius: float) -> None:
        """Draws a circle with a cross in its middle, nothing of what lies between being hidden."""
        x, y = (self._k * value for value in at)
        for colour, width in ((INK, 5.0), (WHITE, 2.4)):
            r, w = self._k * radius + (width - 2.4) / 2, round(self._k * width)
            self._draw.ellipse((x - r - w / 2, y - r - w / 2, x + r + w / 2, y + r + w / 2), outline=colour, width=w)
            for dx, dy in ((1, 0), (0, 1)):
                reach = self._k * (radius / 2 + (width - 2.4) / 2)
                self._draw.line((x - reach * dx, y - reach * dy, x + reach * dx, y + reach * dy), fill=colour, width=w)

    def number(self, at: tuple[float, float], text: str, size: int, colour: Colour) -> None:
        """Writes into a disc, in white or in ink, whichever can be read on its colour."""
        x, y = (self._k * value for value in at)
        red, green, blue = colour
        is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 140
        font = ImageFont.load_default(self._k * size)
        self._draw.text((x, y), text, fill=INK if is_light else WHITE, font=font, anchor="mm")

    def onto(self, canvas: Pillow.Image) -> None:
        """Lays the marks over a sheet."""
        layer = self._layer.resize(canvas.size, Pillow.Resampling.LANCZOS)
        canvas.paste(layer, (0, 0), layer)

    def _disc(self, at: tuple[float, float], radius: float, fill: tuple[int, int, int, int]) -> None:
        x, y = (self._k * value for value in at)
        r = self._k * radius
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def write(canvas: Pillow.Image, text: str, legend: str, key: Pillow.Image | None = None) -> None:
    """Writes the foot: what is seen on the left, what the marks mean on the right if there is room.

    Args:
        canvas: the sheet.
        text: what is seen.
        legend: what the key stands for.
        key: a strip of the marks or colours that are explained.
    """
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(16)
    middle = canvas.height - FOOT / 2
    draw.text((12, middle), text, fill=INK, font=font, anchor="lm")
    width = 0 if key is None else key.width + 10
    left = canvas.width - 12 - width - draw.textlength(legend, font)
    if left < draw.textlength(text, font) + 32:
        return
    draw.text((left, middle), legend, fill=INK, font=font, anchor="lm")
    if key is not None:
        canvas.paste(key, (canvas.width - 12 - key.width, round(middle - key.height / 2)))


def finished(canvas: Pillow.Image) -> Image:
    """Returns the sheet as a picture."""
    return Image(_planes(canvas))


def _planes(picture: Pillow.Image) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)
