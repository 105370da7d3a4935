"""Animated AVIF with transparency, through Pillow: PyAV's AV1 encoder has no monochrome, which its alpha must be in."""

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

from PIL import Image as Pillow

from semcorr_cli.core.coords import Hw
from semcorr_cli.io.film import FilmOptions, Frame, FrameWriter

WAIT = 0.2
"""Seconds between two looks whether the encoder is still alive."""


class TransparentAvif(FrameWriter):
    """Hands frames with alpha to Pillow, which asks for one after the other and keeps none; played for ever."""

    def __init__(self, path: Path, hw: Hw, options: FilmOptions) -> None:
        self._frames: queue.Queue[Frame | None] = queue.Queue(1)
        reel = _Reel(self._frames, hw)
        self._thread = ThreadPoolExecutor(1, "avif")
        quality = options.quality if options.crf is None else round(100 * (1 - options.crf / 63))
        self._saving: Future[None] = self._thread.submit(
            reel.save, path, "AVIF", save_all=True, quality=quality, speed=8, duration=_Durations(options.fps)
        )

    def write(self, frame: Frame) -> None:
        """Appends a frame."""
        self._hand_over(frame)

    def finish(self) -> None:
        """Waits until the file is written."""
        self._hand_over(None)
        self._saving.result()

    def close(self) -> None:
        """Lets go of the file."""
        if not self._saving.done():
            self._hand_over(None)
        self._thread.shutdown()

    def _hand_over(self, frame: Frame | None) -> None:
        while True:
            if self._saving.done():
                self._saving.result()
                return
            try:
                self._frames.put(frame, timeout=WAIT)
            except queue.Full:
                continue
            return


class _Reel(Pillow.Image):
    """A sequence of which one picture at a time exists: seeking the next one waits for it."""

    is_animated = True

    def __init__(self, frames: "queue.Queue[Frame | None]", hw: Hw) -> None:
        super().__init__()
        self._frames = frames
        self._at = -1
        self._mode = "RGBA"
        self._size = hw[1], hw[0]

    def seek(self, frame: int) -> None:
        """Moves on to a frame.

        Raises:
            EOFError: there are no more.
        """
        if frame > self._at:
            array = self._frames.get()
            if array is None:
                raise EOFError
            self._im = Pillow.fromarray(array).im
            self._at = frame

    def tell(self) -> int:
        """Returns the number of the frame that is there."""
        return max(self._at, 0)


class _Durations(list[int]):
    """The milliseconds of every frame of a film however long; rounding does not add up."""

    def __init__(self, fps: Fraction) -> None:
        super().__init__()
        self._fps = fps

    def __getitem__(self, frame: int) -> int:  # type: ignore[override]
        return round(1000 * (frame + 1) / self._fps) - round(1000 * frame / self._fps)
