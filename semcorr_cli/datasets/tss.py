"""TSS (Taniai et al. 2016): dense flow between the foregrounds of two pictures, both ways.

FG3DCar|JODS|PASCAL/PAIR/image1.png, image2.png
                         flow1.flo      for each pixel of image1, the way to its counterpart in image2; flow2 back
                         mask1.png, mask2.png    where the objects are
                         flip_gt.txt    1 where the ways lead into the mirrored other picture

Each folder is two pairs: image1 in image2, and back. Every pixel whose way is known is a true point, as in the authors'
evaluation kit; thresholds are shares of the picture that the ways lead into. That ways lead into the mirrored picture
where `flip_gt.txt` says 1 is nowhere written down: it is how results are compared (Rocco et al. 2017).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.datasets import Box, Pairs, TruePair
from semcorr_cli.errors import InputError

SPLITS = ("test",)
PARTS = ("FG3DCar", "JODS", "PASCAL")

MAGIC = 202021.25
"""First number of a .flo file."""

UNKNOWN = 1e9
"""Components from here on say that there is no way."""

Entry = tuple[Path, int]
"""A pair's folder, and which of its pictures is the source."""


def read(root: Path, split: str = "test") -> Pairs[Entry]:
    """Returns both directions of every pair, by part and name.

    Raises:
        InputError: the folder is not in this layout; when a pair is read, a file is missing or damaged.
    """
    folders = [found for part in PARTS for found in sorted((root / part).glob("*/")) if (found / "flow1.flo").is_file()]
    if not folders:
        raise InputError(f"{root} is not in TSS's layout: there is no {root / PARTS[0]}/*/flow1.flo")
    return Pairs([(folder, number) for folder in folders for number in (1, 2)], _pair)


def _pair(entry: Entry) -> TruePair:
    folder, number = entry
    other = 3 - number
    flow = _flow(folder / f"flow{number}.flo")
    known = (flow.abs() < UNKNOWN).all(dim=-1)  # which NaN is not
    own = coords.pixel_centres((flow.shape[0], flow.shape[1]))[known]
    reached = own + flow[known]
    if _mirrored(folder):
        reached = coords.mirror_points(reached, _size(folder / f"image{other}.png"))
    return TruePair(
        name=f"{folder.parent.name}/{folder.name}/{number}to{other}",
        category=folder.parent.name,
        source=folder / f"image{number}.png",
        target=folder / f"image{other}.png",
        source_points=own,
        target_points=reached,
        target_box=_box(folder / f"mask{other}.png"),
    )


def _flow(path: Path) -> Float[Tensor, "h w 2"]:
    """Reads a Middlebury .flo file (Baker et al. 2011): a number, width, height, then u and v by rows."""
    try:
        content = path.read_bytes()
        magic = np.frombuffer(content, "<f4", 1)[0]
        width, height = (int(value) for value in np.frombuffer(content, "<i4", 2, 4))
        if magic != MAGIC or min(width, height) < 1:
            raise ValueError("it does not begin like one")
        values = np.frombuffer(content, "<f4", 2 * width * height, 12).copy()
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a .flo file: {error}") from None
    return torch.from_numpy(values).reshape(height, width, 2)


def _mirrored(folder: Path) -> bool:
    path = folder / "flip_gt.txt"
    if not path.is_file():
        return False
    try:
        text = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if text not in (b"0", b"1"):
        raise InputError(f"{path} says {text[:20].decode(errors='replace')!r} rather than 0 or 1")
    return text == b"1"


@contextmanager
def _opened(path: Path) -> Iterator[Pillow.Image]:
    try:
        with Pillow.open(path) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} is not a picture: {error}") from None


def _size(path: Path) -> Hw:
    with _opened(path) as picture:
        return picture.height, picture.width


def _box(path: Path) -> Box | None:
    """Returns the box round a mask; None for one that is empty."""
    with _opened(path) as picture:
        found = picture.convert("L").point(lambda value: 255 * (value > 127)).getbbox()
    if found is None:
        return None
    left, top, right, bottom = found
    return float(left), float(top), float(right), float(bottom)
