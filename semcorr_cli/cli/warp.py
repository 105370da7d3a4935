"""`semcorr warp`: one picture redrawn in the layout of another."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from semcorr_cli.cli import output, verdict
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.match import PICTURES
from semcorr_cli.cli.opening import find_objects, open_pictures
from semcorr_cli.cli.options import OUTPUT, PairOptions, Source, Target, open_session
from semcorr_cli.cli.preview import PREVIEW_SIDE, reduced
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.core.backdrop import Backdrop
    from semcorr_cli.core.correspondence import Correspondence
    from semcorr_cli.core.image import Image
    from semcorr_cli.core.warp import Warp
    from semcorr_cli.session import Session

LARGE = 16_000_000
"""Pixels from which a target is reduced, or kept in fewer bits, before the source is read: both would fill memory."""

MISSED = 1.0
"""Pixels by which a point set by hand may be missed before it is told."""


class Background(StrEnum):
    """What is drawn where the source has nothing to say."""

    KEEP = "keep"
    TRANSPARENT = "transparent"
    TARGET = "target"


def warp(
    source: Source,
    target: Target,
    strength: Annotated[
        float, typer.Option(min=0, max=1, help="0 only resizes SOURCE to TARGET's canvas, 1 goes all the way.")
    ] = 1.0,
    background: Annotated[
        Background, typer.Option(help="Where SOURCE has no counterpart: its own surroundings, nothing, or TARGET.")
    ] = Background.KEEP,
    points: Annotated[
        str | None,
        typer.Option(
            help="JSON or CSV file of point pairs of SOURCE and TARGET that must meet exactly.", show_default=False
        ),
    ] = None,
    only_points: Annotated[
        bool, typer.Option("--only-points", help="Use the pairs of --points alone; nothing is matched.")
    ] = False,
    preview: Annotated[
        bool,
        typer.Option(
            "--preview",
            help=f"Draw it at {PREVIEW_SIDE} pixels at most, to try options quickly.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg, webp and avif.", rich_help_panel=OUTPUT)] = 92,
    *,
    pair: PairOptions,
) -> None:
    """Examples:

    \b
        semcorr warp cat.jpg dog.jpg -o cat-as-dog.png
        semcorr warp cat.jpg dog.jpg --strength 0.5 -o half.png
        semcorr warp cat.png dog.jpg --background target -o cat-on-dog.jpg
        semcorr warp cat.jpg dog.jpg --points pairs.json --preview -o try.png
        semcorr warp cat.jpg dog.jpg -o - --format webp > cat.webp

    Redraws SOURCE with its parts where TARGET has them, on TARGET's canvas and at its full size. Depth (8 or 16 bits)
    and transparency are kept where the format can. Pairs of points set by hand (`match --save-points` writes some to
    edit) are met exactly; matches say what happens elsewhere.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    if only_points and points is None:
        raise UsageError("--only-points needs --points")
    out = output.current()
    place = destination(pair, default_path(source, "warp", ".png"), PICTURES)
    out.say(f"warping {source} to the layout of {target}")
    session = open_session(pair)
    images, canvas, behind = _opened([source, target], session, pair, background, preview=preview)
    images = find_objects(session, images, pair)

    from semcorr_cli.effects.warp import WarpOptions, draw
    from semcorr_cli.io.images import FORMATS, encode

    field = None
    if not only_points:
        field = session.correspond(*images)
        out.run["cached"] = [session.cached(image) for image in images]
        verdict.report(field, pair)
    drawn_hw = reduced(canvas, wanted=preview)
    map_ = _map(field, points, images[0].hw, canvas)
    if map_.target_hw != drawn_hw:
        map_ = map_.resized(map_.source_hw, drawn_hw)
    drawing = draw(*session.on_device(*images), map_, WarpOptions(strength, background.value), behind)
    del images  # large pictures need the room to be encoded
    content, notes = encode(drawing, FORMATS[place.suffix], quality=quality)
    place.deliver(content, drawing.hw, notes)
    session.close()


def _opened(
    paths: list[str], session: "Session", pair: PairOptions, background: Background, *, preview: bool
) -> "tuple[list[Image], tuple[int, int], Backdrop | None]":
    """Reads both pictures, of a large target only a small copy; returns its size, and the whole if it is to be seen."""
    from semcorr_cli.core import resample
    from semcorr_cli.core.backdrop import Backdrop

    sizes, behind = [], []

    def kept(target: "Image") -> "Image":
        sizes.append(target.hw)
        if target.hw[0] * target.hw[1] <= LARGE:
            return target
        if background is Background.TARGET:
            behind.append(Backdrop.of(resample.shrink(target, max(reduced(target.hw, wanted=preview)))))
        return session.working(target)

    images = open_pictures(paths, pair, aside=kept)
    return images, sizes[0], behind[0] if behind else None


def _map(
    field: "Correspondence | None", points: str | None, source_hw: tuple[int, int], canvas: tuple[int, int]
) -> "Warp":
    """Returns the map onto the canvas: the matches', steered by points set by hand if there are any."""
    if points is None:
        assert field is not None
        return field.warp if field.warp.target_hw == canvas else field.warp.resized(source_hw, canvas)

    from semcorr_cli.effects.steer import steered
    from semcorr_cli.io import warps

    by_hand = warps.read_pairs(points, source_hw, canvas)
    if field is not None:
        by_hand = by_hand.resized(source_hw, field.warp.target_hw)
    map_, misfit = steered(field, by_hand)
    out = output.current()
    scale = max(canvas) / max(map_.target_hw)
    missed = [scale * pixels for pixels in misfit.missed]
    out.result.update(points_missed=[round(pixels, 2) for pixels in missed], folded=round(misfit.fold_share, 6))
    for number, pixels in enumerate(missed, start=1):
        if pixels > MISSED:
            out.warn(f"pair {number} of --points is missed by {pixels:.0f} pixels: it contradicts the others")
    if misfit.fold_share:
        out.warn(f"the picture folds over itself on {100 * misfit.fold_share:.1f} %: points cross each other")
    return map_ if map_.target_hw == canvas else map_.resized(source_hw, canvas)
