"""Options of verbs that make films: pace, size, and how they are written."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from semcorr_cli.cli.options import OUTPUT, PairOptions
from semcorr_cli.errors import UsageError

FRAMES = 50
"""Frames of a transition, if nobody says."""

FPS = 25.0
"""Frames a second, if nobody says."""

MAX_FRAMES = 10_000
"""Frames of one transition at most."""

MAX_SIDE = 8192
"""Longest side of a film."""

DEFAULT_SIDE = 1024
"""Longest side of a film whose size nobody asked for."""

CELL_SIDE = 320
"""Longest side of a frame on a contact sheet whose size nobody asked for."""

FILM = "Film"


class Tempo(StrEnum):
    """How time is laid out."""

    EASED = "eased"
    EVEN = "even"


class Still(StrEnum):
    """What the frames in a folder are."""

    PNG = "png"
    JPG = "jpg"
    WEBP = "webp"


class GifPalette(StrEnum):
    """How many palettes a GIF has."""

    FRAME = "frame"
    GLOBAL = "global"


class GifDither(StrEnum):
    """How a GIF feigns colours that its palette has not."""

    NONE = "none"
    BAYER = "bayer"
    FLOYD_STEINBERG = "floyd-steinberg"


@dataclass(frozen=True, slots=True)
class FilmingOptions(PairOptions):
    """Options of every verb that makes films of pictures that are matched."""

    frames: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=MAX_FRAMES,
            help=f"Frames of one transition, both ends included; default {FRAMES}.",
            rich_help_panel=FILM,
            show_default=False,
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=240, help=f"Frames a second; default {FPS:g}.", rich_help_panel=FILM, show_default=False
        ),
    ] = None
    duration: Annotated[
        str | None,
        typer.Option(
            help="How long the whole film lasts, held pictures included (2.5, 2.5s or 800ms), instead of --frames.",
            rich_help_panel=FILM,
            show_default=False,
        ),
    ] = None
    pace: Annotated[
        Tempo,
        typer.Option(
            help="eased: time follows the easing; even: frames are equally far apart, measured by eye's measure.",
            rich_help_panel=FILM,
        ),
    ] = Tempo.EASED
    hold: Annotated[
        str,
        typer.Option(help="How long each picture stands still: frames (12) or time (0.5s).", rich_help_panel=FILM),
    ] = "0"
    ping_pong: Annotated[
        bool, typer.Option("--ping-pong", help="Play back to the first picture.", rich_help_panel=FILM)
    ] = False
    loop: Annotated[
        int,
        typer.Option(min=0, help="Times the film is played; 0 for ever (gif, webp, png, avif).", rich_help_panel=FILM),
    ] = 0
    size: Annotated[
        str | None,
        typer.Option(
            help=f"WIDTHxHEIGHT of a frame, or its longer side; default A's own, at most {DEFAULT_SIDE}.",
            rich_help_panel=FILM,
            show_default=False,
        ),
    ] = None
    contact_sheet: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNSxROWS",
            help="Write one picture of so many moments, instead of a film (jpg, png, webp, avif).",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None
    quality: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="Of webp, avif, mp4 and webm (default 80) and jpg (default 92).",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None
    crf: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=63,
            help="Instead of --quality, the encoder's own: mp4 0 to 51, webm and avif 0 to 63; 0 is best.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None
    gif_palette: Annotated[
        GifPalette | None,
        typer.Option(
            help="frame: 256 colours for every frame (default); global: for all frames, smaller.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None
    gif_dither: Annotated[
        GifDither | None,
        typer.Option(
            help="Against bands of colour, at the price of size; default none.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None
    frame_format: Annotated[
        Still | None,
        typer.Option(
            help="Of the frames, where -o is a folder; default png.", rich_help_panel=OUTPUT, show_default=False
        ),
    ] = None


def frame_hw(options: FilmingOptions, picture_hw: tuple[int, int], *, even: bool) -> tuple[int, int]:
    """Returns the frame that --size asks for; both sides even where the format needs it.

    Raises:
        UsageError: no size, or one that cannot be made.
    """
    (h, w), size = picture_hw, options.size
    if size is not None and (match := re.fullmatch(r"(\d+)[xX×](\d+)", size.strip())):
        h, w = int(match[2]), int(match[1])
    elif size is not None and not size.strip().isdigit():
        raise UsageError(f"--size {size!r} is no size", hint="--size 640x480, or --size 720 for the longer side")
    else:
        usual = DEFAULT_SIDE if options.contact_sheet is None else CELL_SIDE
        longer = int(size) if size is not None else min(max(h, w), usual)
        h, w = (max(1, round(side * longer / max(picture_hw))) for side in picture_hw)
    if even:
        h, w = h - h % 2, w - w % 2
    if not 8 <= min(h, w) <= max(h, w) <= MAX_SIDE:
        raise UsageError(
            f"frames of {w}×{h} pixels cannot be made", hint=f"each side must lie between 8 and {MAX_SIDE}"
        )
    return h, w
