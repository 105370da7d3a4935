"""`semcorr morph`: a film in which pictures become each other."""

import re
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import output, verdict
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.options import OUTPUT, PairOptions, find_objects, open_pictures, open_session
from semcorr_cli.effects import pace
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.core.correspondence import Correspondence
    from semcorr_cli.core.image import Image
    from semcorr_cli.core.matches import Matches
    from semcorr_cli.effects.shape import Shape
    from semcorr_cli.session import Session

SUFFIXES = (".gif", ".webp", ".png", ".apng", ".avif", ".mp4", ".webm", "")

MAX_SIDE = 8192
"""Longest side of a film."""

MISSED = 1.0
"""Pixels by which a point set by hand may be missed before it is told."""

DEFAULT_SIDE = 1024
"""Longest side of a film whose size nobody asked for."""


class Easing(StrEnum):
    """Curves of time."""

    LINEAR = "linear"
    SMOOTHSTEP = "smoothstep"
    SMOOTHERSTEP = "smootherstep"
    COSINE = "cosine"
    EASE_IN = "ease-in"
    EASE_OUT = "ease-out"


class Travel(StrEnum):
    """How parts travel."""

    ARC = "arc"
    STRAIGHT = "straight"


class Background(StrEnum):
    """What happens behind the objects."""

    AUTO = "auto"
    PLATE = "plate"
    WARP = "warp"


class Fit(StrEnum):
    """How a picture of another shape is placed in the frame."""

    AUTO = "auto"
    COVER = "cover"
    CONTAIN = "contain"
    STRETCH = "stretch"


def morph(
    images: Annotated[list[str], typer.Argument(metavar="A B [C ...]", help="Two pictures or more; - for stdin.")],
    frames: Annotated[int, typer.Option(min=2, max=10_000, help="Frames of one transition, both ends included.")] = 50,
    fps: Annotated[float, typer.Option(min=0.1, max=240, help="Frames a second.")] = 25.0,
    easing: Annotated[Easing, typer.Option(help="Curve of the whole transition.")] = Easing.SMOOTHSTEP,
    shape_easing: Annotated[Easing | None, typer.Option(help="Curve of the motion alone.", show_default=False)] = None,
    color_easing: Annotated[
        Easing | None, typer.Option(help="Curve of the dissolve alone.", show_default=False)
    ] = None,
    hold: Annotated[str, typer.Option(help="How long each picture stands still: frames (12) or time (0.5s).")] = "0",
    ping_pong: Annotated[bool, typer.Option("--ping-pong", help="Play back to the first picture.")] = False,
    loop: Annotated[int, typer.Option(min=0, help="Times the film is played; 0 for ever (gif, webp, png, avif).")] = 0,
    size: Annotated[
        str | None,
        typer.Option(help="WIDTHxHEIGHT, or the longer side; default A's own, at most 1024.", show_default=False),
    ] = None,
    points: Annotated[
        str | None,
        typer.Option(help="JSON or CSV file of point pairs of A and B that must meet exactly.", show_default=False),
    ] = None,
    only_points: Annotated[
        bool, typer.Option("--only-points", help="Use the pairs of --points alone; nothing is matched.")
    ] = False,
    path: Annotated[Travel, typer.Option(help="Parts turn with the whole, or travel straight.")] = Travel.ARC,
    background: Annotated[
        Background,
        typer.Option(
            help="plate: only what the masks show travels, in front of the pictures with it filled in; warp: everything"
            " travels; auto: plate where both masks are given."
        ),
    ] = Background.AUTO,
    fit: Annotated[Fit, typer.Option(help="How a picture of another shape is placed in the frame.")] = Fit.AUTO,
    quality: Annotated[
        int, typer.Option(min=0, max=100, help="Of webp, avif, mp4 and webm.", rich_help_panel=OUTPUT)
    ] = 80,
    *,
    pair: PairOptions,
) -> None:
    """Examples:

    \b
        semcorr morph cat.jpg dog.jpg -o morph.gif
        semcorr morph cat.jpg dog.jpg --ping-pong --hold 0.5s -o morph.webp
        semcorr morph cat.jpg dog.jpg fox.jpg --size 720 --fps 30 -o morph.mp4
        semcorr morph cat.jpg dog.jpg --frames 5 -o frames/

    Makes a film in which A becomes B (and B becomes C ...): parts travel to their counterparts while the colours
    dissolve in linear light. The suffix of -o says what is written: gif, webp, png (animated), avif, mp4, webm; without
    a suffix, a folder of numbered PNG frames.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    if len(images) < 2:
        raise UsageError("morph needs two pictures or more")
    if len(images) > 2 and (pair.source_mask or pair.target_mask or points):
        raise UsageError("--points and masks are for morphs of two pictures")
    if only_points and points is None:
        raise UsageError("--only-points needs --points")
    masked = pair.source_mask is not None and pair.target_mask is not None
    if background is Background.PLATE and not masked:
        raise UsageError("--background plate needs to know the objects", hint="give --source-mask and --target-mask")
    out = output.current()
    place = destination(pair, default_path(images[0], "morph", ".gif"), SUFFIXES)
    rate = Fraction(fps).limit_denominator(1001)
    timing = pace.Pace(frames, _hold_frames(hold, rate), ping_pong)
    out.say(f"morphing {' to '.join(images)}")
    pictures = open_pictures(images, pair)

    from semcorr_cli.effects import morph as effect
    from semcorr_cli.effects.layers import Layers
    from semcorr_cli.io import animation, warps

    kind = animation.FORMATS.get(place.suffix)
    if kind is not None and kind.pixels_alpha is None:
        pictures = [picture.flattened() for picture in pictures]
    hw = _frame_hw(size, pictures[0].hw, even=kind is not None and kind.even)
    by_hand = None if points is None else warps.read_pairs(points, pictures[0].hw, pictures[1].hw)
    looks = effect.MorphOptions((shape_easing or easing).value, (color_easing or easing).value, fit.value, path.value)
    draw = Layers if masked and background is not Background.WARP else effect.Morph
    session = open_session(pair)
    pictures = find_objects(session, pictures, pair)
    if only_points:
        morphs = [draw(*session.on_device(*pictures), None, hw, looks, by_hand)]
    else:
        pictures, fields, by_hand = _matched(images, pictures, by_hand, session, pair)
        morphs = [
            draw(*session.on_device(first, second), field, hw, looks, by_hand)
            for (first, second), field in zip(pairwise(pictures), fields, strict=True)
        ]
    for morph_ in morphs:
        _tell_misfit(morph_.shape, by_hand is not None)
    count = timing.count(len(morphs))
    out.result.update(frames=count, fps=float(rate), loop=loop, hw=list(hw))
    film = animation.FilmOptions(rate, loop, quality)
    alpha = any(picture.alpha is not None for picture in pictures)
    with place.streamed(hw) as file, animation.writing(file, hw, film, alpha=alpha, overwrite=pair.overwrite) as writer:
        for frame in out.progress(effect.frames(morphs, timing.moments(len(morphs))), count, "frames"):
            writer.write(frame)
    session.close()


def _matched(
    images: list[str], pictures: "list[Image]", by_hand: "Matches | None", session: "Session", pair: PairOptions
) -> "tuple[list[Image], list[Correspondence | None], Matches | None]":
    """Matches each picture with the next; returns them, facing one way, their fields, and the points set by hand."""
    from semcorr_cli.effects.morph import facing_one_way

    out = output.current()
    fields = []
    for first, second in pairwise(pictures):
        fields.append(session.correspond(first, second))
        verdict.report(fields[-1], pair, is_morph=True)
    out.run["cached"] = [session.cached(picture) for picture in pictures]
    pictures, fields, mirrored = facing_one_way(pictures, fields)
    if by_hand is not None and mirrored[1]:
        by_hand = by_hand.reversed().mirrored_source().reversed()
    for name, turned in zip(images, mirrored, strict=True):
        if turned:
            out.say(f"{name} is shown mirrored: it matches better so (--flip never keeps it as it is)")
    out.result["mirrored"] = mirrored
    return pictures, list(fields), by_hand


def _tell_misfit(shape: "Shape", by_hand: bool) -> None:
    """Says which points set by hand could not be met, and that the film folds, if it does."""
    out = output.current()
    misfit = shape.misfit()
    if by_hand:
        out.result["points_missed"] = [round(pixels, 2) for pixels in misfit.missed]
    out.result["folded"] = round(max(misfit.fold_share, out.result.get("folded", 0.0)), 6)
    for number, pixels in enumerate(misfit.missed, start=1):
        if pixels > MISSED:
            out.warn(f"pair {number} of --points is missed by {pixels:.0f} pixels: it contradicts the others")
    if misfit.fold_share:
        out.warn(f"the film folds over itself on {100 * misfit.fold_share:.1f} % of its frame: points cross each other")


def _hold_frames(text: str, rate: Fraction) -> int:
    """Returns the frames that "12" or "0.5s" or "500ms" stand for."""
    match = re.fullmatch(r"(\d+)|(\d+(?:\.\d+)?)(s|ms)", text.strip())
    if match is None:
        raise UsageError(f"--hold {text!r} is neither frames nor a time", hint="--hold 12 or --hold 0.5s")
    if match[1]:
        return int(match[1])
    seconds = float(match[2]) / (1000 if match[3] == "ms" else 1)
    return round(seconds * rate)


def _frame_hw(size: str | None, picture_hw: tuple[int, int], *, even: bool) -> tuple[int, int]:
    """Returns the frame that --size asks for; both sides even where the format needs it."""
    h, w = picture_hw
    if size is not None and (match := re.fullmatch(r"(\d+)[xX×](\d+)", size.strip())):
        h, w = int(match[2]), int(match[1])
    elif size is not None and not size.strip().isdigit():
        raise UsageError(f"--size {size!r} is no size", hint="--size 640x480, or --size 720 for the longer side")
    else:
        longer = int(size) if size is not None else min(max(h, w), DEFAULT_SIDE)
        h, w = (max(1, round(side * longer / max(picture_hw))) for side in picture_hw)
    if even:
        h, w = h - h % 2, w - w % 2
    if not 8 <= min(h, w) <= max(h, w) <= MAX_SIDE:
        raise UsageError(
            f"frames of {w}×{h} pixels cannot be made", hint=f"each side must lie between 8 and {MAX_SIDE}"
        )
    return h, w
