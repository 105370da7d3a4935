"""Rendered pairs with exact truth, in the layout of `samples/` (pairs.json, truth/), joined to a set of pictures."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.datasets import samples
from semcorr_cli.errors import InputError
from semcorr_cli.training.pictures import Exact, Pictures, canvas, reduced

LATTICE = 48
"""Positions along a side at which maps are kept."""


def join(pictures: Pictures, folders: Sequence[Path]) -> Pictures:
    """Returns the pictures and those of the folders, each kind a loose category of its own.

    Raises:
        InputError: a folder that does not hold rendered pairs.
    """
    if not folders:
        return pictures
    n, side = len(pictures.hw), pictures.side
    canvases: list[NDArray[np.uint8]] = []
    alphas: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, int]] = []
    kinds: list[str] = []
    partner: list[int] = []
    maps: list[Tensor] = []
    for folder in folders:
        index = samples.index(folder)
        numbers = {name: n + len(canvases) + i for i, name in enumerate(index["images"])}
        partners = {pair["target"]: pair for pair in index["pairs"]}
        for name, about in index["images"].items():
            picture = cv2.imread(str(folder / name), cv2.IMREAD_COLOR)
            mask = cv2.imread(str(folder / "truth" / f"{Path(name).stem}.mask.png"), cv2.IMREAD_GRAYSCALE)
            if picture is None or mask is None:
                raise InputError(f"{folder / name} is no picture, or lacks its mask")
            sizes.append(reduced(picture.shape[:2], side))
            canvases.append(canvas(np.asarray(picture, np.uint8)[..., ::-1], side))
            alphas.append(canvas(np.asarray(mask, np.uint8), side))
            kinds.append(f"rendered {about['category']}")
            pair = partners.get(name)
            partner.append(numbers[pair["source"]] if pair else -1)
            if pair:
                h, w = index["images"][pair["source"]]["hw"]
                maps.append(_lattice(folder / pair["map"], (h, w)))
            else:
                maps.append(torch.full((LATTICE, LATTICE, 2), torch.nan))
    names = (*pictures.names, *sorted(set(kinds)))
    first = len(pictures.names)
    row = torch.cat([torch.full((n,), -1), torch.arange(len(canvases))])
    return dataclasses.replace(
        pictures,
        data=np.concatenate([pictures.data, np.stack(canvases)]),
        hw=torch.cat([pictures.hw, torch.tensor(sizes).float()]),
        category=torch.cat([pictures.category, torch.tensor([names.index(kind) for kind in kinds])]),
        names=names,
        loose=pictures.loose | frozenset(range(first, len(names))),
        exact=Exact(row, np.stack(alphas), torch.tensor(partner), torch.stack(maps)),
    )


def _lattice(path: Path, source_hw: Hw) -> Tensor:
    """Reads a map at the middles of a lattice's cells: relative positions in the source, (k, k, 2)."""
    xy = samples.dense(path)
    relative = xy / coords.wh(source_hw, xy)
    rows, columns = (
        ((torch.arange(LATTICE, dtype=torch.float64) + 0.5) / LATTICE * size).long() for size in xy.shape[:2]
    )
    return relative[rows][:, columns]


def look_up(exact: Exact, rows: Tensor, at: Tensor) -> Tensor:
    """Returns where positions (p, m, 2) in rendered pictures lie in their partners, relative; nan for none."""
    cell = (at * LATTICE).long().clamp(0, LATTICE - 1)
    return exact.maps[rows[:, None], cell[..., 1], cell[..., 0]]
