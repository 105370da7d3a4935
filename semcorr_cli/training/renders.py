"""Rendered pairs with exact truth, in the layout of `samples/` (pairs.json, truth/), joined to a set of pictures."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.errors import InputError
from semcorr_cli.training.pictures import Exact, Pictures, canvas, reduced

LATTICE = 48
"""Positions along a side at which maps are kept."""

NONE = 65535
"""Step number that stands for no counterpart in a map's file."""


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
        index = _index(folder)
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
            maps.append(_lattice(folder / pair["map"]) if pair else torch.full((LATTICE, LATTICE, 2), torch.nan))
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


def _index(folder: Path) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder} does not hold rendered pairs: {error}") from None
    return index


def _lattice(path: Path) -> Tensor:
    """Reads a map at the middles of a lattice's cells: relative positions in the source, (k, k, 2)."""
    with np.load(path) as file:
        steps = np.cumsum(np.cumsum(file["delta"], 0, dtype=np.uint16), 1, dtype=np.uint16)
        h, w = file["source_hw"]
        xy = np.where(steps == NONE, np.nan, steps / file["steps"]) / np.array([w, h])
    rows, columns = (((np.arange(LATTICE) + 0.5) / LATTICE * size).astype(int) for size in xy.shape[:2])
    return torch.from_numpy(xy[np.ix_(rows, columns)].astype(np.float32))


def look_up(exact: Exact, rows: Tensor, at: Tensor) -> Tensor:
    """Returns where positions (p, m, 2) in rendered pictures lie in their partners, relative; nan for none."""
    cell = (at * LATTICE).long().clamp(0, LATTICE - 1)
    return exact.maps[rows[:, None], cell[..., 1], cell[..., 0]]
