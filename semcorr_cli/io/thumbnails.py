"""Small pictures of files, for reports: side by side, inline."""

import base64
import contextlib
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageOps

HEIGHT = 72
"""Pixels of a thumbnail, each way at most."""

LARGEST = 100_000_000
"""Pixels beyond which no thumbnail is made."""

FILMS = {".mp4", ".webm"}


def strip(paths: Sequence[Path]) -> str:
    """Returns thumbnails of pictures and films, side by side, as a `data:` address; empty where there is none."""
    shown = [found for path in paths if (found := _seen(path)) is not None]
    if not shown:
        return ""
    gap = 2
    sheet = Pillow.new("RGB", (sum(found.width + gap for found in shown) - gap, HEIGHT), "white")
    left = 0
    for found in shown:
        sheet.paste(found, (left, (HEIGHT - found.height) // 2))
        left += found.width + gap
    return inline(sheet, quality=70)


def inline(picture: Pillow.Image, *, quality: int) -> str:
    """Returns an opaque picture as a `data:` address that holds all of it."""
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(target.getvalue()).decode()}"


def _seen(path: Path) -> Pillow.Image | None:
    with contextlib.suppress(Exception):  # a thumbnail is no result: whatever cannot be shown is not
        if path.is_dir():
            frames = sorted(path.iterdir())
            path = frames[len(frames) // 2]
        return _small(path, path.stat().st_mtime_ns)
    return None


@lru_cache(maxsize=128)
def _small(path: Path, changed: int) -> Pillow.Image | None:
    if path.suffix.lower() in FILMS:
        import av

        with av.open(str(path)) as film:
            return _reduced(next(film.decode(video=0)).to_image())  # type: ignore[no-untyped-call]
    with Pillow.open(path) as picture:
        if picture.width * picture.height > LARGEST:
            return None
        picture.draft("RGB", (2 * HEIGHT, 2 * HEIGHT))
        if (count := getattr(picture, "n_frames", 1)) > 1:
            picture.seek(count // 2)
        return _reduced(ImageOps.exif_transpose(picture))


def _reduced(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I"):
        picture = picture.point(lambda value: value / 256).convert("L")
    picture = picture.convert("RGBA")
    picture.thumbnail((HEIGHT, HEIGHT))
    return Pillow.alpha_composite(Pillow.new("RGBA", picture.size, "white"), picture).convert("RGB")
