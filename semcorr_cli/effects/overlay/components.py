"""What features see: their principal components as colours."""

import torch
from jaxtyping import Float
from kornia.color import lab_to_rgb
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.quality import Quality
from semcorr_cli.effects.overlay.sheet import Sheet, finished, write

DARKEST, LIGHTEST = 22.0, 92.0
"""CIE L* of the two ends of the first component."""

REACH = (38.0, 60.0)
"""CIE a* and b* of the ends of the third and of the second component."""

DETAIL, FINE = 0.5, 15
"""How strongly the pictures' fine detail shows through, and the side in pixels of the square that it is finer than."""


def components(source: Image, target: Image, features: tuple[FeatureMap, FeatureMap], quality: Quality) -> Image:
    """Shows the first three principal components of both pictures' features together: like colours mean like features.

    The pictures' detail shows through. The first component is shown as lightness and the second from blue to yellow,
    which everybody tells apart; only the third goes from green to magenta.
    """
    sheet = Sheet.of(source.hw, target.hw)
    flats = [part.flat().double().cpu() for part in features]
    fitted = torch.cat([flat[part.cells().cpu()] for flat, part in zip(flats, features, strict=True)])
    mean, axes = _axes(fitted)
    values = (fitted - mean) @ axes.T
    low, high = values.quantile(0.01, dim=0), values.quantile(0.99, dim=0)
    panels = []
    for which, (image, flat, part) in enumerate(zip((source, target), flats, features, strict=True)):
        share = (((flat - mean) @ axes.T - low) / (high - low).clamp_min(1e-9)).float()
        grid = _three(share.T.reshape(-1, *part.hw), 0.5)
        shown = functional.interpolate(grid[None], size=sheet.panels[which], mode="bilinear", align_corners=False)[0]
        first, second, third = shown.clamp(0, 1)
        lightness = DARKEST + (LIGHTEST - DARKEST) * first
        lab = torch.stack([lightness, REACH[0] * (2 * third - 1), REACH[1] * (2 * second - 1)])
        panels.append((lab_to_rgb(lab[None])[0] + DETAIL * _detail(sheet.shown(which, image))).clamp(0, 1))
    canvas = sheet.paper(*panels)
    write(
        canvas, f"principal components of the features · quality {quality.verdict.value}", "like colours, like features"
    )
    return finished(canvas)


def principal_components(features: FeatureMap) -> Image:
    """Returns the first three principal components of a feature map as red, green and blue, at the picture's size."""
    flat = features.flat().double().cpu()
    mean, axes = _axes(flat)
    values = (flat - mean) @ axes.T
    low, high = values.quantile(0.01, dim=0), values.quantile(0.99, dim=0)
    planes = ((values - low) / (high - low).clamp_min(1e-9)).clamp(0, 1).float()
    grid = _three(planes.T.reshape(-1, *features.hw), 0.0)
    return Image(functional.interpolate(grid[None], size=features.image_hw, mode="nearest")[0])


def _axes(flat: Float[Tensor, "n c"]) -> tuple[Float[Tensor, " c"], Float[Tensor, "k c"]]:
    """Returns the mean and up to three principal axes."""
    mean = flat.mean(dim=0)
    # The sign of a component is arbitrary: the largest loading is made positive, so that every run shows the same.
    _, _, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = axes[:3]
    return mean, axes * axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()


def _detail(picture: Float[Tensor, "3 h w"]) -> Float[Tensor, "1 h w"]:
    grey = picture.mean(dim=0, keepdim=True)
    broad = functional.avg_pool2d(grey[None], FINE, 1, FINE // 2, count_include_pad=False)[0]
    return grey - broad


def _three(grid: Float[Tensor, "k h w"], filler: float) -> Float[Tensor, "3 h w"]:
    missing = 3 - grid.shape[0]
    return grid if missing == 0 else torch.cat([grid, grid.new_full((missing, *grid.shape[1:]), filler)])
