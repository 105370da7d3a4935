"""Pixels, cells and normalised coordinates: the only file that knows about 0.5.

All points are (x, y); see `semcorr_cli.core` for the convention.
"""

import torch
from jaxtyping import Float
from torch import Tensor

Hw = tuple[int, int]


def wh(hw: Hw, like: Tensor) -> Float[Tensor, "2"]:
    """Returns (width, height) of a size, on the device and in the dtype of `like`."""
    return torch.tensor([hw[1], hw[0]], dtype=like.dtype, device=like.device)


def pixel_centres(hw: Hw, *, top: int = 0, left: int = 0, device: torch.device | None = None) -> Float[Tensor, "h w 2"]:
    """Returns the centres of a block of pixels whose first row and column are `top` and `left`."""
    y = torch.arange(top, top + hw[0], dtype=torch.float32, device=device) + 0.5
    x = torch.arange(left, left + hw[1], dtype=torch.float32, device=device) + 0.5
    return torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)


def cell_centres(grid_hw: Hw, image_hw: Hw, *, device: torch.device | None = None) -> Float[Tensor, "n 2"]:
    """Returns the pixel positions of a feature grid's cell centres, row by row (n = grid height × grid width)."""
    cells = pixel_centres(grid_hw, device=device).reshape(-1, 2)
    return cells * wh(image_hw, cells) / wh(grid_hw, cells)


def pixels_to_cells(xy: Float[Tensor, "... 2"], grid_hw: Hw, image_hw: Hw) -> Float[Tensor, "... 2"]:
    """Maps pixel positions to fractional cell indices: integers are cell centres."""
    return xy * wh(grid_hw, xy) / wh(image_hw, xy) - 0.5


def cells_to_pixels(cells: Float[Tensor, "... 2"], grid_hw: Hw, image_hw: Hw) -> Float[Tensor, "... 2"]:
    """Maps fractional cell indices to pixel positions; the inverse of `pixels_to_cells`."""
    return (cells + 0.5) * wh(image_hw, cells) / wh(grid_hw, cells)


def nearest_cell(xy: Float[Tensor, "n 2"], grid_hw: Hw, image_hw: Hw) -> Tensor:
    """Returns the flat index of the cell each point lies in; points outside go to the border cell."""
    column, row = (xy * wh(grid_hw, xy) / wh(image_hw, xy)).floor().long().unbind(-1)
    return row.clamp(0, grid_hw[0] - 1) * grid_hw[1] + column.clamp(0, grid_hw[1] - 1)


def pixels_to_unit(xy: Float[Tensor, "... 2"], hw: Hw) -> Float[Tensor, "... 2"]:
    """Maps pixel positions to [−1, 1] for `grid_sample(align_corners=False)`."""
    return 2 * xy / wh(hw, xy) - 1


def resize_points(xy: Float[Tensor, "... 2"], from_hw: Hw, to_hw: Hw) -> Float[Tensor, "... 2"]:
    """Carries points along when their picture is resized: a pure multiplication."""
    return xy * wh(to_hw, xy) / wh(from_hw, xy)


def mirror_points(xy: Float[Tensor, "... 2"], hw: Hw) -> Float[Tensor, "... 2"]:
    """Carries points along when their picture is mirrored left to right; its own inverse."""
    return torch.stack([hw[1] - xy[..., 0], xy[..., 1]], dim=-1)


def from_centre_origin(xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
    """Translates points of an outside format, (0, 0) at the first pixel's centre, into ours."""
    return xy + 0.5


def to_centre_origin(xy: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
    """Translates our points into those of an outside format, (0, 0) at the first pixel's centre."""
    return xy - 0.5
