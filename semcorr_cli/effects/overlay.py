"""The picture of `match`: both pictures side by side, corresponding points in one colour, lines by confidence."""

import colorsys

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality

HEIGHT = 640
"""Largest height of a panel; smaller pictures are enlarged to it at most twofold."""

WIDTH = 4 * HEIGHT
"""Largest width of a panel; a longer strip of a picture makes both panels lower."""

SUPERSAMPLING = 2
"""The drawing is made this much larger and reduced, for smooth edges."""

PAPER = (250, 250, 248)
INK = (30, 32, 36)
GAP = 16
FOOT = 44


def side_by_side(source: Image, target: Image, matches: Matches, quality: Quality) -> Image:
    """Draws the pictures beside each other with their matches.

    A dot's colour says where in the target it lies (hue by column, lightness by row), so that neighbours look alike and
    dots of one colour belong together; dots are ringed in white and ink, to be seen on any picture. The more confident
    a match, the more solid and wide its line.
    """
    sizes = (source.hw, target.hw)
    height = max(1, min(HEIGHT, 2 * max(h for h, _ in sizes), *(WIDTH * h // w for h, w in sizes)))
    panels = [_panel(image, height) for image in (source, target)]
    width = sum(panel.width for panel in panels) + GAP
    k = SUPERSAMPLING
    canvas = Pillow.new("RGB", (width, height + FOOT), PAPER)
    canvas.paste(panels[0], (0, 0))
    canvas.paste(panels[1], (panels[0].width + GAP, 0))
    canvas = canvas.resize((canvas.width * k, canvas.height * k), Pillow.Resampling.BILINEAR)
    starts = coords.resize_points(matches.source, matches.source_hw, (height, panels[0].width)) * k
    ends = coords.resize_points(matches.target, matches.target_hw, (height, panels[1].width)) * k
    ends[:, 0] += (panels[0].width + GAP) * k
    colours = [_colour(x, y) for x, y in (matches.target / coords.wh(matches.target_hw, matches.target)).tolist()]
    layer = Pillow.new("RGBA", canvas.size)
    draw = ImageDraw.Draw(layer)
    order = torch.argsort(matches.score).tolist()
    for row in order:
        confidence = float(matches.score[row])
        line = [tuple(starts[row].tolist()), tuple(ends[row].tolist())]
        draw.line(
            line, fill=(*colours[row], round(70 + 150 * confidence)), width=max(1, round(k * (0.6 + 1.8 * confidence)))
        )
    for row in order:
        for x, y in (starts[row].tolist(), ends[row].tolist()):
            _dot(draw, x, y, k * (3 + 3 * float(matches.score[row])), colours[row], k)
    canvas.paste(layer, (0, 0), layer)
    canvas = canvas.resize((width, height + FOOT), Pillow.Resampling.LANCZOS)
    _foot(canvas, len(matches), quality)
    return Image(torch.from_numpy(np.asarray(canvas, np.float32) / 255).permute(2, 0, 1))


def _panel(image: Image, height: int) -> Pillow.Image:
    planes = (image.over(1.0) * 255 + 0.5).clamp(0, 255).to(torch.uint8)
    picture = Pillow.fromarray(planes.permute(1, 2, 0).contiguous().cpu().numpy())
    return picture.resize((max(1, round(picture.width * height / picture.height)), height), Pillow.Resampling.LANCZOS)


def _colour(x: float, y: float) -> tuple[int, int, int]:
    """Returns the colour of a relative position: the blue to orange arc of hues, which the colour-blind tell apart."""
    hue = (0.6 + 0.52 * min(max(x, 0.0), 1.0)) % 1.0
    lightness = 0.72 - 0.34 * min(max(y, 0.0), 1.0)
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: tuple[int, int, int], k: int) -> None:
    for extra, fill in ((2 * k, (*INK, 160)), (k, (255, 255, 255, 255)), (0, (*colour, 255))):
        r = radius + extra
        draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def _foot(canvas: Pillow.Image, count: int, quality: Quality) -> None:
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(16)
    middle = canvas.height - FOOT / 2
    text = f"{count} of {quality.signs.matches} matches · quality {quality.verdict.value}"
    draw.text((12, middle), text, fill=INK, font=font, anchor="lm")
    legend = "confidence"
    left = canvas.width - 250
    if left < draw.textlength(text, font) + 32:
        return
    draw.text((left, middle), legend, fill=INK, font=font, anchor="lm")
    for step in range(5):
        x, radius = left + 110 + 26 * step, 3 + 3 * step / 4
        draw.ellipse((x - radius, middle - radius, x + radius, middle + radius), fill=(60, 90, 200))


def principal_components(features: FeatureMap) -> Image:
    """Returns the first three principal components of a feature map as red, green and blue, at the picture's size."""
    flat = features.flat().double().cpu()
    centred = flat - flat.mean(dim=0)
    # The sign of a component is arbitrary: the largest loading is made positive, so that every run shows the same.
    _, _, components = torch.linalg.svd(centred, full_matrices=False)
    components = components[:3]
    components = components * components.gather(1, components.abs().argmax(dim=1, keepdim=True)).sign()
    values = centred @ components.T
    low, high = values.quantile(0.01, dim=0), values.quantile(0.99, dim=0)
    planes = ((values - low) / (high - low).clamp_min(1e-9)).clamp(0, 1).float()
    grid = planes.T.reshape(-1, *features.hw)
    if grid.shape[0] < 3:
        grid = torch.cat([grid, torch.zeros(3 - grid.shape[0], *features.hw)])
    return Image(functional.interpolate(grid[None], size=features.image_hw, mode="nearest")[0])
