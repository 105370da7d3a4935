"""`semcorr transfer-style`: a picture in the style of another's corresponding regions."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semcorr_cli.cli import output, verdict
from semcorr_cli.cli.destination import default_path, destination
from semcorr_cli.cli.match import PICTURES
from semcorr_cli.cli.opening import find_objects, open_pictures
from semcorr_cli.cli.options import AUTO_MASK, OUTPUT, PairOptions, open_session
from semcorr_cli.cli.preview import preview_path, watching
from semcorr_cli.errors import MissingError, UsageError
from semcorr_cli.settings import Settings

if TYPE_CHECKING:
    from semcorr_cli.core.image import Image
    from semcorr_cli.effects.style.measures import Measures
    from semcorr_cli.effects.style.options import Styled

GAMUT_LIMIT = 0.05
"""Share of pixels that leave sRGB which is worth a warning."""


class Method(StrEnum):
    """How a style is transferred."""

    COLOR = "color"
    PATCH = "patch"
    DIFFUSION = "diffusion"


class Luma(StrEnum):
    """Whether lightness is part of the style."""

    KEEP = "keep"
    MATCH = "match"


class Background(StrEnum):
    """What happens outside the object."""

    CHANGE = "change"
    KEEP = "keep"


class Stats(StrEnum):
    """Which moments of colour are matched."""

    MEANSTD = "meanstd"
    COV = "cov"


def transfer_style(
    content: Annotated[
        str, typer.Argument(metavar="CONTENT", help="Picture that is restyled; - for stdin.", show_default=False)
    ],
    style: Annotated[
        str, typer.Argument(metavar="STYLE", help="Picture whose looks are taken; - for stdin.", show_default=False)
    ],
    method: Annotated[Method, typer.Option(help="What is carried over.")] = Method.COLOR,
    strength: Annotated[float, typer.Option(min=0, max=1, help="0 leaves CONTENT as it is, 1 goes all the way.")] = 1.0,
    luma: Annotated[Luma, typer.Option(help="Take STYLE's lightness too, or keep CONTENT's.")] = Luma.MATCH,
    mask: Annotated[
        str | None,
        typer.Option(help="Picture that is white where CONTENT may change.", show_default=False),
    ] = None,
    background: Annotated[
        Background,
        typer.Option(help="Outside the object (--source-mask, or what is opaque): restyle, or leave."),
    ] = Background.CHANGE,
    edge_snap: Annotated[
        bool,
        typer.Option("--edge-snap/--no-edge-snap", help="Let colour changes follow CONTENT's edges, against halos."),
    ] = True,
    stats: Annotated[Stats, typer.Option(help="Match mean and spread, or the whole covariance.")] = Stats.MEANSTD,
    steps: Annotated[int, typer.Option(min=1, max=1000, help="Of --method diffusion.")] = 200,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of jpg, webp and avif.", rich_help_panel=OUTPUT)] = 92,
    preview_every: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Seconds between previews, written beside the output while a long method works.",
            rich_help_panel=OUTPUT,
            show_default=False,
        ),
    ] = None,
    keep_preview: Annotated[
        bool, typer.Option("--keep-preview", help="Ctrl-C leaves the last preview.", rich_help_panel=OUTPUT)
    ] = False,
    *,
    pair: PairOptions,
) -> None:
    """Examples:

    \b
        semcorr transfer-style cat.jpg tiger.jpg -o tiger-cat.png
        semcorr transfer-style cat.jpg tiger.jpg --strength 0.6 --luma keep -o warmer.jpg
        semcorr transfer-style cat.jpg tiger.jpg --mask cat-mask.png -o only-the-cat.png
        semcorr transfer-style cat.jpg painting.jpg --method patch --preview-every 5 -o painted.png

    Gives every region of CONTENT the looks of the corresponding region of STYLE: eyes take the eyes' colours, fur the
    fur's, sky the sky's. `color` carries colours and contrast over; `patch` texture too, for paintings; `diffusion`
    repaints with Stable Diffusion 1.5 (pulled, or --weights diffusion=FOLDER, as diffusers saves it). CONTENT keeps its
    size, depth (8 or 16 bits) and transparency. The worse the matches, the less closely they are followed, and it says
    so: place by place, part by part, or the pictures as wholes.
    """  # noqa: D301, D415 (help shows examples first; \\b keeps their lines)
    out = output.current()
    place = destination(pair, default_path(content, "style", ".png"), PICTURES)
    glimpse = preview_path(place, preview_every, keep=keep_preview)
    folder = _painter(pair) if method is Method.DIFFUSION else None
    out.say(f"giving {content} the style of {style}")
    images = open_pictures([content, style], pair)
    if background is Background.KEEP and images[0].visible() is None and pair.source_mask != AUTO_MASK:
        raise UsageError(
            f"--background keep: nothing says what the object in {content} is",
            hint="--source-mask auto or FILE, or a transparent picture",
        )
    limits = _mask(mask, images[0], pair)
    session = open_session(pair)
    images = find_objects(session, images, pair)
    if background is Background.KEEP and images[0].visible() is None:
        out.warn(f"--background keep: no object was found in {content}; all of it is restyled")
    field = session.correspond(*images)
    out.run["cached"] = [session.cached(image) for image in images]
    verdict.report(field, pair)

    from semcorr_cli.core import resample
    from semcorr_cli.effects.style import color, measures, patch
    from semcorr_cli.effects.style.options import StyleOptions
    from semcorr_cli.io.images import FORMATS, encode

    options = StyleOptions(strength, luma.value, background.value, stats.value, edge_snap, seed=pair.seed)
    (features,) = session.working_features(images[0])
    here, there = session.on_device(*images)
    seen = resample.shrink(there, measures.SIDE)
    told: dict[str, Any] = {"features": features, "mask": None if limits is None else limits.to(session.device)}
    with watching(glimpse, preview_every or 0, keep=keep_preview) as watch:
        if method is Method.COLOR:
            styled = color.restyle(here, there, field, options, **told)
        elif method is Method.PATCH:
            styled = patch.restyle(here, there, field, options, preview=watch, **told)
        else:
            from semcorr_cli.effects.style import diffusion, network

            assert folder is not None
            networks = network.load(folder, session.device, session.dtype)
            painting = diffusion.DiffusionOptions(steps=steps)
            styled = diffusion.restyle(here, there, field, options, networks, painting, preview=watch, **told)
    del images, there  # large pictures need the room: the style is not needed for measuring, the content for encoding
    _report(styled, measures.measure(here, styled.image, seen, styled.parts, styled.changed), method)
    del here
    encoded, notes = encode(styled.image, FORMATS[place.suffix], quality=quality)
    place.deliver(encoded, styled.image.hw, notes)
    session.close()


def _painter(pair: PairOptions) -> Path:
    """Returns the folder of Stable Diffusion: the one that --weights names, or the one that was pulled.

    Raises:
        MissingError: it is not there.
    """
    from semcorr_cli import weights
    from semcorr_cli.extractors.models import models

    given = [text.partition("=")[2] for text in pair.weights or [] if text.startswith("diffusion=")]
    if given and not Path(given[-1]).is_dir():
        raise MissingError(f"there is no folder {given[-1]}", hint="semcorr models pull diffusion:sd15")
    if given:
        return Path(given[-1])
    settings, needed = Settings.from_environment(), models("sd15", "sd15-unet")
    if any(weights.missing(model, settings) for model in needed):
        raise MissingError(
            "the weights of Stable Diffusion are not on this machine",
            hint="semcorr models pull diffusion:sd15, or --weights diffusion=FOLDER",
        )
    return settings.weights / needed[0].folder


def _mask(path: str | None, content: "Image", pair: PairOptions) -> Any:
    """Reads the plane of --mask, at CONTENT's size."""
    if path is None:
        return None
    from semcorr_cli.io import images

    return images.load_mask(path, content.hw, max_pixels=pair.max_pixels)


def _report(styled: "Styled", measures: "Measures", method: Method) -> None:
    """Puts what was measured into the result and says what one should know before trusting it."""
    out = output.current()
    if styled.reach.value == "parts":
        out.warn("the matches are doubtful: whole parts are restyled alike, not place by place")
    elif styled.reach.value == "global":
        out.warn("hardly anything matches: CONTENT as a whole is given the colours of STYLE as a whole")
    if styled.gamut_share > GAMUT_LIMIT:
        out.warn(
            f"{100 * styled.gamut_share:.1f} % of the pixels left sRGB and lost saturation; --strength softens that"
        )
    out.note(
        f"distance to the style {measures.before:.2f} before, {measures.after:.2f} after ({measures.ratio:.2f} times); "
        f"structure kept {measures.gradient_correlation:.3f}"
    )
    out.result["style"] = {
        "method": method.value,
        "reach": styled.reach.value,
        "local_share": round(styled.local_share, 4),
        "distance": {
            "before": round(measures.before, 3),
            "after": round(measures.after, 3),
            "ratio": round(measures.ratio, 4),
        },
        "parts": [
            {"share": round(part.share, 4), "before": round(part.before, 3), "after": round(part.after, 3)}
            for part in measures.parts
        ],
        "gradient_correlation": round(measures.gradient_correlation, 4),
        "leak": None if measures.leak is None else round(measures.leak, 4),
        "gamut_share": round(styled.gamut_share, 6),
    }
