"""Pictures of predicted pairs for a report: true places, predicted places, and how far they are apart."""

from dataclasses import dataclass

from PIL import Image as Pillow
from PIL import ImageDraw

from semcorr_cli.core.image import Image
from semcorr_cli.evaluate.scores import Row
from semcorr_cli.io import images, thumbnails

SIDE = 240
"""Pixels of a panel, each way at most."""

GAP = 6
INK, PAPER = (20, 22, 26), (255, 255, 255)
TRUE, WRONG = (40, 170, 80), (220, 60, 50)


@dataclass(frozen=True, slots=True)
class Panel:
    """A picture made small.

    Attributes:
        picture: its pixels.
        scale: their number a pixel of the original.
    """

    picture: Pillow.Image
    scale: float

    @classmethod
    def of(cls, image: Image) -> "Panel":
        """Makes a picture small, or a tiny one larger."""
        height, width = image.hw
        scale = min(SIDE / height, SIDE / width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        full = Pillow.fromarray(images.to_bytes(image.flattened()))
        return cls(full.resize(size, Pillow.Resampling.LANCZOS), scale)


def drawn(source: Image, target: Image, row: Row) -> str:
    """Returns both pictures of a pair side by side, as a `data:` address.

    Rings are true places; in the target a line leads from each to the dot of the predicted place.
    """
    left, right = Panel.of(source), Panel.of(target)
    shift = left.picture.width + GAP
    sheet = Pillow.new("RGB", (shift + right.picture.width, max(left.picture.height, right.picture.height)), PAPER)
    sheet.paste(left.picture, (0, 0))
    sheet.paste(right.picture, (shift, 0))
    draw = ImageDraw.Draw(sheet)
    for x_s, y_s, x_t, y_t, x_p, y_p in row.shown:
        true = shift + x_t * right.scale, y_t * right.scale
        # A prediction beyond the picture is drawn at its rim: in the other panel it would mislead.
        found = (
            min(max(shift + x_p * right.scale, shift), sheet.width - 1),
            min(max(y_p * right.scale, 0), right.picture.height - 1),
        )
        draw.line((true, found), fill=WRONG, width=2)
        _ring(draw, true)
        _ring(draw, (x_s * left.scale, y_s * left.scale))
        draw.ellipse((found[0] - 3, found[1] - 3, found[0] + 3, found[1] + 3), fill=WRONG, outline=PAPER)
    return thumbnails.inline(sheet, quality=80)


def _ring(draw: ImageDraw.ImageDraw, place: tuple[float, float]) -> None:
    x, y = place
    for radius, colour in ((5.0, INK), (4.0, TRUE), (3.0, TRUE)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)
