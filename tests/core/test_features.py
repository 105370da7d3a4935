import torch

from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image


def features(hw: tuple[int, int] = (8, 12), image_hw: tuple[int, int] = (64, 96)) -> FeatureMap:
    data = torch.randn(4, *hw, generator=torch.Generator().manual_seed(0))
    return FeatureMap(torch.nn.functional.normalize(data, dim=0), image_hw)


def test_descriptors_are_read_where_their_cells_are():
    it = features()
    assert torch.allclose(it.at(it.centres()), it.flat(), atol=1e-6)


def test_blank_places_hold_no_cells():
    rgb = torch.full((3, 64, 96), 0.5)
    rgb[:, 24:40, 56:72] += 0.2 * torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = features().textured(Image(rgb))
    assert found.region is not None
    assert bool(found.region[3:5, 7:9].all())
    assert not bool(found.region[:, :4].any())
    assert len(found.cells()) == int(found.region.sum()) < 96


def test_a_picture_full_of_texture_keeps_all_cells():
    rgb = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert features().textured(Image(rgb)).region is None


def test_masks_and_texture_both_count():
    rgb = torch.full((3, 64, 96), 0.5)
    rgb[:, :, 48:] = torch.rand(3, 64, 48, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 64, 96)
    mask[:, 32:] = 1
    found = features().within(mask).textured(Image(rgb)).region
    assert found is not None
    assert not bool(found[:4].any())
    assert not bool(found[:, :3].any())
    assert bool(found[4:, 6:].all())
