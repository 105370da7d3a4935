"""`warp`: the source redrawn in the target's layout, on the target's canvas."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import light, resample
from semcorr_cli.core.coords import Hw
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
    """Returns the source read through the field, on the target's canvas.

    Args:
        source: the picture that is read, at any size.
        target: the picture whose canvas is drawn on.
        field: backward map from the target's canvas to the source.
        options: how far, and what to do where there is no source.
    """
    field = field.eased(options.strength)
    keep = options.background == "keep"
    reader = resample.Reader(_planes(source, with_alpha=not keep))
    channels = 3 if keep and source.alpha is None else 4
    result = torch.empty(channels, *field.target_hw, device=source.rgb.device)
    positions, confidence = Lines(field.nodes, field.target_hw), Lines(field.confidence[..., None], field.target_hw)
    for rows, planes in reader.strips(field):
        if not keep:
            at, trust = (lines.rows(rows.start, rows.stop) for lines in (positions, confidence))
            planes = planes * _coverage(at, trust[..., 0], field.source_hw)
        result[:, rows] = planes
    if keep and source.alpha is None:
        return Image(result, depth=source.depth)
    rgb, alpha = result[:3] / result[3:].clamp_min(1e-6), result[3:]
    if options.background == "target":
        return _over(Image(rgb.clamp(0, 1), alpha), target, source.depth)
    return Image(rgb.clamp(0, 1), alpha, depth=source.depth)


def _planes(image: Image, *, with_alpha: bool) -> Float[Tensor, "c h w"]:
    """Returns premultiplied planes; with alpha where asked for, or where the picture has one."""
    visible = image.visible() if with_alpha else image.alpha
    if visible is None and with_alpha:
        visible = torch.ones_like(image.rgb[:1])
    return image.rgb if visible is None else torch.cat([image.rgb * visible, visible])


def _coverage(
    positions: Float[Tensor, "h w 2"], confidence: Float[Tensor, "h w"], source_hw: Hw
) -> Float[Tensor, "h w"]:
    """Returns how far each pixel is drawn: inside the source, and near a match, with a soft edge."""
    near = (4 * confidence - 1).clamp(0, 1)  # nothing below a quarter, all from a half
    return resample.inside(positions, source_hw) * near * near * (3 - 2 * near)


def _over(front: Image, back: Image, depth: int) -> Image:
    """Composites in linear light; the back's alpha remains where the front has none."""
    assert front.alpha is not None
    back_alpha = torch.ones_like(front.alpha) if back.alpha is None else back.alpha
    behind = back_alpha * (1 - front.alpha)
    alpha = front.alpha + behind
    linear = light.to_linear(front.rgb) * front.alpha + light.to_linear(back.rgb) * behind
    rgb = light.to_srgb((linear / alpha.clamp_min(1e-6)).clamp(0, 1))
    return Image(rgb, None if back.alpha is None else alpha, depth=depth)
