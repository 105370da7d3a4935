"""What a film is written as, and which options mean something to it."""

import re
from typing import TYPE_CHECKING

from semcorr_cli.cli import output, timing
from semcorr_cli.cli.filming import MAX_FRAMES, FilmingOptions, GifDither, GifPalette, Still
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.io import film

SUFFIXES = (".gif", ".webp", ".png", ".apng", ".avif", ".mp4", ".webm", ".jpg", ".jpeg", "")

GIF_FPS = 50
"""Frames a second beyond which players show a GIF at ten."""


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
    fps = timing.rate(options)
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
