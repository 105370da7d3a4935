"""`warp`: the source redrawn in the target's layout, on the target's canvas."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import light, resample
from semcorr_cli.core.backdrop import Backdrop
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.drawing import Drawing, Strip
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Lines, Warp

BACKGROUNDS = ("keep", "transparent", "target")


@dataclass(frozen=True, slots=True)
class WarpOptions:
    """How a picture is warped.

    Attributes:
        strength: 0 only resizes the source to the canvas, 1 follows the correspondence all the way.
        background: "keep" draws the source everywhere and repeats its rim where the map leaves it; "transparent" and
            "target" show nothing, or the target, where the map leaves the source or its mask, or has no match near.
    """

    strength: float = 1.0
    background: str = "keep"


def warp(source: Image, target: Image, field: Warp, options: WarpOptions) -> Image:
    """Returns the source read through the field, on the target's canvas; see `draw`."""
    return draw(source, target, field, options).image()


def draw(source: Image, target: Image, field: Warp, options: WarpOptions, behind: Backdrop | None = None) -> Drawing:
    """Draws the source read through the field, a few rows at a time.

    Args:
        source: the picture that is read, at any size.
        target: the picture whose canvas is drawn on, or a larger copy; looked at only where it is the background.
        field: backward map from the target's canvas to the source.
        options: how far, and what to do where there is no source.
        behind: what to look at in place of the target; of the canvas's size.
    """
    if behind is None and options.background == "target":
        target = resample.shrink(target, max(field.target_hw))
    has_alpha = {
        "keep": source.alpha is not None,
        "transparent": True,
        "target": target.alpha is not None if behind is None else behind.has_alpha,
    }[options.background]
    strips = _strips(source, target if behind is None else behind, field.eased(options.strength), options.background)
    return Drawing(field.target_hw, has_alpha, source.depth, strips)


def _strips(source: Image, target: Image | Backdrop, field: Warp, background: str) -> Iterator[Strip]:
    visible = source.alpha if background == "keep" else source.visible()
    reader = resample.Reader(source.rgb, cover=visible)
    positions, confidence = Lines(field.nodes, field.target_hw), Lines(field.confidence[..., None], field.target_hw)
    for rows, planes in reader.strips(field):
        if visible is None and background == "keep":
            yield rows, planes
            continue
        alpha = torch.ones_like(planes[:1]) if visible is None else planes[3:]
        rgb = planes[:3] if visible is None else (planes[:3] / alpha.clamp_min(1e-6)).clamp(0, 1)
        if background != "keep":
            at, trust = (lines.rows(rows.start, rows.stop) for lines in (positions, confidence))
            alpha = alpha * _coverage(at, trust[..., 0], field.source_hw)
        if background == "target":
            yield rows, _over(rgb, alpha, *_behind(target, rows, rgb))
        else:
            yield rows, torch.cat([rgb, alpha])


def _behind(
    target: Image | Backdrop, rows: slice, like: Tensor
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "1 h w"] | None]:
    if isinstance(target, Backdrop):
        return target.rows(rows, like)
    return target.rgb[:, rows], None if target.alpha is None else target.alpha[:, rows]


def _coverage(
    positions: Float[Tensor, "h w 2"], confidence: Float[Tensor, "h w"], source_hw: Hw
) -> Float[Tensor, "h w"]:
    """Returns how far each pixel is drawn: inside the source, and near a match, with a soft edge."""
    near = (4 * confidence - 1).clamp(0, 1)  # nothing below a quarter, all from a half
    return resample.inside(positions, source_hw) * near * near * (3 - 2 * near)


def _over(
    front: Float[Tensor, "3 h w"],
    alpha: Float[Tensor, "1 h w"],
    back: Float[Tensor, "3 h w"],
    back_alpha: Float[Tensor, "1 h w"] | None,
) -> Float[Tensor, "c h w"]:
    """Composites in linear light; the back's alpha remains where the front has none."""
    behind = 1 - alpha if back_alpha is None else back_alpha * (1 - alpha)
    all_ = alpha + behind
    linear = light.to_linear(front) * alpha + light.to_linear(back) * behind
    rgb = light.to_srgb((linear / all_.clamp_min(1e-6)).clamp(0, 1))
    return rgb if back_alpha is None else torch.cat([rgb, all_])
