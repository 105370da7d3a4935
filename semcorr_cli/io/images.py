"""The image door: files to upright sRGB pictures and back, or a sentence that says why not."""

import contextlib
import hashlib
import io
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image as Pillow
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.drawing import Drawing
from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError, OutputError, UsageError
from semcorr_cli.io import atomic, colour
from semcorr_cli.io.deep import deep_planes, encode_deep, is_deep

MAX_PIXELS = 100_000_000
"""Default of `--max-pixels`."""

MIN_SIDE = 8
"""Pixels on the shorter side below which there is nothing to match."""

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".avif": "AVIF",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}
"""Suffixes that pictures are written in, and Pillow's names of the formats."""

WITH_ALPHA = {"PNG", "WEBP", "AVIF", "TIFF"}
WITH_DEPTH = {"PNG", "TIFF"}

ORIENTATION_TAG = 0x0112

# What decoders raise on damaged files; Pillow does not promise a smaller set.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)


def read_bytes(path: str) -> bytes:
    """Returns the content of a file, or of stdin for `-`.

    Raises:
        InputError: there is no such file, it is a folder, unreadable or empty.
    """
    if path == "-":
        content = sys.stdin.buffer.read()
    else:
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            raise InputError(f"there is no file {path}") from None
        except IsADirectoryError:
            raise InputError(f"{path} is a folder, not a file") from None
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if not content:
        raise InputError(f"{name_of(path)} is empty")
    return content


def name_of(path: str) -> str:
    """Returns a path as sentences name it."""
    return "stdin" if path == "-" else path


def load(path: str, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Reads a picture: upright by EXIF, converted to sRGB, alpha apart, 16 bits kept.

    Raises:
        InputError: not a picture, truncated, of an unsupported kind, too large or too small.
    """
    rgb, alpha, deep, digest, notes = _decoded(path, max_pixels)
    planes, opacity = _floats(rgb), None if alpha is None else _floats(alpha)
    if opacity is not None and float(opacity.min()) >= 1:
        opacity = None
    return Image(
        # Pixel by pixel in memory, as the file has it and as readers want it: nothing is copied.
        planes.permute(2, 0, 1),
        None if opacity is None else opacity[None],
        depth=16 if deep else 8,
        digest=digest,
        notes=tuple(notes),
    )


def _decoded(path: str, max_pixels: int) -> tuple[NDArray[Any], NDArray[Any] | None, bool, str, list[str]]:
    """Returns (h, w, 3) colours and (h, w) alpha, 8-bit or in [0, 1]; whether they have 16 bits; digest and notes."""
    content = read_bytes(path)
    with _opened(path, content, max_pixels) as picture:
        notes: list[str] = []
        deep = is_deep(picture)
        profile = picture.info.get("icc_profile")
        with _decoding(path):
            orientation = _orientation(picture, notes)
            rgb, alpha = deep_planes(content, profile, notes) if deep else _planes(picture, profile, notes)
        with contextlib.suppress(*DECODER_ERRORS):  # counting goes through all frames, sound or not
            if (count := int(getattr(picture, "n_frames", 1))) > 1:
                notes.append(f"first of {count} frames")
        turns_itself = picture.format == "TIFF"
    del picture  # large ones need the room
    if orientation in range(2, 9):
        if not turns_itself:
            rgb, alpha = _upright(rgb, orientation), None if alpha is None else _upright(alpha, orientation)
        notes.append(f"turned upright (EXIF orientation {orientation})")
    if min(rgb.shape[:2]) < MIN_SIDE:
        raise InputError(
            f"{name_of(path)} measures {rgb.shape[1]}×{rgb.shape[0]} pixels: too small to match",
            hint=f"pictures need at least {MIN_SIDE} pixels on each side",
        )
    return rgb, alpha, deep, hashlib.sha256(content).hexdigest(), notes


def load_mask(path: str, hw: Hw, *, max_pixels: int = MAX_PIXELS) -> Float[Tensor, "1 h w"]:
    """Reads a mask for a picture of size `hw`: its alpha if it has one, else its brightness; resized if need be.

    Raises:
        InputError: not a picture, or of another shape than the picture it is for.
    """
    rgb, alpha, *_ = _decoded(path, max_pixels)
    h, w = rgb.shape[:2]
    if abs(h * hw[1] - w * hw[0]) > 0.02 * h * hw[1]:
        raise InputError(f"the mask {name_of(path)} ({w}×{h}) has another shape than its picture ({hw[1]}×{hw[0]})")
    plane = None if alpha is None else _floats(alpha)[None]
    if plane is None or float(plane.min()) >= 1:
        sums: NDArray[Any] = rgb[..., 0].astype(np.uint16 if rgb.dtype == np.uint8 else np.float32)
        sums += rgb[..., 1]
        sums += rgb[..., 2]
        white = 3 * (255 if rgb.dtype == np.uint8 else 1)
        del rgb  # large ones need the room
        plane = torch.from_numpy(sums.astype(np.float32, copy=False))[None].div_(white)
    if (h, w) == hw:
        return plane
    return functional.interpolate(plane[None], size=hw, mode="bilinear", antialias=True, align_corners=False)[0]


def output_format(path: Path) -> str:
    """Returns the format of an output's suffix.

    Raises:
        UsageError: the suffix is not one that pictures are written in.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = " ".join(FORMATS)
        what = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise UsageError(f"{path} has {what}; pictures are written as {known}") from None


def save(image: Image, path: Path, *, overwrite: bool, quality: int = 92) -> list[str]:
    """Writes a picture, in the depth of the one it came from where the format can, with the sRGB profile.

    Returns:
        Notes on what the format could not keep.

    Raises:
        OutputError: the file exists or cannot be written.
        UsageError: unknown suffix.
    """
    encoded, notes = encode(image, output_format(path), quality=quality)
    with atomic.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(encoded)
    return notes


def encode(image: Image | Drawing, kind: str, *, quality: int = 92) -> tuple[bytes, list[str]]:
    """Returns a picture as the bytes of a file, and notes on what the format could not keep."""
    drawing = Drawing.of(image) if isinstance(image, Image) else image
    notes = []
    flat = drawing.alpha and kind not in WITH_ALPHA
    if flat:
        notes.append(f"{kind} has no transparency: flattened onto white")
    deep = drawing.depth == 16 and kind in WITH_DEPTH
    if drawing.depth == 16 and not deep:
        notes.append(f"{kind} has no 16-bit channels: written with 8")
    values = _codes(drawing, flat=flat, deep=deep)
    if deep:
        return encode_deep(values, kind), notes
    picture = Pillow.fromarray(values)
    del values  # of which Pillow has its own copy
    target = io.BytesIO()
    options: dict[str, object] = {"icc_profile": colour.srgb_profile()} if kind != "BMP" else {}
    if kind in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0 if quality >= 90 else 2
    try:
        picture.save(target, kind, **options)
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {drawing.hw[1]}×{drawing.hw[0]} pixels as {kind}: {error}") from error
    return target.getvalue(), notes


def to_bytes(image: Image) -> NDArray[np.uint8]:
    """Returns a picture as (h, w, 3) or (h, w, 4) 8-bit values."""
    return _codes(Drawing.of(image), flat=False, deep=False)


def _codes(drawing: Drawing, *, flat: bool, deep: bool) -> NDArray[Any]:
    """Returns the pixels as a file holds them, flattened onto white if asked to."""
    values = np.empty((*drawing.hw, 4 if drawing.alpha and not flat else 3), np.uint16 if deep else np.uint8)
    for rows, planes in drawing.strips:
        strip = planes[:3] * planes[3:] + (1 - planes[3:]) if flat else planes
        pixels = strip.permute(1, 2, 0)
        if deep:
            values[rows] = np.rint(pixels.clamp(0, 1).cpu().numpy() * 65535)
        else:
            values[rows] = pixels.mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8).cpu().numpy()
    return values


def _floats(values: NDArray[Any]) -> Float[Tensor, "..."]:
    """Returns 8-bit codes as values in [0, 1]; what is in [0, 1] already stays."""
    if values.dtype != np.uint8:
        return torch.from_numpy(np.ascontiguousarray(values))
    result = torch.empty(values.shape)
    result.numpy()[...] = values
    return result.div_(255)


@contextlib.contextmanager
def _opened(path: str, content: bytes, max_pixels: int) -> Iterator[Pillow.Image]:
    """Opens a picture without decoding it and checks its size; Pillow's own limit is replaced by ours."""
    limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # metadata oddities that do not touch the pixels
            try:
                picture = Pillow.open(io.BytesIO(content))
            except DECODER_ERRORS:
                kind = "text, not a picture" if _looks_like_text(content) else "not a picture in a format known here"
                raise InputError(f"{name_of(path)} is {kind}") from None
            width, height = picture.size
            if width * height > max_pixels:
                raise InputError(
                    f"{name_of(path)} has {width}×{height} pixels, more than the {max_pixels:,} allowed",
                    hint=f"if you trust it and have the memory: --max-pixels {width * height}",
                )
            with picture:
                yield picture
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def _decoding(path: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{name_of(path)} {error.message}", hint=error.hint) from None
    except DECODER_ERRORS as error:
        raise InputError(f"{name_of(path)} is truncated or damaged: {error}") from None
    except MemoryError:
        raise InputError(f"{name_of(path)} does not fit in memory") from None


def _looks_like_text(content: bytes) -> bool:
    try:
        return content[:512].decode("utf-8", errors="strict").isprintable() or b"\n" in content[:512]
    except UnicodeDecodeError:
        return False


def _orientation(picture: Pillow.Image, notes: list[str]) -> int:
    """Returns the EXIF orientation, 1 where there is none."""
    if picture.format == "PNG":
        picture.load()  # its EXIF data may come after the pixels
    try:
        return int(picture.getexif().get(ORIENTATION_TAG, 1))
    except DECODER_ERRORS:
        notes.append("its EXIF data could not be read and was ignored")
        return 1


def _planes(
    picture: Pillow.Image, profile: bytes | None, notes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Decodes an 8-bit picture of any mode into (h, w, 3) colours and (h, w) alpha."""
    picture.load()
    if picture.mode in ("I", "F"):
        raise InputError(
            "holds 32-bit values, which have no agreed brightness", hint="convert it to 8 or 16 bits first"
        )
    alpha = None
    if picture.has_transparency_data or picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        picture = picture.convert("RGBA")
        alpha = np.asarray(picture.getchannel("A"))
        picture = picture.convert("RGB")
    elif picture.mode not in ("L", "RGB", "CMYK"):
        notes.append(f"converted from {picture.mode} to RGB")
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    if profile:
        picture, note = colour.to_srgb(picture, profile)
        notes.extend([note] if note else [])
    elif picture.mode == "CMYK":
        notes.append("converted from CMYK without a colour profile")
    return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB")), alpha


def _upright(plane: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undoes an EXIF orientation (2 to 8) on an (h, w, …) array."""
    if orientation >= 5:
        plane = plane.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        plane = plane[:, ::-1]
    if orientation in (3, 4, 7, 8):
        plane = plane[::-1]
    return plane
