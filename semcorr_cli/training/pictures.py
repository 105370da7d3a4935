"""Folders of pictures, decoded once into one array of bytes on the disk."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.errors import InputError

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """Exact truth of rendered pictures: masks, and for every picture a map to its partner.

    Attributes:
        row: (n,) row of every picture in the arrays below; -1 for photographs.
        alpha: (m, side, side) how much of each pixel the object covers.
        partner: (m,) number of the picture it is paired with; -1 for none.
        maps: (m, k, k, 2) relative position in the partner of each position of a lattice; nan for none.
    """

    row: Tensor
    alpha: NDArray[np.uint8]
    partner: Tensor
    maps: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Pictures of one size of canvas, each at its top left, its last row and column repeated.

    Attributes:
        data: (n, side, side, 3) sRGB.
        hw: (n, 2) sizes of the pictures on their canvases.
        category: (n,) number of the folder each lies in.
        names: folders; pictures of one show things alike.
        loose: categories whose pictures are not alike: flat folders, backgrounds.
        exact: truth of the rendered ones.
    """

    data: NDArray[np.uint8]
    hw: Tensor
    category: Tensor
    names: tuple[str, ...]
    loose: frozenset[int]
    exact: Exact | None = None

    @property
    def side(self) -> int:
        """Side of a canvas."""
        return int(self.data.shape[1])

    def members(self) -> list[Tensor]:
        """Returns the numbers of the pictures of each folder."""
        return [torch.nonzero(self.category == c)[:, 0] for c in range(len(self.names))]

    def fetch(self, index: Tensor) -> Tensor:
        """Returns canvases (b, 3, side, side) in [0, 1]."""
        return torch.from_numpy(self.data[index.numpy()]).permute(0, 3, 1, 2).float().div_(255)


def find(root: Path, without: Sequence[str] = ()) -> list[Path]:
    """Lists pictures below a folder in the order of their names, without the folders and pictures named."""
    banned = set(without)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    named = ((path, path.relative_to(root)) for path in files)
    return [p for p, r in named if not banned & {str(r.parent), str(r.with_suffix("")), str(r)}]


def read_folder(
    root: Path, cache: Path, side: int = 192, without: Sequence[str] = (), loose: Sequence[str] = ()
) -> Pictures:
    """Decodes the pictures of a folder; sub-folders are categories, pictures beside them are alike in nothing.

    Args:
        root: the folder.
        cache: folder for the decoded bytes, which are read again if nothing changed.
        side: longer side that larger pictures are reduced to.
        without: categories ("okapi") and pictures ("okapi/image_0006") to leave out.
        loose: categories whose pictures are alike in nothing.

    Raises:
        InputError: no folder, no pictures in it, or one that cannot be read.
    """
    files = find(root, without)
    if not files:
        raise InputError(f"{root} holds no pictures" if root.is_dir() else f"there is no folder {root}")
    folders = [str(path.parent.relative_to(root)) for path in files]
    names = tuple(sorted(set(folders)))
    stamp = [(str(p.relative_to(root)), p.stat().st_size) for p in files]
    digest = hashlib.sha256(json.dumps([side, stamp]).encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    store, sizes = cache / f"{digest}.npy", cache / f"{digest}.hw.npy"
    if not sizes.exists():
        np.save(sizes, _decode(files, store, side))
    return Pictures(
        data=np.load(store, mmap_mode="r"),
        hw=torch.from_numpy(np.load(sizes)).float(),
        category=torch.tensor([names.index(folder) for folder in folders]),
        names=names,
        loose=frozenset(i for i, name in enumerate(names) if name in loose or name == "."),
    )


def _decode(files: Sequence[Path], store: Path, side: int) -> NDArray[np.int64]:
    """Writes all canvases and returns the sizes of the pictures."""
    data = np.lib.format.open_memmap(store, mode="w+", dtype=np.uint8, shape=(len(files), side, side, 3))
    sizes = np.empty((len(files), 2), np.int64)
    for i, path in enumerate(files):
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise InputError(f"{path} cannot be read as a picture")
        data[i] = canvas(np.asarray(picture, np.uint8)[..., ::-1], side)
        sizes[i] = reduced(picture.shape[:2], side)
    data.flush()
    return sizes


def reduced(hw: tuple[int, int], side: int) -> tuple[int, int]:
    """Returns the size of a picture whose longer side is `side` at most."""
    scale = min(1.0, side / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def canvas(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Reduces a picture and puts it at the top left of a square, its last row and column repeated."""
    h, w = reduced(picture.shape[:2], side)
    if (h, w) != picture.shape[:2]:
        picture = np.asarray(cv2.resize(picture, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.copyMakeBorder(picture, 0, side - h, 0, side - w, cv2.BORDER_REPLICATE), np.uint8)
