"""`semcorr morph`: a film in which pictures become each other."""

from enum import StrEnum
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import filming, formats, output, timing, verdict
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.filming import FilmingOptions
from semcorr_cli.cli.opening import find_objects, open_pictures
from semcorr_cli.cli.options import PairOptions, open_session
from semcorr_cli.effects import pace
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from semcorr_cli.core.correspondence import Correspondence
    from semcorr_cli.core.image import Image
    from semcorr_cli.core.matches import Matches
    from semcorr_cli.effects.morph import MorphOptions, Transition
    from semcorr_cli.effects.pace import Moment
    from semcorr_cli.effects.shape import Shape
    from semcorr_cli.session import Session

GLIMPSE = 16
"""Frames by which a palette for all frames is chosen."""

MISSED = 1.0
"""Pixels by which a point set by hand may be missed before it is told."""


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


class Blend(StrEnum):
    """How colours change over."""

    DISSOLVE = "dissolve"
    LAPLACIAN = "laplacian"


class Background(StrEnum):
    """What happens behind the objects."""

    AUTO = "auto"
    PLATE = "plate"
    WARP = "warp"
    TRANSPARENT = "transparent"


class Fit(StrEnum):
    """How a picture of another shape is placed in the frame."""

    AUTO = "auto"
    COVER = "cover"
    CONTAIN = "contain"
    STRETCH = "stretch"


def morph(
    images: Annotated[list[str], typer.Argument(metavar="A B [C ...]", help="Two pictures or more; - for stdin.")],
    easing: Annotated[Easing, typer.Option(help="Curve of the whole transition.")] = Easing.SMOOTHSTEP,
    shape_easing: Annotated[Easing | None, typer.Option(help="Curve of the motion alone.", show_default=False)] = None,
    color_easing: Annotated[
        Easing | None, typer.Option(help="Curve of the dissolve alone.", show_default=False)
    ] = None,
    points: Annotated[
        str | None,
        typer.Option(help="JSON or CSV file of point pairs of A and B that must meet exactly.", show_default=False),
    ] = None,
    only_points: Annotated[
        bool, typer.Option("--only-points", help="Use the pairs of --points alone; nothing is matched.")
    ] = False,
    path: Annotated[Travel, typer.Option(help="Parts turn with the whole, or travel straight.")] = Travel.ARC,
    blend: Annotated[
        Blend,
        typer.Option(
            help="dissolve: softly; laplacian: each band of detail in its own time, crisper in between, more contrast,"
            " in what is seen twice too."
        ),
    ] = Blend.DISSOLVE,
    color_transfer: Annotated[
        bool,
        typer.Option(
            "--color-transfer", help="Both pictures take on the colours of the moment: no pop of exposure or hue."
        ),
    ] = False,
    background: Annotated[
        Background,
        typer.Option(
            help="plate: only what the masks show travels, in front of the pictures with it filled in; warp: everything"
            " travels; transparent: what the masks show, on nothing; auto: plate where both masks are given."
        ),
    ] = Background.AUTO,
    fit: Annotated[Fit, typer.Option(help="How a picture of another shape is placed in the frame.")] = Fit.AUTO,
    *,
    film: FilmingOptions,
) -> None:
    """Examples:

    \b
        semcorr morph cat.jpg dog.jpg -o morph.gif
        semcorr morph cat.jpg dog.jpg --ping-pong --hold 0.5s -o morph.webp
        semcorr morph cat.jpg dog.jpg fox.jpg --size 720 --fps 30 --duration 6s -o morph.mp4
        semcorr morph cat.jpg dog.jpg --frames 5 -o frames/
        semcorr morph cat.jpg dog.jpg --contact-sheet 5x2 -o sheet.jpg

    Makes a film in which A becomes B (and B becomes C ...): parts travel to their counterparts while the colours
    dissolve in linear light. The suffix of -o says what is written: gif, webp, png (animated), avif, mp4, webm; without
    a suffix, a folder of numbered frames; with --contact-sheet, one picture (jpg, png, webp, avif) of several moments.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    _check(images, points, only_points, background, film)
    out = output.current()
    place = destination(film, default_path(images[0], "morph", _usual(film)), formats.SUFFIXES)
    sheet = formats.grid(film, place.suffix)
    order = timing.pace(film, len(images) - 1)
    out.say(f"morphing {' to '.join(images)}")
    how = formats.written(film, place.suffix)
    pictures = _opened(images, background, film, transparent=formats.has_alpha(place.suffix, how))

    from semcorr_cli.effects.frames import frames
    from semcorr_cli.effects.morph import MorphOptions
    from semcorr_cli.io import animation, stills, warps
    from semcorr_cli.io.film import FORMATS

    even = sheet is None and place.suffix in FORMATS and FORMATS[place.suffix].even
    hw = filming.frame_hw(film, pictures[0].hw, even=even)
    by_hand = None if points is None else warps.read_pairs(points, pictures[0].hw, pictures[1].hw)
    curves = (shape_easing or easing).value, (color_easing or easing).value
    if film.pace is filming.Tempo.EVEN and curves[0] == curves[1]:
        curves = "linear", "linear"  # the same way, laid out anew; the straighter it is, the better it is measured
    looks = MorphOptions(*curves, fit.value, path.value, blend.value, color_transfer)
    session = open_session(film)
    pictures = find_objects(session, pictures, film)
    fields: list[Correspondence | None] = [None]
    if not only_points:
        pictures, fields, by_hand = _matched(images, pictures, by_hand, session, film)
    morphs = [
        _prepared(session.on_device(first, second), field, hw, looks, by_hand, background)
        for (first, second), field in zip(pairwise(pictures), fields, strict=True)
    ]
    for morph_ in morphs:
        _tell_misfit(morph_.shape, by_hand is not None)
    moments = order.moments(len(morphs)) if sheet is None else pace.spread(len(morphs), sheet[0] * sheet[1])
    if film.pace is filming.Tempo.EVEN:
        moments = _evenly(moments, morphs, order.frames - 1)
    count = order.count(len(morphs)) if sheet is None else sheet[0] * sheet[1]
    out.result.update(frames=count, fps=float(how.fps), seconds=round(float(count / how.fps), 3), loop=film.loop)
    out.result.update(hw=list(hw))
    alpha = any(picture.alpha is not None for picture in pictures) or background is Background.TRANSPARENT
    if alpha and place.suffix == ".avif" and how.loop:
        out.warn("a transparent avif is played for ever: --loop is left out")
    glimpse = frames(morphs, pace.spread(len(morphs), GLIMPSE))
    made_hw = hw if sheet is None else stills.sheet_hw(hw, sheet)
    with (
        place.streamed(made_hw) as file,
        animation.writing(file, hw, how, alpha=alpha, overwrite=film.overwrite, glimpse=glimpse) as writer,
    ):
        for frame in out.progress(frames(morphs, moments), count, "frames"):
            writer.write(frame)
    session.close()


def _evenly(moments: "Iterator[Moment]", morphs: "list[Transition]", steps: int) -> "Iterator[Moment]":
    """Lays moments out so that frames look equally far apart; tells how even they were and are."""
    from semcorr_cli.effects import retime

    tempos = [retime.even(partial(morph_.small, longer=retime.LOOK_SIDE), steps) for morph_ in morphs]
    out = output.current()
    out.result["unevenness"] = [[round(tempo.before, 3), round(tempo.unevenness, 3)] for tempo in tempos]
    for tempo in tempos:
        out.note(f"steps between frames differ by {100 * tempo.unevenness:.0f} %, not by {100 * tempo.before:.0f} %")
    return retime.retimed(moments, tempos)


def _check(
    images: list[str], points: str | None, only_points: bool, background: Background, film: FilmingOptions
) -> None:
    """Refuses options that contradict each other, before anything is read."""
    if len(images) < 2:
        raise UsageError("morph needs two pictures or more")
    if len(images) > 2 and (film.source_mask or film.target_mask or points):
        raise UsageError("--points and masks are for morphs of two pictures")
    if only_points and points is None:
        raise UsageError("--only-points needs --points")
    masked = film.source_mask is not None and film.target_mask is not None
    if background in (Background.PLATE, Background.TRANSPARENT) and not masked:
        raise UsageError(
            f"--background {background.value} needs to know the objects", hint="give --source-mask and --target-mask"
        )


def _usual(film: FilmingOptions) -> str:
    """Returns the suffix of what nobody named."""
    return ".gif" if film.contact_sheet is None else ".png"


def _opened(images: list[str], background: Background, film: FilmingOptions, *, transparent: bool) -> "list[Image]":
    """Reads the pictures; without their alpha where what is written has none."""
    if background is Background.TRANSPARENT and not transparent:
        raise UsageError("--background transparent needs a format that can be transparent", hint="gif, webp, png, avif")
    pictures = open_pictures(images, film)
    if transparent or all(picture.alpha is None for picture in pictures):
        return pictures
    output.current().note("the format has no transparency: flattened onto white")
    return [picture.flattened() for picture in pictures]


def _prepared(
    pair: "tuple[Image, ...]",
    field: "Correspondence | None",
    hw: tuple[int, int],
    looks: "MorphOptions",
    by_hand: "Matches | None",
    background: Background,
) -> "Transition":
    """Prepares one transition: of all that is seen, or of what the masks show, on plates or on nothing."""
    from semcorr_cli.effects.layers import Layers, cut_out
    from semcorr_cli.effects.morph import Morph

    first, second = pair
    if first.mask is None or second.mask is None or background is Background.WARP:
        return Morph(first, second, field, hw, looks, by_hand)
    if background is Background.TRANSPARENT:
        return Morph(cut_out(first), cut_out(second), field, hw, looks, by_hand, held=False)
    return Layers(first, second, field, hw, looks, by_hand)


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
