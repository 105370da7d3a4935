"""One video stream through PyAV."""

import contextlib
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace

from semcorr_cli.core.coords import Hw
from semcorr_cli.io.film import FilmFormat, FilmOptions, Frame, FrameWriter
from semcorr_cli.io.palette import Palette

ANMF_FLAGS, NO_BLENDING = 15, 2
"""Where a WebP frame says how it is laid on the last one, and how it says not at all."""


class Encoder(FrameWriter):
    """Hands frames to an encoder, and what comes out of it to a container."""

    def __init__(
        self, path: Path, kind: FilmFormat, hw: Hw, options: FilmOptions, *, alpha: bool, palette: Palette
    ) -> None:
        """Opens the file.

        Args:
            path: is written to.
            kind: of film.
            hw: size of every frame.
            options: how.
            alpha: frames have four channels and the format keeps the fourth.
            palette: reduces frames to 256 colours where the format needs it.
        """
        # Each WebP frame is a picture of its own: FFmpeg's encoder of WebP films adds up errors from frame to frame.
        self._is_webp = kind.codec == "libwebp"
        self._path = path
        self._alpha = alpha
        self._last: Frame | None = None
        self._is_held = False
        self._palette = palette
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
        """Appends a frame."""
        if frame.shape[2] == 4 and not self._alpha:
            raise ValueError("frames with alpha handed to a film without")
        self._is_held = self._is_webp and frame is self._last
        if not self._is_held:  # what is held is shown for longer
            self._encode(frame, self._count)
        self._count += 1

    def finish(self) -> None:
        """Hands over what the encoder has kept back."""
        if self._is_held and self._last is not None:
            self._encode(self._last, self._count - 1)
        self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._is_webp:
            _replacing_each_other(self._path)

    def close(self) -> None:
        """Lets go of the file."""
        with contextlib.suppress(av.error.FFmpegError):
            self._container.close()

    def _encode(self, frame: Frame, number: int) -> None:
        picture = self._picture(frame)
        picture.pts = number
        picture.time_base = 1 / self._fps
        self._container.mux(self._stream.encode(picture))
        self._last = frame if self._is_webp else None

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
        return {"crf": _rate(options, 34 - 20 * share), "preset": "medium"}
    if kind.codec == "libvpx-vp9":
        return {"crf": _rate(options, 55 - 35 * share), "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if kind.codec == "libsvtav1":
        return {"crf": _rate(options, 55 - 35 * share), "preset": "8", "svtav1-params": "logical-processors=0"}
    if kind.codec == "libwebp":
        return {"quality": str(options.quality), "compression_level": "4"}
    if kind.codec == "apng":
        return {"pred": "mixed"}
    return {}


def _rate(options: FilmOptions, of_quality: float) -> str:
    return str(round(of_quality) if options.crf is None else options.crf)


def _replacing_each_other(path: Path) -> None:
    """Marks the frames of a WebP film as replacing the last one rather than lying on it, which shows through."""
    with path.open("r+b") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            start, length = file.tell(), int.from_bytes(header[4:], "little")
            if header[:4] == b"ANMF":
                file.seek(start + ANMF_FLAGS)
                flags = file.read(1)[0]
                file.seek(start + ANMF_FLAGS)
                file.write(bytes([flags | NO_BLENDING]))
            file.seek(start + length + length % 2)
