"""sRGB and linear light (IEC 61966-2-1): pictures are blended in linear light, or their middles come out dim."""

import functools

import cv2
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from semcorr_cli.core import processor

ENCODE_STEPS = 1 << 16
"""Entries of the encoding table: as many as OpenCV's tables have, and 8-bit values come back unchanged."""


def to_linear(srgb: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Decodes sRGB values in [0, 1] to linear light."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Encodes linear light in [0, 1] as sRGB."""
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def to_srgb_bytes(linear: Float[Tensor, "*rows n"]) -> UInt8[Tensor, "*rows n"]:
    """Encodes linear light as 8-bit sRGB through a table, for frames by the hundred; values are cut to [0, 1]."""
    table = _table(linear.device)
    if processor.holds(linear):
        rows = linear.contiguous().reshape(len(linear), -1).numpy()
        # Rounded and cut on the way.
        codes = cv2.multiply(rows, ENCODE_STEPS - 1, dtype=cv2.CV_16U)  # type: ignore[call-overload]
        return torch.from_numpy(cv2.LUT(codes, table.numpy())).reshape(linear.shape)
    index = linear.mul(ENCODE_STEPS - 1).add_(0.5).clamp_(0, ENCODE_STEPS - 1)
    # Flat and by rows: several times as fast as indexing the table with a picture.
    return table.index_select(0, index.to(torch.int32).reshape(-1)).reshape(linear.shape)


@functools.cache
def _table(device: torch.device) -> UInt8[Tensor, " n"]:
    values = torch.linspace(0, 1, ENCODE_STEPS, dtype=torch.float64)
    return (to_srgb(values) * 255 + 0.5).to(torch.uint8).to(device)
