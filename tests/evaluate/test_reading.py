import pytest
import torch
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.features import FeatureMap
from semcorr_cli.evaluate.reading import nearest


def features(hw: tuple[int, int], image_hw: tuple[int, int], seed: int) -> FeatureMap:
    data = torch.randn(6, *hw, generator=torch.Generator().manual_seed(seed))
    return FeatureMap(functional.normalize(data, dim=0), image_hw)


def points(image_hw: tuple[int, int], count: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(9)
    return torch.rand(count, 2, generator=generator) * torch.tensor([image_hw[1], image_hw[0]])


@pytest.mark.parametrize(("reading", "offset"), [("centre", 6.5), ("+7", 7.0)])
def test_on_the_references_grid_positions_are_the_references(reading: str, offset: float) -> None:
    source, target = features((60, 60), (840, 840), 0), features((60, 60), (840, 840), 1)
    at = points((840, 840))
    found = nearest(source, target, at, reading) - 0.5  # from the first pixel's centre, as the reference counts
    for (x, y), place in zip((at - 0.5).tolist(), found.tolist(), strict=True):
        vector = source.data[:, int((y + 0.5) / 14), int((x + 0.5) / 14)]
        best = max((float(vector @ target.data[:, i, j]), i, j) for i in range(60) for j in range(60))
        assert place == [best[2] * 14 + offset, best[1] * 14 + offset]


def test_the_offset_shrinks_with_the_picture() -> None:
    source, target = features((4, 5), (40, 50), 0), features((6, 4), (210, 140), 1)
    at = points((40, 50))
    centre, shifted = (nearest(source, target, at, reading) for reading in ("centre", "+7"))
    assert torch.allclose(shifted - centre, torch.tensor(0.125))


def test_bilinear_compares_every_pixel_of_enlarged_descriptors() -> None:
    source, target = features((4, 5), (37, 50), 0), features((6, 4), (45, 30), 1)
    at = points((37, 50))
    large = [
        functional.normalize(
            functional.interpolate(each.data[None], size=each.image_hw, mode="bilinear", align_corners=False)[0], dim=0
        )
        for each in (source, target)
    ]
    found = nearest(source, target, at, "bilinear")
    for (x, y), place in zip((at - 0.5).clamp_min(0).tolist(), found.tolist(), strict=True):
        vector = large[0][:, min(int(y), 36), min(int(x), 49)]
        similarity = torch.einsum("c,chw->hw", vector, large[1])
        column, row = (int(value) for value in place)
        assert place == [column + 0.5, row + 0.5]
        assert float(similarity[row, column]) == pytest.approx(float(similarity.max()), abs=1e-5)  # the rim is flat


def test_points_beyond_the_rim_are_those_of_the_rim() -> None:
    source, target = features((4, 5), (37, 50), 0), features((6, 4), (45, 30), 1)
    for reading in ("centre", "+7", "bilinear"):
        beyond = nearest(source, target, torch.tensor([[-9.0, -3.0], [70.0, 50.0]]), reading)
        assert torch.equal(beyond, nearest(source, target, torch.tensor([[0.4, 0.4], [49.7, 36.7]]), reading))
