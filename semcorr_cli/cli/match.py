"""`semcorr match`: which part of one picture is which part of the other."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semcorr_cli.cli import drawing, output, verdict
from semcorr_cli.cli.destination import Destination, default_path, destination
from semcorr_cli.cli.drawing import DRAWN, Drawing
from semcorr_cli.cli.options import OUTPUT, PairOptions, Source, Target, find_objects, open_pictures, open_session
from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from semcorr_cli.core.image import Image

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp")
DATA = (".json", ".csv", ".npz", ".flo")


def match(
    source: Source,
    target: Target,
    points: Annotated[
        str | None,
        typer.Option(help='Points of SOURCE to find in TARGET: "x,y x,y", or a JSON or CSV file.', show_default=False),
    ] = None,
    draw: Annotated[
        Drawing | None,
        typer.Option(
            help="Of a picture: lines (the default), numbered points, the whole field in colours, a heatmap of what is"
            " like the point of --points, or pca, what the features see.",
            show_default=False,
        ),
    ] = None,
    save_points: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.json",
            help="Also write pairs of points to edit, for `morph --points`.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    max_matches: Annotated[
        int | None,
        typer.Option(min=1, help="Keep the most confident matches only.", rich_help_panel=OUTPUT, show_default=False),
    ] = None,
    *,
    pair: PairOptions,
) -> None:
    """Examples:

    \b
        semcorr match cat.jpg dog.jpg -o matches.png
        semcorr match cat.jpg dog.jpg --json
        semcorr match cat.jpg dog.jpg --points "120,80 200,95" --json
        semcorr match cat.jpg dog.jpg --draw field -o field.png
        semcorr match cat.jpg dog.jpg -o flow.flo
        semcorr match cat.jpg dog.jpg -o matches.png --save-points points.json

    Finds which part of SOURCE is which part of TARGET. The suffix of -o says what is written: a picture of the matches,
    the matches (json, csv), matches and dense map (npz), or the dense map as optical flow on TARGET's pixels (flo).
    --json without -o writes no file. Points are in pixels, (0, 0) at the centre of the first one; lines and points show
    those of --points where there are any.
    """  # noqa: D301, D415 (help shows examples first; \b keeps their lines)
    from semcorr_cli.io import warps

    out = output.current()
    silent = pair.json and pair.output is None
    place = None if silent else destination(pair, default_path(source, "match", ".png"), PICTURES + DATA)
    pairs = None if save_points is None else _points_file(save_points, overwrite=pair.overwrite)
    out.say(f"matching {source} with {target}")
    images = open_pictures([source, target], pair)
    queries = None if points is None else warps.read_points(points, images[0].hw, source)
    is_picture = place is not None and place.suffix in PICTURES
    drawing.check(draw, picture=is_picture, queries=0 if queries is None else len(queries))
    session = open_session(pair)
    images = find_objects(session, images, pair)
    field = session.correspond(*images)
    out.run["cached"] = [session.cached(image) for image in images]
    verdict.report(field, pair)
    matches = field.matches if max_matches is None else field.matches.best(max_matches)
    out.result["matches"] = warps.matches_as_json(matches)
    if queries is not None:
        answers = field.forward.at(queries), field.forward.confidence_at(queries)
        out.result["points"] = warps.points_as_json(queries, *answers)
        _tell(out.result["points"], place)
    if pairs is not None:
        pairs.deliver(warps.encode_points(field, max_matches or DRAWN))
    if place is None:
        pass
    elif place.suffix in DATA:
        hw = field.warp.target_hw if place.suffix in (".npz", ".flo") else None
        place.deliver(warps.encode(field, matches, out.result, place.suffix), hw)
    else:
        picture = drawing.drawn(draw or Drawing.LINES, (images[0], images[1]), field, session, queries, max_matches)
        _write(place, picture)
    session.close()


def _points_file(path: str, *, overwrite: bool) -> Destination:
    from semcorr_cli.io import atomic

    place = Destination(Path(path), Path(path).suffix.lower(), overwrite)
    if place.suffix != ".json":
        raise UsageError(f"--save-points {path}: points are written as JSON", hint="--save-points points.json")
    atomic.check(Path(path), overwrite=overwrite)
    return place


def _write(place: Destination, picture: "Image") -> None:
    from semcorr_cli.io.images import FORMATS, encode

    content, notes = encode(picture, FORMATS[place.suffix])
    place.deliver(content, picture.hw, notes)


def _tell(points: list[dict[str, Any]], place: Destination | None) -> None:
    """Prints where the points go, as the result, unless stdout is taken."""
    if place is not None and place.path is not None:
        rows = [f"{p['source'][0]:g},{p['source'][1]:g} -> {p['target'][0]:.1f},{p['target'][1]:.1f}" for p in points]
        output.current().text("\n".join(rows))
