"""What `match` draws: which picture of a correspondence, and what goes into it."""

from enum import StrEnum
from typing import TYPE_CHECKING

from semcorr_cli.errors import UsageError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from semcorr_cli.core.correspondence import Correspondence
    from semcorr_cli.core.image import Image
    from semcorr_cli.core.matches import Matches
    from semcorr_cli.session import Session

    Pair = tuple[Image, Image]

DRAWN = 40
"""Matches drawn in a picture unless told otherwise; more are a thicket."""


class Drawing(StrEnum):
    """Pictures of a correspondence."""

    LINES = "lines"
    POINTS = "points"
    FIELD = "field"
    HEATMAP = "heatmap"
    PCA = "pca"


def check(draw: Drawing | None, *, picture: bool, queries: int) -> None:
    """Refuses what cannot be drawn, before any work.

    Raises:
        UsageError: nothing is drawn at all, or a heat map of more or fewer points than one.
    """
    if draw is not None and not picture:
        raise UsageError("--draw needs a picture to draw in", hint="-o matches.png")
    if draw is Drawing.HEATMAP and queries != 1:
        raise UsageError("--draw heatmap shows what is like one point", hint='--points "120,80"')


def drawn(
    draw: Drawing,
    images: "Pair",
    field: "Correspondence",
    session: "Session",
    queries: "Float[Tensor, 'n 2'] | None",
    count: int | None,
) -> "Image":
    """Draws a correspondence.

    Args:
        draw: how.
        images: source and target.
        field: what was found.
        session: that found it.
        queries: points of the source to show instead of matches; None for matches.
        count: matches to show at most; None for `DRAWN`.
    """
    from semcorr_cli.effects import overlay

    if draw is Drawing.FIELD:
        return overlay.field(*images, field)
    if draw is Drawing.HEATMAP and queries is not None:
        return _heatmap(images, field, session, queries)
    if draw is Drawing.PCA:
        first, second = session.working_features(*images)
        return overlay.components(*images, (first, second), field.quality)
    marks = field.matches.spread(count or DRAWN) if queries is None else asked(field, queries)
    return (overlay.numbered if draw is Drawing.POINTS else overlay.side_by_side)(*images, marks, field.quality)


def asked(field: "Correspondence", queries: "Float[Tensor, 'n 2']") -> "Matches":
    """Returns points of the source with where the field sends them."""
    from semcorr_cli.core.matches import Matches

    hws = field.forward.target_hw, field.forward.source_hw
    return Matches(queries, field.forward.at(queries), field.forward.confidence_at(queries), *hws)


def _heatmap(images: "Pair", field: "Correspondence", session: "Session", queries: "Float[Tensor, '1 2']") -> "Image":
    from semcorr_cli.core import coords
    from semcorr_cli.effects import overlay

    # The source is described as it was matched: mirrored, if it matches better so.
    shown, at = images[0], queries
    if field.pose.mirrored:
        shown, at = shown.mirrored(), coords.mirror_points(at, shown.hw)
    here, there = session.working_features(shown, images[1])
    query = here.at(coords.resize_points(at, shown.hw, here.image_hw).to(here.data))[0]
    alike = (query @ there.flat().T).reshape(there.hw).float().cpu()
    return overlay.heatmap(*images, alike, queries, field.forward.at(queries), field.quality)
