"""Files and colour profiles made by hand, where no library writes what a test needs."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semcorr_cli.io import colour

GREY, RGB, GREY_ALPHA, RGBA = 0, 2, 4, 6
"""Colour types of PNG."""

CHANNELS = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(pixels: NDArray[np.uint8 | np.uint16], kind: int, *extra: bytes, hw: tuple[int, int] | None = None) -> bytes:
    """Returns a PNG of (h, w, channels) values; `hw` may claim another size than there are pixels for."""
    height, width = hw or pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, kind, 0, 0, 0)
    big_endian = pixels.astype(pixels.dtype.newbyteorder(">"))
    rows = b"".join(b"\0" + row.tobytes() for row in big_endian)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def icc_chunk(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


def exchanged_profile() -> bytes:
    """Returns sRGB with red and green in each other's place: what it calls red, we call green."""
    profile = colour.srgb_profile()
    for first, second in ((b"rXYZ", b"gXYZ"), (b"rTRC", b"gTRC")):
        profile = profile.replace(first, b"----", 1).replace(second, first, 1).replace(b"----", second, 1)
    return profile.replace("sRGB".encode("utf-16-be"), "aRGB".encode("utf-16-be"))


def ink_profile() -> bytes:
    """Returns a profile of inks in which paper is white, cyan alone a middle grey (L* = 50), and all else black."""
    nodes = np.zeros((2, 2, 2, 2, 3), np.uint8)
    nodes[..., 1:] = 128  # a* = b* = 0
    nodes[0, 0, 0, 0, 0], nodes[1, 0, 0, 0, 0] = 255, 128
    ramp = bytes(range(256))
    identity = struct.pack(">9i", *(0x10000 * value for value in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * ramp + nodes.tobytes() + 3 * ramp
    name = b"Four inks\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": table,
    }
    index, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        index += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    size = 128 + len(index) + len(body)
    date = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02100000, b"prtr", b"CMYK", b"Lab ") + date + b"acsp"
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + index + body


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)
