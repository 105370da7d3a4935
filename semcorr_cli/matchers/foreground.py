"""Where the object is, estimated from a picture, its features and its matches.

What looks like the picture's rim is background, in descriptors and in colours; what lies in the middle and what has
matches in the other picture is rather not (the border prior of Wei et al., "Geodesic Saliency Using Background
Priors", 2012). The estimate is cut out along the picture's own edges by GrabCut (Rother et al. 2004), which learns the
colours of both sides, and made soft along them by a guided filter (He et al. 2010).
"""

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float
from kornia.color import rgb_to_lab
from kornia.filters import guided_blur
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import resample
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image

SIDE = 256
"""Longer side of the copy that is cut."""

RIM_LOOKALIKES = 3
"""Most similar descriptors of the rim by which a cell is judged."""

RIM_COLOURS = 5
"""Most similar colours of the rim by which a cell is judged."""

CENTRE = 0.63
"""Distance from the middle, as a share of half the picture, at which the prior has fallen to e^-½."""

SHARES = (0.3, 0.25, 0.25, 0.2)
"""Say of descriptors, colours, the middle, and matches."""

SURE = (0.1, 0.85)
"""Below the first a place is background, above the second object, whatever GrabCut finds."""

ROUNDS = 3
"""Rounds of GrabCut."""

CRUMB = 0.02
"""Share of the whole cut below which one of its pieces is dropped, and a hole in it filled."""

SOFT = 3
"""Half-width in working pixels of the guided filter."""


def estimate(image: Image, features: FeatureMap, support: Float[Tensor, "h w"]) -> Float[Tensor, "1 hh ww"]:
    """Returns a soft mask of the object at the picture's size, 1 where it is.

    Args:
        image: any size.
        features: of the picture.
        support: density of its matches by cell of the features' grid, in [0, 1].
    """
    small = resample.shrink(image.flattened(), SIDE)
    hw = (small.hw[0], small.hw[1])
    guess = functional.interpolate(likeness(small, features, support)[None, None], hw, mode="bicubic")[0, 0]
    cut = torch.from_numpy(_cut(small, guess.cpu().numpy())).float()[None, None]
    soft = guided_blur(small.rgb[None].cpu(), cut, 2 * SOFT + 1, 1e-4).clamp(0, 1)
    return functional.interpolate(soft, image.hw, mode="bilinear", align_corners=False)[0].to(image.rgb)


def likeness(image: Image, features: FeatureMap, support: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Returns how likely each cell shows the object, in [0, 1]."""
    h, w = features.hw
    rim = torch.ones(h, w, dtype=torch.bool, device=features.data.device)
    rim[1:-1, 1:-1] = False
    flat = features.flat()
    nearest = (flat @ flat[rim.flatten()].T).topk(min(RIM_LOOKALIKES, int(rim.sum())), dim=1).values
    strange = _stretched(1 - nearest.mean(dim=1)).reshape(h, w).cpu()
    lab = functional.interpolate(rgb_to_lab(image.rgb[None].cpu()), (h, w), mode="area")[0].flatten(1).T
    distance = torch.cdist(lab, lab[_rim(h, w, 2).flatten()])
    vivid = _stretched(distance.topk(min(RIM_COLOURS, distance.shape[1]), dim=1, largest=False).values.mean(dim=1))
    y, x = ((torch.arange(count) + 0.5) / count * 2 - 1 for count in (h, w))
    middle = torch.exp(-0.5 * (y[:, None].square() + x[None].square()) / CENTRE**2)
    parts = (strange, vivid.reshape(h, w), middle, support.cpu())
    return sum((share * part for share, part in zip(SHARES, parts, strict=True)), torch.zeros(h, w))


def _rim(h: int, w: int, width: int) -> Bool[Tensor, "h w"]:
    rim = torch.ones(h, w, dtype=torch.bool)
    rim[width:-width, width:-width] = False
    return rim


def _stretched(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Returns values with their 5 and 95 per cent quantiles brought to 0 and 1, and what lies beyond cut off."""
    low, high = values.quantile(0.05), values.quantile(0.95)
    return ((values - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)


def _cut(image: Image, guess: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Returns 1 where the object is, by GrabCut from a guess; the guess itself where there is nothing to cut."""
    labels = np.full(guess.shape, cv2.GC_PR_BGD, np.uint8)
    labels[guess > 0.5] = cv2.GC_PR_FGD
    labels[guess < SURE[0]] = cv2.GC_BGD
    labels[guess > SURE[1]] = cv2.GC_FGD
    if 0 < int((labels & 1).sum()) < labels.size:
        pixels = (image.rgb.flip(0).permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
        cv2.setRNGSeed(0)
        background, object_ = np.zeros((1, 65)), np.zeros((1, 65))
        nowhere = (0, 0, 0, 0)
        cv2.grabCut(np.ascontiguousarray(pixels), labels, nowhere, background, object_, ROUNDS, cv2.GC_INIT_WITH_MASK)
    cut = np.bitwise_and(labels, np.uint8(1))
    whole = int(cut.sum())
    return 1 - _without_crumbs(1 - _without_crumbs(cut, whole), whole)


def _without_crumbs(cut: NDArray[np.uint8], whole: int) -> NDArray[np.uint8]:
    _, pieces, figures, _ = cv2.connectedComponentsWithStats(cut, connectivity=4)
    large = (figures[:, cv2.CC_STAT_AREA] >= CRUMB * whole).astype(np.uint8)
    large[0] = 0
    kept: NDArray[np.uint8] = large[pieces]
    return kept
