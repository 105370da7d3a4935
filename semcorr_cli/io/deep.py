"""Pictures with 16 bits a channel, which Pillow reduces to 8: read through OpenCV, written as PNG and TIFF."""

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.errors import OutputError
from semcorr_cli.io import colour

STRIP_BYTES = 1 << 20
"""Size of a TIFF's strips before they are packed."""

TIFF_TYPES = {"H": 3, "I": 4, "B": 7}
"""TIFF's numbers for 16-bit, 32-bit and uninterpreted values, by their letters in `struct`."""

# What OpenCV has to say about a damaged file is said in our own sentence.
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def is_deep(picture: Pillow.Image) -> bool:
    """Tells whether a file just opened holds 16-bit channels; once it is decoded, Pillow has forgotten."""
    return picture.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in getattr(picture, "tile", []))


def deep_planes(
    content: bytes, profile: bytes | None, notes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Decodes a 16-bit picture into (h, w, 3) colours and (h, w) alpha, both in [0, 1]."""
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise OSError("its 16-bit data cannot be decoded")
    if decoded.ndim == 2:
        decoded = np.repeat(decoded[..., None], 3, axis=2)
    white = np.float32(255 if decoded.dtype == np.uint8 else 65535)
    # No array but the result is large: pictures may be.
    rgb = np.empty((*decoded.shape[:2], 3), np.float32)
    for channel in range(3):
        np.divide(decoded[..., 2 - channel], white, out=rgb[..., channel], dtype=np.float32)
    alpha = np.divide(decoded[..., 3], white, dtype=np.float32) if decoded.shape[2] == 4 else None
    del decoded
    if profile:
        rgb, note = colour.deep_to_srgb(rgb, profile)
        notes.extend([note] if note else [])
    return rgb, alpha


def encode_deep(values: NDArray[np.uint16], kind: str) -> bytes:
    """Returns (h, w, 3 or 4) values as the bytes of a 16-bit "PNG" or "TIFF"; the array is used up."""
    return _png(values) if kind == "PNG" else _tiff(values)


def _png(values: NDArray[np.uint16]) -> bytes:
    for row in values:  # as OpenCV wants it, in place: the picture may be large
        row[:, :3] = row[:, 2::-1].copy()
    ok, encoded = cv2.imencode(".png", values)
    if not ok:
        raise OutputError(f"cannot write {values.shape[1]}×{values.shape[0]} pixels as 16-bit PNG")
    png = encoded.tobytes()
    # OpenCV writes no profile: an iCCP chunk goes behind the header.
    body = b"iCCP" + b"sRGB\x00\x00" + zlib.compress(colour.srgb_profile())
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    header = 8 + 25  # signature, then IHDR: length, name, 13 bytes, checksum
    return png[:header] + chunk + png[header:]


def _tiff(values: NDArray[np.uint16]) -> bytes:
    """Writes the file by hand, since OpenCV marks neither the profile nor what the fourth channel is."""
    h, w, channels = values.shape
    steps = values.astype("<u2")
    steps[:, 1:] -= values[:, :-1]
    rows = max(1, STRIP_BYTES // (2 * w * channels))
    strips = [zlib.compress(steps[top : top + rows].tobytes()) for top in range(0, h, rows)]
    starts = np.cumsum([8, *(len(strip) for strip in strips)]).tolist()
    fields = [
        (256, "I", [w]),
        (257, "I", [h]),
        (258, "H", [16] * channels),
        (259, "H", [8]),  # Deflate
        (262, "H", [2]),  # RGB
        (273, "I", starts[:-1]),
        (277, "H", [channels]),
        (278, "I", [rows]),
        (279, "I", [len(strip) for strip in strips]),
        (284, "H", [1]),  # channels lie together
        (317, "H", [2]),  # differences to the pixel on the left
        *([(338, "H", [2])] if channels == 4 else []),  # straight alpha
        (34675, "B", list(colour.srgb_profile())),
    ]
    data = b"".join(strips)
    table, extra = struct.pack("<H", len(fields)), b""
    index = 8 + len(data) + len(data) % 2
    after = index + len(table) + 12 * len(fields) + 4
    for tag, letter, content in fields:
        packed = struct.pack(f"<{len(content)}{letter}", *content)
        if len(packed) > 4:
            place = struct.pack("<I", after + len(extra))
            extra += packed + bytes(len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, TIFF_TYPES[letter], len(content)) + place
    return struct.pack("<2sHI", b"II", 42, index) + data + bytes(len(data) % 2) + table + bytes(4) + extra
