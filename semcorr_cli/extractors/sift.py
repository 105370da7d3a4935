"""Dense RootSIFT at several scales, through OpenCV; no weights.

SIFT (Lowe 2004) computed on a grid, as in SIFT flow (Liu et al. 2011), with the Hellinger normalisation of Arandjelović
& Zisserman (2012). Wide patches carry the meaning (where on the object am I), narrow ones the precision; each scale is
computed on a copy of the picture that is small enough for its patch to measure `PATCH_PIXELS` at most.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.extractors.base import Extractor, working_hw
from semcorr_cli.extractors.options import SiftOptions

PATCH_PIXELS = 48
"""Largest patch, in pixels of the copy it is computed on: bins of 12 pixels hold all the detail that pooling keeps."""

BINS = 4
"""Spatial bins along a patch's side."""

CLIP = 0.2
"""Largest share of one bin in a descriptor's norm before it is normalised again (Lowe's guard against highlights)."""

FLAT = 1e-4
"""Gradient below which a patch counts as flat: a hundredth of the smallest step of an 8-bit picture."""

BACKGROUND = 0.5
"""Grey that stands behind transparent pictures."""


class DenseSift(Extractor):
    """Dense RootSIFT descriptors, `16 × orientations × len(patches)` channels (+ 4 with a position prior)."""

    options: SiftOptions

    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the descriptors of each picture."""
        return [FeatureStack.single(dense_root_sift(image, self.options).to(self.device), image.hw) for image in images]


def dense_root_sift(image: Image, options: SiftOptions) -> Float[Tensor, "c h w"]:
    """Returns unit descriptors of a picture, on the CPU."""
    o = options
    height, width = working_hw(image.hw, o.side, o.stride)
    grid_h, grid_w = height // o.stride, width // o.stride
    colours = image.over(BACKGROUND).permute(1, 2, 0).cpu().numpy()
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2GRAY), np.float32)
    parts = [
        weight**0.5 * _scale(grey, (grid_h, grid_w), o.stride, patch, o.orientations)
        for patch, weight in zip(o.patches, o.patch_weights, strict=True)
    ]
    if o.position_prior > 0:
        row, column = np.mgrid[0:grid_h, 0:grid_w].reshape(2, -1)
        angle = np.stack([(column + 0.5) / grid_w, (row + 0.5) / grid_h]) * (np.pi / 2)
        parts.append((o.position_prior / 2) ** 0.5 * np.concatenate([np.cos(angle), np.sin(angle)]).T)
    data = torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32)).T.reshape(-1, grid_h, grid_w)
    return functional.normalize(data, dim=0).contiguous()


def _scale(
    grey: NDArray[np.float32], grid_hw: tuple[int, int], stride: int, patch: int, orientations: int
) -> NDArray[np.float32]:
    """Returns one scale's unit descriptors, (cells, 16 × orientations), for patches of `patch` working pixels.

    Equals SIFT with an upright frame but for the Gaussian window, which is constant inside a bin; pooling whole
    pictures with box filters is some forty times faster than OpenCV's descriptor at every cell.
    """
    ratio = min(1.0, PATCH_PIXELS / patch)
    h, w = (max(2, round(cells * stride * ratio)) for cells in grid_hw)
    interpolation = cv2.INTER_AREA if h < grey.shape[0] else cv2.INTER_CUBIC
    copy = cv2.resize(grey, (w, h), interpolation=interpolation)
    step = patch * ratio / BINS
    margin = int(np.ceil(patch * ratio / 2 + step)) + 1
    padded = np.asarray(cv2.copyMakeBorder(copy, margin, margin, margin, margin, cv2.BORDER_REPLICATE), np.float32)
    pooled = _pool(_orientations(padded, orientations), step)
    offsets = (np.arange(BINS) - (BINS - 1) / 2) * step
    y, x = (
        ((np.arange(n) + 0.5) * (length / n) - 0.5 + margin)[:, None] + offsets[None]
        for n, length in zip(grid_hw, (h, w), strict=True)
    )
    map_x, map_y = np.meshgrid(x.ravel().astype(np.float32), y.ravel().astype(np.float32))
    read = [
        np.atleast_3d(cv2.remap(pooled[..., k : k + 4], map_x, map_y, cv2.INTER_LINEAR))
        for k in range(0, orientations, 4)
    ]
    window = np.exp(-0.5 * ((np.arange(BINS) - (BINS - 1) / 2) / (BINS / 2)) ** 2).astype(np.float32)
    bins = np.concatenate(read, axis=2).reshape(grid_hw[0], BINS, grid_hw[1], BINS, orientations)
    bins = bins * window[:, None, None, None] * window[:, None]
    return _root_sift(bins.transpose(0, 2, 1, 3, 4).reshape(grid_hw[0] * grid_hw[1], -1))


def _orientations(grey: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Returns gradient magnitude shared between the two nearest of so many orientation bins, (h, w, count)."""
    dx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1, borderType=cv2.BORDER_REPLICATE)
    dy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1, borderType=cv2.BORDER_REPLICATE)
    magnitude, angle = cv2.cartToPolar(dx, dy)
    position = angle * (count / (2 * np.pi))
    distance = np.abs(position[..., None] - np.arange(count, dtype=np.float32))
    distance = np.minimum(distance, count - distance)
    return np.ascontiguousarray(magnitude[..., None] * np.maximum(0, 1 - distance), dtype=np.float32)


def _pool(maps: NDArray[np.float32], step: float) -> NDArray[np.float32]:
    """Returns maps pooled with a triangle of half-width `step`: linear sharing between spatial bins."""
    width = max(1, round(step))
    # A box of even width has no middle pixel: the second one leans the other way, so that nothing moves.
    first = cv2.blur(maps, (width, width), anchor=(width // 2, width // 2))
    pooled = cv2.blur(first, (width, width), anchor=((width - 1) // 2, (width - 1) // 2))
    return np.maximum(pooled, 0)  # the filter's running sums leave rounding errors below zero


def _root_sift(bins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalises rows as SIFT does, then takes the square root of their L1-normalised shares (unit L2 norm)."""
    norm = np.linalg.norm(bins, axis=1, keepdims=True)
    clipped = np.minimum(bins, CLIP * norm)
    total = clipped.sum(axis=1, keepdims=True)
    # A patch without any gradient has no direction: the same constant vector everywhere, rather than a division by 0.
    shares = np.where(total > FLAT, clipped / np.maximum(total, FLAT), 1.0 / bins.shape[1])
    return np.asarray(np.sqrt(shares), np.float32)
