"""Pairs of points: lines by confidence, or numbered dots in matching colours."""

import torch
from PIL import Image as Pillow
from PIL import ImageDraw

from semcorr_cli.core import coords
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality
from semcorr_cli.effects.overlay import colours
from semcorr_cli.effects.overlay.sheet import PAPER, Colour, Marks, Sheet, finished, write

Ends = list[tuple[float, float]]


def side_by_side(source: Image, target: Image, matches: Matches, quality: Quality) -> Image:
    """Draws the pictures beside each other with lines from point to point.

    A dot's colour says where in the target it lies, so that neighbours look alike and dots of one colour belong
    together. The more confident a match, the more solid and wide its line, and the later it is drawn.
    """
    sheet = Sheet.of(source.hw, target.hw)
    canvas = sheet.paper(sheet.shown(0, source), sheet.shown(1, target))
    marks, (starts, ends, tones) = Marks(sheet), _places(sheet, matches)
    order = torch.argsort(matches.score).tolist()
    scores = matches.score.tolist()
    for row in order:
        marks.line(starts[row], ends[row], tones[row], 0.8 + 1.8 * scores[row], 0.35 + 0.6 * scores[row])
    for row in order:
        for at in (starts[row], ends[row]):
            marks.dot(at, 3 + 3 * scores[row], tones[row])
    marks.onto(canvas)
    write(canvas, _words(len(matches), quality), "confidence", _key())
    return finished(canvas)


def numbered(source: Image, target: Image, matches: Matches, quality: Quality) -> Image:
    """Draws the pictures beside each other with numbered dots; equal numbers, in equal colours, belong together.

    They count the rows. Doubtful dots are smaller.
    """
    sheet = Sheet.of(source.hw, target.hw)
    canvas = sheet.paper(sheet.shown(0, source), sheet.shown(1, target))
    marks, (starts, ends, tones) = Marks(sheet), _places(sheet, matches)
    scores = matches.score.tolist()
    for row in reversed(range(len(matches))):
        for at in (starts[row], ends[row]):
            radius = 9 + 3 * scores[row]
            marks.dot(at, radius, tones[row])
            text = str(row + 1)
            marks.number(at, text, round(radius * (1.3 if len(text) < 3 else 0.95)), tones[row])
    marks.onto(canvas)
    write(canvas, _words(len(matches), quality), "equal numbers belong together")
    return finished(canvas)


def _places(sheet: Sheet, matches: Matches) -> tuple[Ends, Ends, list[Colour]]:
    starts = sheet.place(0, matches.source, matches.source_hw)
    ends = sheet.place(1, matches.target, matches.target_hw)
    tones = colours.wheel(matches.target / coords.wh(matches.target_hw, matches.target))
    return starts, ends, [colours.rgb_bytes(tone) for tone in tones]


def _words(count: int, quality: Quality) -> str:
    return f"{count} of {quality.signs.matches} matches · quality {quality.verdict.value}"


def _key() -> Pillow.Image:
    key = Pillow.new("RGB", (4 * 128, 4 * 20), PAPER)
    draw = ImageDraw.Draw(key)
    for step in range(5):
        x, radius = 4 * (10 + 26 * step), 4 * (3 + 3 * step / 4)
        draw.ellipse((x - radius, 40 - radius, x + radius, 40 + radius), fill=(60, 90, 200))
    return key.resize((128, 20), Pillow.Resampling.LANCZOS)
