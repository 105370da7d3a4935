"""`semcorr warp`: one picture redrawn in the layout of another."""

from enum import StrEnum
from typing import Annotated

import typer

from semcorr_cli.cli import output, verdict
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.match import PICTURES
from semcorr_cli.cli.options import OUTPUT, PairOptions, Source, Target, find_objects, open_pictures, open_session


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
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg, webp and avif.", rich_help_panel=OUTPUT)] = 92,
    *,
    pair: PairOptions,
) -> None:
    """Examples:

    \b
        semcorr warp cat.jpg dog.jpg -o cat-as-dog.png
        semcorr warp cat.jpg dog.jpg --strength 0.5 -o half.png
        semcorr warp cat.png dog.jpg --background target -o cat-on-dog.jpg
        semcorr warp cat.jpg dog.jpg -o - --format webp > cat.webp

    Redraws SOURCE with its parts where TARGET has them, on TARGET's canvas and at its full size. Depth (8 or 16 bits)
    and transparency are kept where the format can.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    out = output.current()
    place = destination(pair, default_path(source, "warp", ".png"), PICTURES)
    out.say(f"warping {source} to the layout of {target}")
    images = open_pictures([source, target], pair)
    session = open_session(pair)
    images = find_objects(session, images, pair)
    field = session.correspond(*images)
    out.run["cached"] = [session.cached(image) for image in images]
    verdict.report(field, pair)

    from semcorr_cli.effects.warp import WarpOptions
    from semcorr_cli.effects.warp import warp as warped
    from semcorr_cli.io.images import FORMATS, encode

    result = warped(*session.on_device(*images), field.warp, WarpOptions(strength, background.value))
    content, notes = encode(result, FORMATS[place.suffix], quality=quality)
    place.deliver(content, result.hw, notes)
    session.close()
