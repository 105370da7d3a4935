"""Colour maps of a coarse grid applied to a picture of any size, strip by strip."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from kornia.color import lab_to_rgb, linear_rgb_to_rgb, rgb_to_lab, rgb_to_linear_rgb
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.style.affine import Affine
from semcorr_cli.effects.style.moments import blurred
from semcorr_cli.effects.style.options import StyleOptions
from semcorr_cli.effects.style.tones import Tones

STRIP_PIXELS = 1 << 16
"""Pixels worked on at once: some tens of megabytes, whatever the picture."""

SNAP_SIDE = 512
"""Longer side of the copy on which the guided filter is fitted."""

SNAP_RADIUS = 8
"""Radius of the guided filter, in that copy's pixels."""

SNAP_FLATNESS = 1e-3
"""Variance of the guidance, in squared units of Lab / 100, below which the guided filter merely blurs."""

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of linear red, green and blue in luminance (IEC 61966-2-1)."""

FEATHER = 1.0
"""Standard deviation in pixels of the blur that softens an object's outline."""

GAMUT_SLACK = 0.5 / 255
"""Excess over sRGB that rounding to 8 bits hides."""


def recoloured(
    content: Image, maps: Affine, changed: Float[Tensor, "1 h w"] | None, *, snap: bool, tones: Tones | None = None
) -> tuple[Image, float]:
    """Returns the picture with its colours mapped, and the share of changed pixels that left sRGB and were clipped.

    Args:
        content: the picture; alpha and depth are kept.
        maps: on a grid that covers the picture.
        changed: share of the change that each pixel takes; None for all of it.
        snap: let the maps follow the picture's edges.
        tones: curves that the mapped colours are bent by.
    """
    h, w = content.hw
    grid = _guided(content, maps.planes()) if snap else maps.planes()
    enlarged = Enlarged(grid, (h, w))
    curves = None if tones is None else Enlarged(tones.planes, (h, w))
    result = torch.empty_like(content.rgb)
    clipped = 0.0
    for rows in strips(content.hw):
        original = content.rgb[:, rows]
        lab = rgb_to_lab(original)
        planes = enlarged.rows(rows)
        lab = Affine.of(_followed(planes, lab) if snap else planes).apply(lab)
        if tones is not None and curves is not None:
            lab += tones.added(curves.rows(rows), lab)
        rgb = lab_to_rgb(lab, clip=False)
        rgb, outside = fitted(rgb)
        if changed is not None:
            share = changed[:, rows]
            outside &= share[0] > 0
            rgb = torch.lerp(original, rgb, share)
        clipped += float(outside.sum())
        result[:, rows] = rgb
    pixels = h * w if changed is None else max(1.0, float((changed > 0).sum()))
    return Image(result, content.alpha, depth=content.depth), clipped / pixels


def mapped(small: Image, maps: Affine, *, snap: bool) -> Float[Tensor, "3 h w"]:
    """Returns the mapped colours of a small picture in Lab, lightness within bounds."""
    lab = rgb_to_lab(small.rgb)
    planes = Enlarged(_guided(small, maps.planes()) if snap else maps.planes(), small.hw).rows(slice(0, small.hw[0]))
    lab = Affine.of(_followed(planes, lab) if snap else planes).apply(lab)
    lab[:1].clamp_(0, 100)
    return lab


def fitted(rgb: Float[Tensor, "3 h w"]) -> tuple[Float[Tensor, "3 h w"], Bool[Tensor, "h w"]]:
    """Returns colours brought into sRGB, in place, and which of them were outside it.

    Mixed with the grey of the same luminance until they fit, in linear light: clipping the channels one by one would
    change lightness, and edges with it.
    """
    outside = ((rgb < -GAMUT_SLACK) | (rgb > 1 + GAMUT_SLACK)).any(dim=0)
    linear = rgb_to_linear_rgb(rgb[:, None, outside])[:, 0]
    grey = (linear.new_tensor(LUMINANCE) @ linear).clamp_(0, 1)
    away = linear - grey
    room = torch.where(away > 0, 1 - grey, grey) / away.abs().clamp_min(1e-6)
    rgb[:, outside] = linear_rgb_to_rgb((grey + away * room.amin(dim=0).clamp_max(1))[:, None])[:, 0]
    return rgb.clamp_(0, 1), outside


def changeable(
    content: Image, options: StyleOptions, mask: Float[Tensor, "1 h w"] | None
) -> Float[Tensor, "1 h w"] | None:
    """Returns the share of the change that each pixel takes; None for all of it everywhere.

    An object's outline is feathered inwards, so that soft masks stay as they are and nothing outside them changes.
    """
    own = content.visible() if options.background == "keep" else None
    if own is None:
        return mask
    own = torch.minimum(own, blurred(own, FEATHER))
    return own if mask is None else own * mask


def trusted(path: Warp) -> Float[Tensor, "1 h w"]:
    """Returns how far a map is to be believed, pixel by pixel: not at all below a quarter, fully from a half."""
    near = (4 * path.confidence_rows(0, path.target_hw[0]) - 1).clamp(0, 1)
    return (near * near * (3 - 2 * near))[None]


def strips(hw: Hw) -> Iterator[slice]:
    """Yields rows of a picture that are worked on at once."""
    step = max(1, STRIP_PIXELS // hw[1])
    for top in range(0, hw[0], step):
        yield slice(top, min(top + step, hw[0]))


class Enlarged:
    """Planes of a coarse grid read at a picture's full size, strip by strip."""

    def __init__(self, grid: Float[Tensor, "c g g2"], hw: Hw) -> None:
        """Takes planes whose grid covers a picture of size `hw`."""
        self._grid, self._hw = grid, hw

    def rows(self, rows: slice) -> Float[Tensor, "c h w"]:
        """Returns the rows of a strip, bilinearly; beyond the grid's outermost centres its rim is repeated."""
        grid, (height, width) = self._grid, self._hw
        y = (torch.arange(rows.start, rows.stop, device=grid.device) + 0.5) * (grid.shape[1] / height) - 0.5
        y = y.clamp(0, grid.shape[1] - 1)
        above = y.floor().long()
        below = (above + 1).clamp_max(grid.shape[1] - 1)
        # Rows first: while they are narrow, they are quickly made.
        narrow = torch.lerp(grid[:, above], grid[:, below], (y - above)[:, None])
        return functional.interpolate(narrow, size=width, mode="linear", align_corners=False)


def _guided(content: Image, planes: Float[Tensor, "c g g2"]) -> Float[Tensor, "c4 h w"]:
    """Returns planes as linear functions of the colours round about: four coefficients for each.

    The fast guided filter (He & Sun 2015): fitted on a small copy, applied to the picture's own colours by `_followed`.
    kornia's holds all coefficients at full size, gigabytes for a large picture.
    """
    small = resample.shrink(content, SNAP_SIDE)
    guide = rgb_to_lab(small.rgb) / 100
    guide_mean = _mean(guide)
    variance = _mean((guide[:, None] * guide).flatten(0, 1)).reshape(3, 3, *small.hw) - guide_mean[:, None] * guide_mean
    system = variance.permute(2, 3, 0, 1) + SNAP_FLATNESS * torch.eye(3).to(guide)
    slopes, rests = [], []
    for some in planes.split(3):  # a few at a time: their products with the guide are many
        values = functional.interpolate(some[None], size=small.hw, mode="bilinear", align_corners=False)[0]
        value_mean = _mean(values)
        shared = _mean((guide[:, None] * values).flatten(0, 1)).reshape(3, -1, *small.hw)
        shared -= guide_mean[:, None] * value_mean
        slope = torch.linalg.solve(system, shared.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
        rests.append(_mean(value_mean - (slope * guide_mean[:, None]).sum(dim=0)))
        slopes.append(_mean(slope.flatten(0, 1)).unflatten(0, (3, -1)))
    return torch.cat([torch.cat(slopes, dim=1).flatten(0, 1), *rests])


def _followed(coefficients: Float[Tensor, "c4 h w"], lab: Float[Tensor, "3 h w"]) -> Float[Tensor, "c h w"]:
    slopes, rest = coefficients.tensor_split([3 * coefficients.shape[0] // 4])
    for channel, slope in zip(lab / 100, slopes.chunk(3), strict=True):
        rest = torch.addcmul(rest, slope, channel)
    return rest


def _mean(planes: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Returns the means of the squares about each place, whatever their size by two running sums."""
    size, level = 2 * SNAP_RADIUS + 1, planes.mean(dim=(1, 2), keepdim=True)
    edges = (SNAP_RADIUS + 1, SNAP_RADIUS) * 2
    sums = functional.pad((planes - level)[None], edges, mode="replicate")[0]  # about zero, sums stay small and exact
    for dim in (1, 2):
        running = sums.cumsum(dim)
        count = running.shape[dim] - size
        sums = running.narrow(dim, size, count) - running.narrow(dim, 0, count)
    return sums / size**2 + level
