"""Fusion against independent computations in numpy."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.similarity import window_soft_argmax
from semcorr_cli.extractors import fusion

NAMES = ("s3", "s4", "s5")


def stack(seed: int, inside: tuple[int, int, int, int] = (0, 0, 8, 8)) -> FeatureStack:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"s3": (10, 8, 8), "s4": (24, 4, 4), "s5": (24, 2, 2), "dino": (12, 8, 8)}
    layers = {
        name: torch.randn(*shape, generator=generator) * torch.logspace(0, -1.5, shape[0])[:, None, None] + 0.3
        for name, shape in shapes.items()
    }
    return FeatureStack(layers, (80, 80), (8, 8), inside)


def enlarged(data: np.ndarray, side: int) -> np.ndarray:
    """Bilinear enlargement with cells as areas, by hand."""

    def weights(n: int) -> np.ndarray:
        place = np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), n - 1)
        matrix = np.zeros((side, n))
        matrix[np.arange(side), low] += 1 - (place - low)
        matrix[np.arange(side), np.minimum(low + 1, n - 1)] += place - low
        return matrix

    return np.einsum("yh,chw,xw->cyx", weights(data.shape[1]), data, weights(data.shape[2]))


def sd_dino(stacks: list[FeatureStack], dims: int, alpha: float) -> list[np.ndarray]:
    """The recipe of sd-dino: joint PCA by layer, nesting s5 in s4 in s3, unit halves side by side."""
    reduced: dict[str, list[np.ndarray]] = {}
    for name in NAMES:
        maps = [each.layers[name].double().numpy() for each in stacks]
        cells = np.concatenate([each.reshape(each.shape[0], -1).T for each in maps])
        centre = cells.mean(axis=0)
        _, _, basis = np.linalg.svd(cells - centre, full_matrices=False)
        basis = basis[:dims].T
        reduced[name] = [
            ((each.reshape(each.shape[0], -1).T - centre) @ basis).T.reshape(-1, *each.shape[1:]) for each in maps
        ]
    found = []
    for index, each in enumerate(stacks):
        nested = np.concatenate([reduced["s4"][index], enlarged(reduced["s5"][index], 4)])
        nested = np.concatenate([reduced["s3"][index], enlarged(nested, 8)])
        dino = each.layers["dino"].double().numpy()
        halves = [nested / np.linalg.norm(nested, axis=0), dino / np.linalg.norm(dino, axis=0)]
        joined = np.concatenate([alpha * halves[0], (1 - alpha) * halves[1]])
        found.append(joined / np.linalg.norm(joined, axis=0))
    return found


@pytest.mark.parametrize("dims", [4, 6])
@pytest.mark.parametrize("alpha", [0.5, 0.2])
def test_the_fusion_of_sd_dino_is_the_published_recipe_up_to_signs(dims: int, alpha: float) -> None:
    stacks = [stack(0), stack(1)]
    maps = fusion.states(stacks, NAMES, dims)
    found = [
        each.finished(fusion.halves(data, each.resized("dino"), alpha)).data.double().numpy()
        for each, data in zip(stacks, maps, strict=True)
    ]
    expected = sd_dino(stacks, dims, alpha)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape == (3 * dims + 12, 8, 8)
        signs = np.sign((one * other).sum(axis=(1, 2)))
        assert np.allclose(one * signs[:, None, None], other, atol=1e-4)
    flat = [each.reshape(each.shape[0], -1) for each in found]
    true = [each.reshape(each.shape[0], -1) for each in expected]
    assert np.allclose(flat[0].T @ flat[1], true[0].T @ true[1], atol=1e-4)  # signs do not matter to similarities


def test_raw_layers_are_enlarged_one_by_one_and_put_side_by_side() -> None:
    (found,) = fusion.states([stack(0)], NAMES, 0)
    layers = stack(0).layers
    expected = np.concatenate([enlarged(layers[name].numpy(), 8) for name in NAMES])
    assert np.allclose(found.numpy(), expected, atol=1e-5)


def test_more_components_than_there_are_give_all_of_them() -> None:
    one, two = torch.randn(6, 2, 3), torch.randn(6, 1, 4)
    found = fusion.joint_components([one, two], 256)
    assert [part.shape for part in found] == [(6, 2, 3), (6, 1, 4)]
    distance = (one.flatten(1)[:, 0] - two.flatten(1)[:, 3]).norm()
    assert torch.allclose((found[0].flatten(1)[:, 0] - found[1].flatten(1)[:, 3]).norm(), distance, atol=1e-4)


def test_fewer_cells_than_channels_are_no_trouble() -> None:
    maps = [torch.randn(50, 2, 2), torch.randn(50, 1, 3)]
    found = fusion.joint_components(maps, 4)
    cells = torch.cat([each.flatten(1).T for each in maps]).double()
    centred = cells - cells.mean(dim=0)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    expected = (u * s)[:, :4].float()
    flat = torch.cat([each.flatten(1).T for each in found])
    assert torch.allclose(flat.abs(), expected.abs(), atol=1e-4)


def test_flat_pictures_have_components_too() -> None:
    found = fusion.joint_components([torch.ones(8, 2, 2), torch.ones(8, 2, 2)], 4)
    assert all(bool(part.isfinite().all()) for part in found)


def test_unit_halves_count_by_their_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = (torch.randn(5, 3, 3, generator=generator) for _ in range(2))
    other = torch.randn(7, 3, 3, generator=generator)
    for weight in (0.0, 0.3, 1.0):
        a, b = (functional.normalize(fusion.halves(half, other, weight), dim=0) for half in (one, two))
        unit = [functional.normalize(half, dim=0) for half in (one, two)]
        share = weight**2 / (weight**2 + (1 - weight) ** 2)
        expected = share * (unit[0] * unit[1]).sum(dim=0) + (1 - share)
        assert torch.allclose((a * b).sum(dim=0), expected, atol=1e-5)


@pytest.mark.parametrize("window", [5, 7])
def test_windowed_soft_argmax_gives_the_published_position(window: int) -> None:
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
    peak = 0.9 * torch.exp(-((x - 41.3) ** 2 + (y - 17.8) ** 2) / 18)
    found = window_soft_argmax(peak[None], window=window, temperature=0.02)[0]
    assert torch.allclose(found, torch.tensor([41.2552, 17.8435]), atol=1e-3)
    assert torch.allclose(found * 14 + 7, torch.tensor([584.573, 256.809]), atol=1e-2)
