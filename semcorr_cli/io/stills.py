"""Films as pictures that stand still: a folder of numbered frames, a contact sheet."""

from pathlib import Path

from PIL import Image as Pillow

from semcorr_cli.core.coords import Hw
from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.io import colour
from semcorr_cli.io.film import STILLS, FilmOptions, Frame, FrameWriter

SHEETS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".avif": "AVIF"}
"""Suffixes that contact sheets are written in, and Pillow's names of the formats."""

GAP = 0.02
"""Space between the frames of a contact sheet, a share of their shorter side."""


class Folder(FrameWriter):
    """Numbered frames in a folder."""

    def __init__(self, folder: Path, options: FilmOptions) -> None:
        self._folder = folder
        self._options = options
        self._count = 0

    def write(self, frame: Frame) -> None:
        """Appends a frame."""
        path = self._folder / f"frame_{self._count:05d}.{self._options.still}"
        _save(Pillow.fromarray(frame), path, STILLS[self._options.still], self._options.quality)
        self._count += 1


class ContactSheet(FrameWriter):
    """Frames side by side on one picture, row by row, white or nothing between them."""

    def __init__(self, path: Path, kind: str, hw: Hw, options: FilmOptions, *, alpha: bool) -> None:
        """Prepares an empty sheet.

        Args:
            path: is written to when all frames are in.
            kind: Pillow's name of the format.
            hw: size of every frame.
            options: the grid, and the quality.
            alpha: frames have four channels.
        """
        assert options.grid is not None
        self._path = path
        self._kind = kind
        self._options = options
        self._columns, rows = options.grid
        self._gap = max(2, round(GAP * min(hw)))
        self._step = hw[0] + self._gap, hw[1] + self._gap
        size = (self._columns * self._step[1] - self._gap, rows * self._step[0] - self._gap)
        try:
            self._sheet = Pillow.new("RGBA" if alpha else "RGB", size, (255, 255, 255, 0) if alpha else "white")
        except (MemoryError, ValueError):
            raise OutputError(f"a contact sheet of {size[0]}×{size[1]} pixels does not fit in memory") from None
        self._count = 0

    def write(self, frame: Frame) -> None:
        """Lays a frame on the next free place."""
        row, column = divmod(self._count, self._columns)
        self._sheet.paste(Pillow.fromarray(frame), (column * self._step[1], row * self._step[0]))
        self._count += 1

    def finish(self) -> None:
        """Writes the sheet."""
        try:
            _save(self._sheet, self._path, self._kind, self._options.quality)
        except ValueError as error:  # larger than the format can be
            w, h = self._sheet.size
            raise OutputError(f"cannot write {w}×{h} pixels as {self._kind}: {error}") from error


def sheet_format(path: Path) -> str:
    """Returns Pillow's name of the format of a contact sheet.

    Raises:
        UsageError: the suffix is not one that sheets are written in.
    """
    try:
        return SHEETS[path.suffix.lower()]
    except KeyError:
        what = f"the suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise UsageError(f"{path} has {what}; contact sheets are written as {' '.join(SHEETS)}") from None


def sheet_hw(hw: Hw, grid: tuple[int, int]) -> Hw:
    """Returns the size of a contact sheet of frames of size `hw`."""
    gap = max(2, round(GAP * min(hw)))
    return grid[1] * (hw[0] + gap) - gap, grid[0] * (hw[1] + gap) - gap


def _save(picture: Pillow.Image, path: Path, kind: str, quality: int) -> None:
    options: dict[str, object] = {"icc_profile": colour.srgb_profile()}
    if kind == "PNG":
        options["compress_level"] = 3
    else:
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = 0 if quality >= 90 else 2
    picture.save(path, kind, **options)
