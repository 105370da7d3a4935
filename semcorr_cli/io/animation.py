"""Films: frames are handed to an encoder one by one and forgotten, so memory does not grow with their number."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray
from PIL import Image as Pillow

from semcorr_cli.core.coords import Hw
from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.io import atomic, colour
from semcorr_cli.io.palette import Palette

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
    """

    container: str
    codec: str
    pixels: str
    pixels_alpha: str | None
    even: bool
    loops: bool


FORMATS = {
    ".gif": FilmFormat("gif", "gif", "pal8", "pal8", even=False, loops=True),
    ".webp": FilmFormat("webp", "libwebp_anim", "bgra", "bgra", even=False, loops=True),
    ".png": FilmFormat("apng", "apng", "rgb24", "rgba", even=False, loops=True),
    ".apng": FilmFormat("apng", "apng", "rgb24", "rgba", even=False, loops=True),
    ".avif": FilmFormat("avif", "libsvtav1", "yuv420p", None, even=True, loops=True),
    ".mp4": FilmFormat("mp4", "libx264", "yuv420p", None, even=True, loops=False),
    ".webm": FilmFormat("webm", "libvpx-vp9", "yuv420p", "yuva420p", even=True, loops=False),
}
"""Film formats by suffix; an output without a suffix is a folder of numbered PNG frames."""


@dataclass(frozen=True, slots=True)
class FilmOptions:
    """How a film is written.

    Attributes:
        fps: frames a second.
        loop: how often the film is played; 0 for ever.
        quality: 0 (small) to 100 (good), for formats that lose something.
    """

    fps: Fraction = Fraction(25)
    loop: int = 0
    quality: int = 80


class FrameWriter(ABC):
    """Takes frames one by one."""

    @abstractmethod
    def write(self, frame: Frame) -> None:
        """Appends a frame; all frames of a film have one shape."""


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


@contextlib.contextmanager
def writing(path: Path, hw: Hw, options: FilmOptions, *, alpha: bool, overwrite: bool) -> Iterator[FrameWriter]:
    """Opens a film or a folder of frames for writing; it appears when all frames are in, or not at all.

    Args:
        path: the suffix decides the format; no suffix means a folder.
        hw: size of every frame; even for the formats that need it.
        options: pace, loops and quality.
        alpha: frames have four channels.
        overwrite: an existing output may be replaced.

    Raises:
        OutputError: the output exists or cannot be written.
        UsageError: unknown suffix.
    """
    kind = film_format(path)
    if kind is None:
        with atomic.replacing_folder(path, overwrite=overwrite) as folder:
            yield _Folder(folder)
        return
    with atomic.replacing(path, overwrite=overwrite) as temporary:
        writer = _Encoder(temporary, kind, hw, options, alpha=alpha and kind.pixels_alpha is not None)
        try:
            yield writer
            writer.finish()
        except av.error.FFmpegError as error:
            raise _explained(path, error) from error
        finally:
            writer.close()


class _Folder(FrameWriter):
    """Numbered PNG frames."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    def write(self, frame: Frame) -> None:
        path = self._folder / f"frame_{self._count:05d}.png"
        Pillow.fromarray(frame).save(path, compress_level=3, icc_profile=colour.srgb_profile())
        self._count += 1


class _Encoder(FrameWriter):
    """One video stream through PyAV."""

    def __init__(self, path: Path, kind: FilmFormat, hw: Hw, options: FilmOptions, *, alpha: bool) -> None:
        self._kind = kind
        self._alpha = alpha
        self._palette = Palette()
        self._count = 0
        self._fps = options.fps
        self._container = av.open(str(path), "w", format=kind.container, options=_container_options(kind, options))
        stream: Any = self._container.add_stream(kind.codec, rate=options.fps, options=_codec_options(kind, options))
        stream.height, stream.width = hw
        stream.pix_fmt = kind.pixels_alpha if alpha else kind.pixels
        stream.codec_context.time_base = 1 / options.fps
        if stream.pix_fmt.startswith("yuv"):
            context = stream.codec_context
            context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
            context.color_range = 1  # limited
        self._stream = stream

    def write(self, frame: Frame) -> None:
        if frame.shape[2] == 4 and not self._alpha:
            raise ValueError("frames with alpha handed to a film without")
        picture = self._picture(frame)
        picture.pts = self._count
        picture.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(picture))
        self._count += 1

    def finish(self) -> None:
        """Hands over what the encoder has kept back."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Lets go of the file; after `finish` there is nothing left to do."""
        with contextlib.suppress(av.error.FFmpegError):
            self._container.close()

    def _picture(self, frame: Frame) -> av.VideoFrame:
        if self._stream.pix_fmt == "pal8":
            indexed: Any = self._palette.map(frame)  # PyAV takes the pair, its annotations do not
            return av.VideoFrame.from_ndarray(indexed, format="pal8")
        layout = "rgba" if frame.shape[2] == 4 else "rgb24"
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format=layout)
        if self._stream.pix_fmt == layout:
            return picture
        if self._stream.pix_fmt.startswith("yuv"):
            return picture.reformat(format=self._stream.pix_fmt, dst_colorspace=Colorspace.ITU709)
        return picture.reformat(format=self._stream.pix_fmt)


def _container_options(kind: FilmFormat, options: FilmOptions) -> dict[str, str]:
    if kind.container == "mp4":
        return {"movflags": "+faststart"}
    if kind.container == "apng":
        return {"plays": str(options.loop)}
    if kind.container == "gif":  # counts repetitions: −1 for none
        return {"loop": str({0: 0, 1: -1}.get(options.loop, options.loop - 1))}
    return {"loop": str(options.loop)} if kind.loops else {}


def _codec_options(kind: FilmFormat, options: FilmOptions) -> dict[str, str]:
    share = options.quality / 100
    if kind.codec == "libx264":
        return {"crf": str(round(34 - 20 * share)), "preset": "medium"}
    if kind.codec == "libvpx-vp9":
        return {"crf": str(round(55 - 35 * share)), "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if kind.codec == "libsvtav1":
        return {"crf": str(round(55 - 35 * share)), "preset": "8", "svtav1-params": "logical-processors=0"}
    if kind.codec == "libwebp_anim":
        return {"quality": str(options.quality), "compression_level": "4"}
    if kind.codec == "apng":
        return {"pred": "mixed"}
    return {}


def _explained(path: Path, error: av.error.FFmpegError) -> OutputError:
    """Turns an encoder's failure into a sentence; a full disk is an OSError and explained where files are moved."""
    if isinstance(error, OSError) and error.errno == 28:
        return OutputError(f"cannot write {path}: the disk is full", hint="free some space or write elsewhere")
    return OutputError(f"cannot write {path}: {error}")
