"""The rendered samples of the repository: exact dense maps, read as a lattice of true points a pair."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.datasets import Pairs, TruePair
from semcorr_cli.errors import InputError

SPLITS = ("test",)

INDEX = "pairs.json"
"""The file that lists a folder's pictures and pairs."""

NONE = 65535
"""Stored value of pixels without a counterpart."""

STEP = 8
"""Target pixels between the true points of a pair."""


def read(root: Path, split: str = "test") -> Pairs[Any]:
    """Returns every pair, with the true points of every `STEP`th target pixel that has a counterpart.

    Raises:
        InputError: the folder does not hold samples; when a pair is read, a file is damaged.
    """
    content = index(root)
    images = content["images"]

    def read_one(pair: Any) -> TruePair:
        try:
            target = images[pair["target"]]
            truth = dense(root / pair["map"])[STEP // 2 :: STEP, STEP // 2 :: STEP].reshape(-1, 2)
            height, width = target["hw"]
            left, top, right, bottom = (float(value) for value in target["box"])
            paths = root / pair["source"], root / pair["target"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{root / INDEX}: the pair {pair} is damaged: {error!r}") from None
        own = coords.pixel_centres((height, width))[STEP // 2 :: STEP, STEP // 2 :: STEP].reshape(-1, 2)
        known = truth.isfinite().all(dim=-1)
        return TruePair(
            name=f"{pair['source']}--{pair['target']}",
            category=str(target["category"]),
            source=paths[0],
            target=paths[1],
            source_points=truth[known],
            target_points=own[known],
            target_box=(left, top, right, bottom),
        )

    return Pairs(content["pairs"], read_one)


def index(root: Path) -> dict[str, Any]:
    """Returns what a folder of rendered pairs says of itself: its `pairs` and its `images`.

    Raises:
        InputError: the folder does not hold samples, or its index is damaged.
    """
    path = root / INDEX
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {"pairs": list(content["pairs"]), "images": dict(content["images"])}
    except FileNotFoundError:
        raise InputError(f"{root} does not hold the samples: there is no {path}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not an index of samples: {error!r}") from None


def dense(path: Path) -> Float[Tensor, "h w 2"]:
    """Returns a true backward map: for every target pixel the position in the source; NaN where there is none.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with path.open("rb") as content, np.load(content) as file:  # which leaves open what it cannot read
            steps = np.cumsum(np.cumsum(file["delta"], axis=0, dtype=np.uint16), axis=1, dtype=np.uint16)
            scale = float(file["steps"])
        if steps.ndim != 3 or steps.shape[2] != 2:
            raise ValueError(f"its shape is {steps.shape}")
    except Exception as error:  # numpy lets through whatever the parsers of archive and header raise
        raise InputError(f"{path} is not a true map: {error}") from None
    values = torch.from_numpy(steps.astype(np.float32))
    return torch.where(values == NONE, torch.nan, values / scale)
