"""ICC profiles: anything to sRGB on the way in, the sRGB profile on the way out."""

import functools
import io

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms
from torch.nn import functional

LATTICE = 33
"""Nodes along each side of the table that carries 16-bit colours, which the colour engine takes only as 8-bit."""


@functools.cache
def srgb_profile() -> bytes:
    """Returns an sRGB profile, the same bytes on every run."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    created = bytes([0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])  # the header's date: 1 January 2000
    return profile[:24] + created + profile[36:]


def to_srgb(picture: Pillow.Image, profile: bytes) -> tuple[Pillow.Image, str | None]:
    """Returns an L, RGB or CMYK picture as RGB in sRGB, and a note saying what was done; None when nothing was."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = ImageCms.getProfileDescription(source).strip()
        if "srgb" in name.lower() and picture.mode == "RGB":
            return picture, None
        converted = ImageCms.profileToProfile(picture, source, _srgb(), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture.convert("RGB"), "its colour profile could not be used and was ignored"
    if converted is None:
        return picture.convert("RGB"), "its colour profile could not be used and was ignored"
    return converted, f"converted from {name} to sRGB"


def deep_to_srgb(rgb: NDArray[np.float32], profile: bytes) -> tuple[NDArray[np.float32], str | None]:
    """Does the same for (h, w, 3) colours in [0, 1] with more than 8 bits, through an interpolated table."""
    axis = np.linspace(0, 255, LATTICE)
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(LATTICE, -1, 3)
    table, note = to_srgb(Pillow.fromarray(np.rint(nodes).astype(np.uint8)), profile)
    if note is None or "converted" not in note:
        return rgb, note
    # What is interpolated is the change, so that colours which the conversion leaves alone keep all their bits.
    change = (
        np.asarray(table, np.float32).reshape(LATTICE, LATTICE, LATTICE, 3) / 255
        - nodes.reshape(LATTICE, LATTICE, LATTICE, 3).astype(np.float32) / 255
    )
    grid = torch.from_numpy(rgb[..., ::-1].copy())[None, None] * 2 - 1
    volume = torch.from_numpy(change).permute(3, 0, 1, 2)[None]
    moved = functional.grid_sample(volume, grid, align_corners=True, padding_mode="border")[0, :, 0]
    return np.clip(rgb + moved.permute(1, 2, 0).numpy(), 0, 1), note


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
