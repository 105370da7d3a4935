"""Options of verbs that make films: pace, size, and how they are written."""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import output
from semcorr_cli.cli.options import OUTPUT, PairOptions
from semcorr_cli.effects.pace import Pace
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.io import film

SUFFIXES = (".gif", ".webp", ".png", ".apng", ".avif", ".mp4", ".webm", ".jpg", ".jpeg", "")

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

GIF_FPS = 50
"""Frames a second beyond which players show a GIF at ten."""

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


def rate(options: FilmingOptions) -> Fraction:
    """Returns the frames a second."""
    return Fraction(FPS if options.fps is None else options.fps).limit_denominator(1001)


def pace(options: FilmingOptions, transitions: int) -> Pace:
    """Returns the order of the film's frames.

    Raises:
        UsageError: --frames and --duration contradict each other, or leave no time to move.
    """
    fps = rate(options)
    hold = _hold_frames(options.hold, fps)
    if options.duration is None:
        return Pace(FRAMES if options.frames is None else options.frames, hold, options.ping_pong)
    seconds = _seconds(options.duration)
    count = round(seconds * fps)
    found = Pace.lasting(count, transitions, hold, ping_pong=options.ping_pong)
    if found is None:
        shortest = Pace(2, hold, options.ping_pong).count(transitions)
        raise UsageError(
            f"--duration {options.duration} at {float(fps):g} frames a second is {count}; the film needs {shortest}",
            hint="a longer --duration, a higher --fps or a shorter --hold",
        )
    if found.frames > MAX_FRAMES:
        raise UsageError(f"--duration {options.duration} needs more than {MAX_FRAMES} frames in one transition")
    if options.frames is not None and options.frames != found.frames:
        held = Pace(options.frames, hold, options.ping_pong).count(transitions)
        raise UsageError(
            f"--frames {options.frames} lasts {float(held / fps):g} s at {float(fps):g} frames a second, not the"
            f" {seconds:g} s of --duration",
            hint=f"leave one of them out, or --fps {held / seconds:g}",
        )
    return found


def grid(options: FilmingOptions, suffix: str) -> tuple[int, int] | None:
    """Returns columns and rows of the contact sheet; None for a film.

    Raises:
        UsageError: the sheet makes no sense, or its suffix.
    """
    if options.contact_sheet is None:
        if suffix in (".jpg", ".jpeg"):
            raise UsageError(
                f"{suffix} holds one picture, not a film", hint="--contact-sheet 5x2, or -o FOLDER --frame-format jpg"
            )
        return None
    match = re.fullmatch(r"(\d+)[xX×](\d+)", options.contact_sheet.strip())
    columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 2 <= columns * rows <= MAX_FRAMES:
        raise UsageError(
            f"--contact-sheet {options.contact_sheet!r} is no grid of two frames or more",
            hint="--contact-sheet 5x2 for five columns and two rows",
        )
    timed = {
        "--frames": options.frames is not None,
        "--fps": options.fps is not None,
        "--duration": options.duration is not None,
        "--hold": options.hold != "0",
        "--ping-pong": options.ping_pong,
        "--loop": options.loop != 0,
    }
    if used := [name for name, is_used in timed.items() if is_used]:
        raise UsageError(f"{used[0]} is for films; a contact sheet shows one moment in each place of its grid")
    return columns, rows


def written(options: FilmingOptions, suffix: str) -> "film.FilmOptions":
    """Returns how the film is to be written.

    Raises:
        UsageError: options that mean nothing to what is written.
    """
    from semcorr_cli.io import film, stills

    sheet = grid(options, suffix)
    kind = None if sheet is not None else film.FORMATS.get(suffix)
    still = (options.frame_format or Still.PNG).value
    name = suffix.lstrip(".") or f"a folder of {still} frames"
    encoding = stills.SHEETS.get(suffix, "") if sheet is not None else film.STILLS[still]
    if sheet is not None and not encoding:
        raise UsageError(f"contact sheets are not written as {name}", hint=f"use one of: {' '.join(stills.SHEETS)}")
    if options.crf is not None:
        largest = None if kind is None else kind.coarsest
        if largest is None:
            raise UsageError(f"--crf is for mp4, webm and avif films, not for {name}")
        if options.crf > largest:
            raise UsageError(f"--crf {options.crf} is beyond what {name} has: 0 (best) to {largest}")
        if options.quality is not None:
            raise UsageError("--quality and --crf say the same thing twice", hint="give one of them")
    if options.quality is not None and not (encoding != "PNG" if kind is None else kind.loses):
        raise UsageError(f"--quality means nothing to {name}", hint="it is for jpg, webp, avif, mp4 and webm")
    if suffix != ".gif" and (options.gif_palette is not None or options.gif_dither is not None):
        raise UsageError(f"--gif-palette and --gif-dither are for gif, not for {name}")
    if suffix and options.frame_format is not None:
        raise UsageError(f"--frame-format is for folders of frames, not for {name}", hint="give -o a folder")
    fps = rate(options)
    if suffix == ".gif" and fps > GIF_FPS:
        output.current().warn(f"players show GIFs of more than {GIF_FPS} frames a second at ten")
    if options.loop and sheet is None and (kind is None or not kind.loops):
        output.current().warn(f"{name} cannot say how often it is played: --loop is left out")
    jpeg = kind is None and encoding == "JPEG"
    return film.FilmOptions(
        fps=fps,
        loop=options.loop,
        quality=(92 if jpeg else 80) if options.quality is None else options.quality,
        crf=options.crf,
        palette=(options.gif_palette or GifPalette.FRAME).value,
        dither=(options.gif_dither or GifDither.NONE).value,
        still=still,
        grid=sheet,
    )


def has_alpha(suffix: str, how: "film.FilmOptions") -> bool:
    """Tells whether what is written can be transparent."""
    from semcorr_cli.io import film, stills

    if how.grid is not None:
        return stills.SHEETS[suffix] != "JPEG"
    return film.FORMATS[suffix].pixels_alpha is not None if suffix else film.STILLS[how.still] != "JPEG"


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


def _hold_frames(text: str, fps: Fraction) -> int:
    """Returns the frames that "12" or "0.5s" or "500ms" stand for."""
    if text.strip().isdecimal():
        return int(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|ms)", text.strip())
    if match is None:
        raise UsageError(f"--hold {text!r} is neither frames nor a time", hint="--hold 12 or --hold 0.5s")
    return round(float(match[1]) / (1000 if match[2] == "ms" else 1) * fps)


def _seconds(text: str) -> float:
    """Returns the seconds that "2.5", "2.5s" or "2500ms" stand for."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|ms|)", text.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"--duration {text!r} is no time", hint="--duration 2.5, --duration 2.5s or --duration 800ms")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)
