"""The whole field at once: the target painted like a map and carried to the source; how alike all places are to one."""

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Quality
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.overlay import colours
from semcorr_cli.effects.overlay.sheet import Marks, Sheet, finished, write

PAINT = 0.72
"""Opacity of paint where the field is fully trusted."""

DIM = 0.4
"""Brightness of the grey picture where nothing corresponds."""

MESH = 10
"""Cells of the mesh along the target's longer side."""

COLD = 0.35
"""Opacity of the heat map where nothing is alike; it grows to `PAINT`."""


def field(source: Image, target: Image, found: Correspondence) -> Image:
    """Paints every place of the target with a colour of its own, and its counterpart in the source alike.

    The colour fades to the picture in dark grey where the field is not to be trusted. A mesh laid over the target shows
    how it is bent in the source.
    """
    sheet = Sheet.of(source.hw, target.hw)
    to_target = found.forward.resized(target.hw, sheet.panels[0])
    to_source = found.warp.resized(source.hw, sheet.panels[1])
    own = coords.resize_points(coords.pixel_centres(sheet.panels[1]), sheet.panels[1], target.hw)
    places = to_target.rows(0, sheet.panels[0][0]).cpu(), own
    trust = [_trust(warp) for warp in (to_target, to_source)]
    inside = ((places[0] >= 0) & (places[0] <= coords.wh(target.hw, places[0]))).all(dim=-1)
    trust[0] = trust[0] * inside
    first, second = (
        _painted(sheet.shown(which, image), at, confidence, target.hw)
        for which, (image, at, confidence) in enumerate(zip((source, target), places, trust, strict=True))
    )
    canvas = sheet.paper(first, second)
    write(canvas, f"equal colours belong together · quality {found.quality.verdict.value}", "dark: no counterpart")
    return finished(canvas)


def heatmap(
    source: Image,
    target: Image,
    alike: Float[Tensor, "h w"],
    query: Float[Tensor, "1 2"],
    answer: Float[Tensor, "1 2"],
    quality: Quality,
) -> Image:
    """Shows how alike every place of the target is to one point of the source.

    Args:
        source: the picture that holds the point.
        target: the other picture.
        alike: cosine similarity to the point of every cell of a grid over the target.
        query: the point.
        answer: where the field sends it.
        quality: of the field.
    """
    sheet = Sheet.of(source.hw, target.hw)
    low, high = float(alike.median()), float(alike.max())
    size = sheet.panels[1]
    smooth = functional.interpolate(alike[None, None].cpu(), size=size, mode="bicubic", align_corners=False)[0, 0]
    share = ((smooth - low) / max(high - low, 1e-6)).clamp(0, 1)
    paint = colours.heat(share).permute(2, 0, 1)
    second = torch.lerp(_grey(sheet.shown(1, target)), paint, COLD + (PAINT - COLD) * share)
    canvas = sheet.paper(sheet.shown(0, source), second)
    marks = Marks(sheet)
    marks.ring(sheet.place(0, query, source.hw)[0], 10)
    marks.ring(sheet.place(1, answer, target.hw)[0], 10)
    marks.onto(canvas)
    write(
        canvas,
        f"likeness to the point · ring: its counterpart · quality {quality.verdict.value}",
        f"cosine {low:.2f} to {high:.2f}",
        _bar(),
    )
    return finished(canvas)


def _trust(warp: Warp) -> Float[Tensor, "h w"]:
    near = (4 * warp.confidence_rows(0, warp.target_hw[0]).cpu() - 0.4).clamp(0, 1)
    return near * near * (3 - 2 * near)


def _painted(
    picture: Float[Tensor, "3 h w"], places: Float[Tensor, "h w 2"], trust: Float[Tensor, "h w"], hw: Hw
) -> Float[Tensor, "3 h w"]:
    """Lays the colours of places in a picture of size `hw`, and the mesh over it, over another picture in grey."""
    grey = _grey(picture)
    paint = colours.wheel(places / coords.wh(hw, places)).permute(2, 0, 1)
    painted = torch.lerp(DIM * grey, torch.lerp(grey, paint, PAINT), trust)
    return torch.lerp(painted, 0.25 * painted, 0.6 * trust * _mesh(places * (MESH / max(hw))))


def _mesh(at: Float[Tensor, "h w 2"]) -> Float[Tensor, "h w"]:
    """Returns 1 on the lines where either coordinate is whole, one pixel wide, and 0 elsewhere."""
    lines = torch.zeros(at.shape[:2])
    for coordinate in at.unbind(-1):
        steep = _steepness(coordinate)
        away = (coordinate - coordinate.round()).abs() / steep.clamp_min(1e-6)
        lines = torch.maximum(lines, (1.2 - away).clamp(0, 1))
    return lines


def _steepness(values: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    padded = functional.pad(values[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across, down = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    return torch.hypot(across, down) / 2


def _grey(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "3 h w"]:
    weights = picture.new_tensor([0.299, 0.587, 0.114])
    return (picture * weights[:, None, None]).sum(dim=0).expand(3, -1, -1)


def _bar() -> Pillow.Image:
    values = torch.linspace(0, 1, 120).expand(14, -1)
    return Pillow.fromarray(np.ascontiguousarray((colours.heat(values) * 255).to(torch.uint8).numpy()))
