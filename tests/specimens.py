"""Small pictures, maps and correspondences whose truth is known by construction."""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch

from semcorr_cli.core.correspondence import Correspondence, Pose
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.quality import Quality, Signs, Verdict
from semcorr_cli.core.warp import Warp
from tests.conftest import textured

Hw = tuple[int, int]
Field = Callable[[torch.Tensor], torch.Tensor]

CODE = 1.01 / 255
"""One step of an 8-bit value, with room for rounding."""


def picture(hw: Hw, seed: int = 0, *, alpha: bool = False) -> Image:
    """Returns a textured picture, with alpha one whose middle half is opaque and whose rest is transparent."""
    rgb = torch.from_numpy(textured(hw, seed).astype(np.float32) / 255).permute(2, 0, 1).contiguous()
    return Image(rgb, middle(hw) if alpha else None)


def flat(hw: Hw, value: float) -> Image:
    """Returns a picture of one grey."""
    return Image(torch.full((3, *hw), value))


def middle(hw: Hw) -> torch.Tensor:
    """Returns a mask of the middle half of a picture."""
    plane = torch.zeros(1, *hw)
    plane[:, hw[0] // 4 : hw[0] - hw[0] // 4, hw[1] // 4 : hw[1] - hw[1] // 4] = 1
    return plane


def cut(image: Image, top: int, left: int, hw: Hw) -> Image:
    """Returns a part of an opaque picture."""
    return Image(image.rgb[:, top : top + hw[0], left : left + hw[1]].contiguous())


def mapped(field: Field, source_hw: Hw, target_hw: Hw) -> Warp:
    """Returns the warp of any function from target to source positions."""
    return Warp.sampled(field, source_hw, target_hw)


def shifted(by: tuple[float, float], hw: Hw) -> Warp:
    """Returns the warp that reads `by` further right and down."""
    return mapped(lambda xy: xy + xy.new_tensor(by), hw, hw)


def correspondence(warp: Warp) -> Correspondence:
    """Returns a correspondence that trusts a warp; its other direction is mere resizing."""
    none = torch.zeros(0, 2)
    return Correspondence(
        Matches(none, none, none[:, 0], warp.source_hw, warp.target_hw),
        warp,
        Warp.identity(warp.target_hw, warp.source_hw),
        quality(0),
        Pose(),
    )


def quality(matches: int) -> Quality:
    """Returns the best quality there is."""
    return Quality(Verdict.GOOD, 1.0, (), all_signs(1.0, matches))


def all_signs(share: float, matches: int) -> Signs:
    """Returns signs of which nothing folded or swapped sides, and all others have one value."""
    good = {field.name: share for field in fields(Signs)}
    return Signs(**good | {"matches": matches, "fold_share": 0.0, "swapped": 0.0})  # type: ignore[arg-type]
