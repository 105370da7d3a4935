from dataclasses import replace

import torch

from semcorr_cli.core.features import CROWD, FeatureMap, FeatureStack, centred, without_hubs
from semcorr_cli.core.image import Image


def features(hw: tuple[int, int] = (8, 12), image_hw: tuple[int, int] = (64, 96)) -> FeatureMap:
    data = torch.randn(4, *hw, generator=torch.Generator().manual_seed(0))
    return FeatureMap(torch.nn.functional.normalize(data, dim=0), image_hw)


def stack() -> FeatureStack:
    return FeatureStack.single(features().data, (64, 96))


def test_descriptors_are_read_where_their_cells_are():
    it = features()
    assert torch.allclose(it.at(it.centres()), it.flat(), atol=1e-6)


def test_a_map_with_few_cells_is_its_own_reduction():
    it = features()
    assert it.reduced(12) is it


def test_a_reduced_map_holds_unit_means_and_the_region_that_is_mostly_covered():
    region = torch.zeros(8, 12, dtype=torch.bool)
    region[:4, :6] = region[4, :] = True
    it = replace(features(), region=region)
    found = it.reduced(6)
    assert (found.hw, found.image_hw) == ((4, 6), (64, 96))
    means = it.data.reshape(4, 4, 2, 6, 2).mean(dim=(2, 4))
    assert torch.allclose(found.data, torch.nn.functional.normalize(means, dim=0), atol=1e-6)
    assert found.region is not None
    expected = torch.zeros(4, 6, dtype=torch.bool)
    expected[:2, :3] = expected[2, :] = True
    assert torch.equal(found.region, expected)


def test_a_map_of_any_size_is_reduced_by_area():
    it = features()
    for cells in range(1, 12):
        found = it.reduced(cells)
        means = torch.nn.functional.interpolate(it.data[None], size=found.hw, mode="area")[0]
        assert max(found.hw) == cells
        assert torch.allclose(found.data, torch.nn.functional.normalize(means, dim=0), atol=1e-6)
        assert found.flat().data_ptr() == found.data.data_ptr()


def test_what_all_descriptors_of_two_maps_share_is_taken_away():
    one, other = features(), features((6, 5))
    alike = torch.tensor([0.0, 0.0, 0.0, 5.0])[:, None, None]
    shifted = [replace(it, data=torch.nn.functional.normalize(0.2 * it.data + alike, dim=0)) for it in (one, other)]
    first, second = centred(*shifted)
    together = torch.cat([it.flat() for it in shifted])
    expected = torch.nn.functional.normalize(together - together.mean(dim=0), dim=1)
    assert torch.allclose(torch.cat([first.flat(), second.flat()]), expected, atol=1e-5)
    assert float((shifted[0].flat() @ shifted[1].flat().T).min()) > 0.9
    assert float((first.flat() @ second.flat().T).min()) < -0.9


def test_cells_beside_the_regions_do_not_move_the_mean():
    region = torch.zeros(8, 12, dtype=torch.bool)
    region[2:5, 3:9] = True
    it = replace(features(), region=region)
    inside = it.flat()[it.cells()]
    moved = replace(it, data=torch.where(region, it.data, it.data.roll(3, dims=2).flip(1)))
    for one in centred(it, it)[:1] + centred(moved, it)[:1]:
        expected = torch.nn.functional.normalize(inside - inside.mean(dim=0), dim=1)
        assert torch.allclose(one.flat()[one.cells()], expected, atol=1e-5)


def test_maps_without_cells_stay_as_they_are():
    nothing = replace(features(), region=torch.zeros(8, 12, dtype=torch.bool))
    assert centred(nothing, nothing) == (nothing, nothing)


def test_similarities_are_less_half_of_what_the_most_alike_have():
    one, other = features(), features((6, 5))
    first, second = without_hubs(one, other)
    cosines = one.flat() @ other.flat().T
    ours, theirs = (
        table.sort(dim=1, descending=True).values[:, : round(CROWD * table.shape[1])].mean(dim=1)
        for table in (cosines, cosines.T)
    )
    expected = cosines - (ours[:, None] + theirs[None]) / 2
    assert torch.allclose(first.flat() @ second.flat().T, expected, atol=1e-5)


def test_a_place_that_is_like_everything_is_not_everybodys_neighbour():
    generator = torch.Generator().manual_seed(0)
    data = 1 + torch.randn(16, 8, 8, generator=generator)
    noise = 1.2 * torch.randn(16, 8, 8, generator=generator)
    noise[:, 3, 3] = 1 - data[:, 3, 3]  # what all have in common, and nothing else
    one, other = (FeatureMap(torch.nn.functional.normalize(it, dim=0), (64, 64)) for it in (data, data + noise))
    shares = []
    for source, target in ((one, other), without_hubs(one, other)):
        found = (source.flat() @ target.flat().T).argmax(dim=1)
        shares.append(int((found == 3 * 8 + 3).sum()))
    assert shares[1] < shares[0] / 2


def test_only_cells_of_the_region_are_a_crowd():
    region = torch.zeros(8, 12, dtype=torch.bool)
    region[2:6, 3:11] = True
    one, other = features(), replace(features((8, 12)), region=region)
    first, _ = without_hubs(one, other)
    expected = (one.flat() @ other.flat()[other.cells()].T).topk(2, dim=1).values.mean(dim=1) / -2
    assert torch.allclose(first.data[4].flatten(), expected, atol=1e-5)


def test_blank_places_hold_no_cells():
    rgb = torch.full((3, 64, 96), 0.5)
    rgb[:, 24:40, 56:72] += 0.2 * torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = stack().seen(Image(rgb))
    assert found.region is not None
    assert bool(found.region[3:5, 7:9].all())
    assert not bool(found.region[:, :4].any())
    assert len(found.finished().cells()) == int(found.region.sum()) < 96


def test_a_picture_full_of_texture_keeps_all_cells():
    rgb = torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0))
    assert stack().seen(Image(rgb)).region is None


def test_masks_and_texture_both_count():
    rgb = torch.full((3, 64, 96), 0.5)
    rgb[:, :, 48:] = torch.rand(3, 64, 48, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(1, 64, 96)
    mask[:, 32:] = 1
    found = stack().seen(Image(rgb, mask=mask)).region
    assert found is not None
    assert not bool(found[:4].any())
    assert not bool(found[:, :3].any())
    assert bool(found[4:, 6:].all())


def test_a_single_layer_is_the_map_itself():
    found = stack().finished()
    assert torch.equal(found.data, features().data)
    assert (found.image_hw, found.hw, found.region) == ((64, 96), (8, 12), None)


def test_what_is_padded_is_cut_off_and_the_rest_made_unit():
    data = torch.randn(5, 12, 12, generator=torch.Generator().manual_seed(0))
    padded = FeatureStack({"a": data}, (64, 96), (12, 12), (2, 0, 8, 12))
    found = padded.finished(3 * padded.resized("a"))
    assert found.hw == padded.hw == (8, 12)
    assert torch.allclose(found.data, torch.nn.functional.normalize(data[:, 2:10], dim=0), atol=1e-6)


def test_the_region_lies_on_the_picture_not_on_its_frame():
    mask = torch.zeros(1, 64, 96)
    mask[:, :32] = 1
    image = Image(torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)), mask=mask)
    padded = replace(stack(), layers={"a": torch.rand(4, 12, 12)}, grid_hw=(12, 12), inside=(2, 0, 8, 12))
    found = padded.seen(image).region
    assert found is not None
    assert found.shape == (8, 12)
    assert bool(found[:4].all())
    assert not bool(found[4:].any())


def test_layers_are_brought_to_the_grid_bilinearly():
    row = torch.arange(4.0).expand(1, 4, 4)
    found = FeatureStack({"a": row}, (8, 8), (8, 8), (0, 0, 8, 8)).resized("a")
    assert found.shape == (1, 8, 8)
    assert torch.allclose(found[0, 0], torch.tensor([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]))
