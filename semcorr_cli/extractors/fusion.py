"""Layers become descriptors: joint principal components of a pair, concatenation, weighted halves."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureStack


def states(stacks: Sequence[FeatureStack], names: Sequence[str], pca: int) -> list[Float[Tensor, "c h w"]]:
    """Returns the decoder states of each picture as one map on its frame's grid.

    Args:
        stacks: of the pictures that are to be compared.
        names: of the layers, the finest first.
        pca: principal components kept of each layer; 0 for the layers as they are, brought to the grid one by one.
    """
    if pca == 0:
        return [torch.cat([stack.resized(name) for name in names]) for stack in stacks]
    reduced = {name: joint_components([stack.layers[name] for stack in stacks], pca) for name in names}
    return [_nested([reduced[name][index] for name in names], stack.grid_hw) for index, stack in enumerate(stacks)]


def _nested(maps: Sequence[Float[Tensor, "_ _ _"]], grid_hw: tuple[int, int]) -> Float[Tensor, "c h w"]:
    """Returns maps one behind the other, the coarsest enlarged step by step to the size of the next finer one.

    That is how sd-dino nests s5 in s4 in s3 (Zhang et al. 2023, section 3.3).
    """
    *finer, total = maps
    for level in reversed(finer):
        total = torch.cat([level, _resized(total, (level.shape[1], level.shape[2]))])
    return _resized(total, grid_hw)


def joint_components(maps: Sequence[Float[Tensor, "c _ _"]], count: int) -> list[Float[Tensor, "k _ _"]]:
    """Returns maps in the basis of the principal components of all their cells together.

    The mean is that of all cells. Exact, unlike the randomised decomposition of the reference, so that two runs give
    the same bytes; components are ordered by variance, their signs are arbitrary.

    Args:
        maps: one a picture.
        count: components at most; there are no more than channels or cells.
    """
    cells = torch.cat([map_.flatten(1).T for map_ in maps]).double()
    centred = cells - cells.mean(dim=0)
    n, c = centred.shape
    if n < c:  # fewer cells than channels: the smaller matrix has the same decomposition
        values, left = torch.linalg.eigh(centred @ centred.T)
        basis = centred.T @ left.flip(1)[:, :count]
        basis = basis / values.flip(0)[:count].clamp_min(1e-24).sqrt()
    else:
        basis = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :count]
    found = (centred @ basis).float().split([map_[0].numel() for map_ in maps])
    return [part.T.reshape(-1, *map_.shape[1:]) for part, map_ in zip(found, maps, strict=True)]


def halves(diffusion: Float[Tensor, "c h w"], dino: Float[Tensor, "d h w"], weight: float) -> Float[Tensor, "e h w"]:
    """Returns unit descriptors of Stable Diffusion and of DINO side by side: α of the one, 1 − α of the other.

    (Zhang et al. 2023, equation 2; α = ½ there.)
    """
    unit = functional.normalize(diffusion, dim=0), functional.normalize(dino, dim=0)
    return torch.cat([weight * unit[0], (1 - weight) * unit[1]])


def _resized(data: Float[Tensor, "c _ _"], hw: tuple[int, int]) -> Float[Tensor, "c h w"]:
    if tuple(data.shape[1:]) == hw:
        return data
    return functional.interpolate(data[None], hw, mode="bilinear", align_corners=False)[0]
