"""Films: frames are handed to an encoder one by one and forgotten, so memory does not grow with their number."""

import contextlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import av

from semcorr_cli.core.coords import Hw
from semcorr_cli.errors import OutputError
from semcorr_cli.io import atomic
from semcorr_cli.io.encoder import Encoder
from semcorr_cli.io.film import FilmOptions, Frame, FrameWriter, film_format
from semcorr_cli.io.palette import Palette
from semcorr_cli.io.stills import ContactSheet, Folder, sheet_format
from semcorr_cli.io.transparent_avif import TransparentAvif

AHEAD = 2
"""Frames that may wait for the encoder while the next one is drawn."""


@contextlib.contextmanager
def writing(
    path: Path, hw: Hw, options: FilmOptions, *, alpha: bool, overwrite: bool, glimpse: Iterable[Frame] = ()
) -> Iterator[FrameWriter]:
    """Opens a film, a folder of frames or a contact sheet; it appears when all frames are in, or not at all.

    Args:
        path: the suffix decides the format; no suffix means a folder.
        hw: size of every frame; even for the formats that need it.
        options: pace, loops, quality and what else there is to choose.
        alpha: frames have four channels.
        overwrite: an existing output may be replaced.
        glimpse: some of the frames, by which a palette for all of them is chosen.

    Raises:
        OutputError: the output exists or cannot be written.
        UsageError: unknown suffix.
    """
    if options.grid is None and film_format(path) is None:
        with atomic.replacing_folder(path, overwrite=overwrite) as folder, _beside(Folder(folder, options)) as writer:
            yield writer
        return
    with atomic.replacing(path, overwrite=overwrite) as temporary:
        try:
            with _beside(_writer(temporary, path, hw, options, glimpse, alpha=alpha)) as writer:
                yield writer
        except av.error.FFmpegError as error:
            raise _explained(path, error) from error


def _writer(
    temporary: Path, path: Path, hw: Hw, options: FilmOptions, glimpse: Iterable[Frame], *, alpha: bool
) -> FrameWriter:
    if options.grid is not None:
        return ContactSheet(temporary, sheet_format(path), hw, options, alpha=alpha)
    kind = film_format(path)
    assert kind is not None
    if kind.container == "avif" and alpha:
        return TransparentAvif(temporary, hw, options)
    palette = Palette(options.dither)
    if kind.pixels == "pal8" and options.palette == "global":
        palette = Palette.of(glimpse, options.dither)
    return Encoder(temporary, kind, hw, options, alpha=alpha and kind.pixels_alpha is not None, palette=palette)


class _Beside(FrameWriter):
    """Lets a writer work in a thread of its own, while the next frame is drawn."""

    def __init__(self, writer: FrameWriter) -> None:
        self._writer = writer
        self._thread = ThreadPoolExecutor(1, "encoder")
        self._waiting: deque[Future[None]] = deque()

    def write(self, frame: Frame) -> None:
        self._waiting.append(self._thread.submit(self._writer.write, frame))
        while len(self._waiting) > AHEAD:
            self._waiting.popleft().result()

    def finish(self) -> None:
        while self._waiting:
            self._waiting.popleft().result()
        self._writer.finish()

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)
        self._writer.close()


@contextlib.contextmanager
def _beside(writer: FrameWriter) -> Iterator[FrameWriter]:
    beside = _Beside(writer)
    try:
        yield beside
        beside.finish()
    finally:
        beside.close()


def _explained(path: Path, error: av.error.FFmpegError) -> OutputError:
    """Turns an encoder's failure into a sentence; a full disk is an OSError and explained where files are moved."""
    if isinstance(error, OSError) and error.errno == 28:
        return OutputError(f"cannot write {path}: the disk is full", hint="free some space or write elsewhere")
    return OutputError(f"cannot write {path}: {error}")
