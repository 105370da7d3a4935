"""Patches of a picture looked for in another that is aligned with it already, and put together again.

Both pictures are of one size, so a patch's counterpart is a shift of some pixels; every shift of a window is tried.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

PATCH = 7
"""Pixels along a patch's side."""


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Nearest patches both ways, as (row, column) shifts.

    Attributes:
        there: for every pixel of the picture, the shift to the most similar patch of the other.
        back: for every pixel of the other, the shift to the most similar patch of the picture.
    """

    there: Int[Tensor, "2 h w"]
    back: Int[Tensor, "2 h w"]


def nearest(picture: Float[Tensor, "3 h w"], other: Float[Tensor, "3 h w"], radius: int, stay: float) -> Shifts:
    """Finds nearest patches within a window, by mean squared difference.

    Args:
        picture: whose patches look for others.
        other: where they are looked for.
        radius: of the window, in pixels.
        stay: what a shift as far as the radius costs, in the pictures' units squared: where all is alike, stay.
    """
    h, w = picture.shape[1:]
    padded = functional.pad(other[None], (radius,) * 4, mode="replicate")[0]
    best = picture.new_full((h, w), torch.inf)
    best_back = picture.new_full((h + 2 * radius, w + 2 * radius), torch.inf)
    there = torch.zeros(2, h, w, dtype=torch.long, device=picture.device)
    back = torch.zeros(2, h + 2 * radius, w + 2 * radius, dtype=torch.long, device=picture.device)
    for dy in range(-radius, radius + 1):
        for dx in range(-radius, radius + 1):
            block = (slice(radius + dy, radius + dy + h), slice(radius + dx, radius + dx + w))
            cost = _boxed((picture - padded[:, *block]).square_().sum(dim=0))
            cost += stay * (dy * dy + dx * dx) / max(radius, 1) ** 2
            shift = torch.tensor([[dy], [dx]], device=picture.device)
            closer = cost < best
            best[closer] = cost[closer]
            there[:, closer] = shift
            closer = cost < best_back[block]
            best_back[block][closer] = cost[closer]
            back[:, *block][:, closer] = -shift
    inner = slice(radius, -radius) if radius else slice(None)
    return Shifts(there, back[:, inner, inner])


def voted(other: Float[Tensor, "c h w"], shifts: Shifts, completeness: float) -> Float[Tensor, "c h w"]:
    """Puts the picture together from the other's patches (bidirectional similarity, Simakov et al. 2008).

    A pixel is the mean of what the patches that cover it say: those that were found for the picture's own patches, and,
    weighted by `completeness`, those of the other that found their nearest here, so that nothing of it goes missing.
    """
    c, h, w = other.shape
    flat = other.flatten(1)
    y, x = (torch.arange(side, device=other.device) for side in (h, w))
    total, weight = torch.zeros_like(flat), flat.new_zeros(h * w)
    half = PATCH // 2
    for dy in range(-half, half + 1):
        for dx in range(-half, half + 1):
            row, column = (y + dy).clamp(0, h - 1), (x + dx).clamp(0, w - 1)
            # What the patch centred there says of this pixel lies one shift from here.
            shift = shifts.there[:, row][:, :, column]
            read = (y[:, None] + shift[0]).clamp(0, h - 1) * w + (x + shift[1]).clamp(0, w - 1)
            total += flat[:, read.flatten()]
            shift = shifts.back[:, row][:, :, column]
            to = (y[:, None] + shift[0]).clamp(0, h - 1) * w + (x + shift[1]).clamp(0, w - 1)
            total.index_add_(1, to.flatten(), flat, alpha=completeness)
            weight.index_add_(0, to.flatten(), torch.ones_like(weight), alpha=completeness)
    return (total / (weight + PATCH * PATCH)).reshape(c, h, w)


def enlarged(
    other: Float[Tensor, "c h w"], shifts: Int[Tensor, "2 g g2"], top: int, bottom: int
) -> Float[Tensor, "c h2 w"]:
    """Returns rows of the picture at full size: the small picture's shifts, scaled, applied to the large other.

    Args:
        other: the other picture at full size.
        shifts: found on small copies.
        top: first row.
        bottom: last row, exclusive.
    """
    h, w = other.shape[1:]
    rows, columns = shifts.shape[1:]
    y, x = torch.arange(top, bottom, device=other.device), torch.arange(w, device=other.device)
    row, column = y * rows // h, x * columns // w
    total = other.new_zeros(other.shape[0], bottom - top, w)
    steps = (-2, 0, 2)  # patches that overlap by most: more would not look different
    for dy in steps:
        for dx in steps:
            shift = shifts[:, (row + dy).clamp(0, rows - 1)][:, :, (column + dx).clamp(0, columns - 1)]
            down, across = shift[0] * h // rows, shift[1] * w // columns
            total += other[:, (y[:, None] + down).clamp(0, h - 1), (x + across).clamp(0, w - 1)]
    return total / len(steps) ** 2


def _boxed(plane: Float[Tensor, "h w"]) -> Float[Tensor, "h w"]:
    """Returns the mean over every patch; at the rim over the part of it that there is."""
    pooled = functional.avg_pool2d(plane[None], (PATCH, 1), 1, (PATCH // 2, 0), count_include_pad=False)
    return functional.avg_pool2d(pooled, (1, PATCH), 1, (0, PATCH // 2), count_include_pad=False)[0]
