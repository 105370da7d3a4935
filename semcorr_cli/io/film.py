"""Films: what kinds there are, how one is to be written, and what takes its frames."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semcorr_cli.errors import UsageError

Frame = NDArray[np.uint8]
"""(h, w, 3) sRGB or (h, w, 4) sRGB with straight alpha."""


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """A kind of film.

    Attributes:
        container: the muxer's name.
        codec: the encoder's name.
        pixels: pixel format for opaque frames.
        pixels_alpha: pixel format for frames with alpha; None when the format has none.
        even: both sides must be even.
        loops: the file can say how often it is played.
        coarsest: largest constant rate factor; None where the encoder has none.
        loses: frames do not come back as they were, by as much as a quality says.
    """

    container: str
    codec: str
    pixels: str
    pixels_alpha: str | None
    even: bool
    loops: bool
    coarsest: int | None
    loses: bool


FORMATS = {
    ".gif": FilmFormat("gif", "gif", "pal8", "pal8", even=False, loops=True, coarsest=None, loses=False),
    ".webp": FilmFormat("webp", "libwebp", "bgra", "bgra", even=False, loops=True, coarsest=None, loses=True),
    ".png": FilmFormat("apng", "apng", "rgb24", "rgba", even=False, loops=True, coarsest=None, loses=False),
    ".apng": FilmFormat("apng", "apng", "rgb24", "rgba", even=False, loops=True, coarsest=None, loses=False),
    ".avif": FilmFormat("avif", "libsvtav1", "yuv420p", "rgba", even=True, loops=True, coarsest=63, loses=True),
    ".mp4": FilmFormat("mp4", "libx264", "yuv420p", None, even=True, loops=False, coarsest=51, loses=True),
    ".webm": FilmFormat("webm", "libvpx-vp9", "yuv420p", "yuva420p", even=True, loops=False, coarsest=63, loses=True),
}
"""Film formats by suffix; an output without a suffix is a folder of numbered frames."""

STILLS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}
"""Suffixes of the frames in a folder, and Pillow's names of their formats."""


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """How a film is written.

    Attributes:
        fps: frames a second.
        loop: how often the film is played; 0 for ever.
        quality: 0 (small) to 100 (good), for formats that lose something.
        crf: the encoder's own constant rate factor, instead of a quality.
        palette: of a GIF: "frame" for one a frame, carried from frame to frame, "global" for one in all.
        dither: of a GIF: one of `palette.DITHERS`.
        still: what the frames in a folder are; a key of `STILLS`.
        grid: columns and rows of a contact sheet, which is written instead of a film.
    """

    fps: Fraction = Fraction(25)
    loop: int = 0
    quality: int = 80
    crf: int | None = None
    palette: str = "frame"
    dither: str = "none"
    still: str = "png"
    grid: tuple[int, int] | None = None


class FrameWriter(ABC):
    """Takes frames one by one."""

    @abstractmethod
    def write(self, frame: Frame) -> None:
        """Appends a frame; all frames of a film have one shape."""

    def finish(self) -> None:  # noqa: B027 (folders have nothing to finish)
        """Writes what is still to be written once all frames are in."""

    def close(self) -> None:  # noqa: B027 (nor anything to let go of)
        """Lets go of the file, whatever has happened; after `finish` there is nothing left to do."""


def film_format(path: Path) -> FilmFormat | None:
    """Returns the format of an output's suffix; None for a folder of frames.

    Raises:
        UsageError: the suffix is not one that films are written in.
    """
    if not path.suffix:
        return None
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        known = " ".join(FORMATS)
        raise UsageError(
            f"{path} has the suffix {path.suffix!r}; films are written as {known}, or as a folder"
        ) from None
