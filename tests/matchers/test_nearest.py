import math

import pytest
import torch

from semcorr_cli.core.features import FeatureMap, centred, without_hubs
from semcorr_cli.matchers.nearest import NearestOptions, match

CENTRES = NearestOptions(window=0)


def features(hw: tuple[int, int], image_hw: tuple[int, int], seed: int = 0, channels: int = 16) -> FeatureMap:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(channels, *hw, generator=generator)
    return FeatureMap(torch.nn.functional.normalize(data, dim=0), image_hw)


def region(like: FeatureMap, rows: slice, columns: slice) -> FeatureMap:
    chosen = torch.zeros(like.hw, dtype=torch.bool)
    chosen[rows, columns] = True
    return FeatureMap(like.data, like.image_hw, chosen)


def by_plain_loops(source: FeatureMap, target: FeatureMap) -> list[tuple[int, int, float]]:
    """Returns (source cell, target cell, score) of every source cell, then of every target cell."""

    def vectors(of: FeatureMap) -> list[list[float]]:
        return [of.data[:, i, j].tolist() for i in range(of.hw[0]) for j in range(of.hw[1])]

    def nearest(vector: list[float], others: list[list[float]]) -> tuple[int, float]:
        cosines = [sum(a * b for a, b in zip(vector, other, strict=True)) for other in others]
        return max(enumerate(cosines), key=lambda pair: pair[1])

    def one_way(here: FeatureMap, there: FeatureMap) -> list[tuple[int, int, float]]:
        mine, theirs = vectors(here), vectors(there)
        height, width = here.image_hw[0] / here.hw[0], here.image_hw[1] / here.hw[1]
        rows = []
        for start, vector in enumerate(mine):
            end, cosine = nearest(vector, theirs)
            back, _ = nearest(theirs[end], mine)
            dy = (back // here.hw[1] - start // here.hw[1]) * height
            dx = (back % here.hw[1] - start % here.hw[1]) * width
            cycle = math.hypot(dx, dy) / math.sqrt(height * width)
            rows.append((start, end, max(0.0, math.exp(-((cycle / 2) ** 2) / 2) * cosine)))
        return rows

    return one_way(source, target) + [(end, start, score) for start, end, score in one_way(target, source)]


@pytest.mark.parametrize("options", [CENTRES, NearestOptions()], ids=["centres", "between cells"])
def test_a_map_matched_with_itself_stays_where_it_is(options: NearestOptions) -> None:
    same = features((9, 12), (90, 180), channels=64)
    found = match(same, same, options)
    assert torch.allclose(found.matches.source, found.matches.target, atol=1e-2)
    assert float(found.matches.score.min()) > 0.999
    assert found.cycle_rate == 1
    assert len(found.matches) == 2 * 9 * 12


@pytest.mark.parametrize("seed", range(3))
def test_pairs_and_scores_equal_plain_loops(seed: int) -> None:
    source, target = features((5, 7), (100, 90), seed), features((6, 4), (30, 120), seed + 10)
    found = match(source, target, CENTRES).matches
    expected = by_plain_loops(source, target)
    assert len(found) == len(expected) == 5 * 7 + 6 * 4
    starts, ends = source.centres(), target.centres()
    for row, (start, end, score) in enumerate(expected):
        assert torch.allclose(found.source[row], starts[start], atol=1e-4)
        assert torch.allclose(found.target[row], ends[end], atol=1e-4)
        assert float(found.score[row]) == pytest.approx(score, abs=1e-5)


def test_without_hubs_neighbours_are_others_and_scores_cosines_still() -> None:
    source, target = features((6, 6), (60, 60), 1), features((5, 7), (50, 70), 2)
    found = match(source, target, NearestOptions(window=0, hubs=False)).matches
    first, second = without_hubs(source, target)
    products = first.flat() @ second.flat().T
    there, back = products.argmax(dim=1), products.argmax(dim=0)
    assert torch.equal(found.target[:36], target.centres()[there])
    assert not torch.equal(found.target, match(source, target, CENTRES).matches.target)
    cycle = (source.centres()[back[there]] - source.centres()).norm(dim=1) / 10
    cosines = (source.flat() * target.flat()[there]).sum(dim=1)
    expected = (torch.exp(-((cycle / 2) ** 2) / 2) * cosines).clamp_min(0)
    assert torch.allclose(found.score[:36], expected, atol=1e-5)


def test_without_what_is_common_the_rest_is_compared() -> None:
    source, target = features((6, 6), (60, 60), 1), features((5, 7), (50, 70), 2)
    found = match(source, target, NearestOptions(common=False)).matches
    expected = match(*centred(source, target)).matches
    assert torch.equal(found.target, expected.target)
    assert torch.equal(found.score, expected.score)
    assert not torch.equal(found.target, match(source, target).matches.target)


def test_cycle_rate_is_the_share_that_comes_back_within_three_cells() -> None:
    source, target = features((8, 8), (64, 64), 1), features((8, 8), (64, 64), 2)
    flat_s, flat_t = source.flat(), target.flat()
    there, back = (flat_s @ flat_t.T).argmax(dim=1), (flat_t @ flat_s.T).argmax(dim=1)
    centres = source.centres() / 8
    errors = [(centres[back[there]] - centres).norm(dim=1), (centres[there[back]] - centres).norm(dim=1)]
    assert match(source, target).cycle_rate == pytest.approx(float((torch.cat(errors) < 3.0001).float().mean()))


@pytest.mark.parametrize("window", [0, 1, 2, 5])
def test_no_match_lies_outside_the_regions(window: int) -> None:
    whole_s, whole_t = features((12, 12), (120, 120), 3), features((12, 12), (120, 120), 4)
    # The best match of every cell lies where it must not be looked for: the other's region holds a poor copy of it.
    source = region(whole_s, slice(0, 5), slice(0, 12))
    data = whole_t.data.clone()
    data[:, 7:12] = whole_s.data[:, 0:5]
    data[:, 0:5] = torch.nn.functional.normalize(whole_s.data[:, 0:5] + 0.5 * whole_t.data[:, 0:5], dim=0)
    target = region(FeatureMap(data, whole_t.image_hw), slice(0, 6), slice(2, 12))
    found = match(source, target, NearestOptions(window=window)).matches
    assert len(found) == 5 * 12 + 6 * 10
    assert float(found.source[:, 1].max()) <= 50
    assert float(found.target[:, 1].max()) <= 60
    assert float(found.target[:, 0].min()) >= 20


@pytest.mark.parametrize("which", ["source", "target", "both"])
def test_an_empty_region_gives_no_matches(which: str) -> None:
    full = features((6, 8), (60, 80))
    empty = region(full, slice(0, 0), slice(0, 0))
    found = match(full if which == "target" else empty, full if which == "source" else empty)
    assert (len(found.matches), found.cycle_rate) == (0, 0)
    assert (found.matches.source_hw, found.matches.target_hw) == ((60, 80), (60, 80))


def test_window_zero_keeps_cell_centres() -> None:
    source, target = features((6, 9), (60, 180), 5), features((7, 5), (77, 25), 6)
    found = match(source, target, CENTRES).matches
    for points, centres in ((found.source, source.centres()), (found.target, target.centres())):
        assert float(torch.cdist(points, centres).min(dim=1).values.max()) < 1e-4


def test_a_window_moves_matches_by_at_most_its_width() -> None:
    source, target = features((10, 10), (100, 100), 5, 4), features((10, 10), (100, 100), 6, 4)
    centres = match(source, target, CENTRES).matches
    moved = match(source, target, NearestOptions(window=1, temperature=0.5)).matches
    distance = torch.cat([moved.target - centres.target, moved.source - centres.source]).abs()
    assert float(distance.max()) <= 10 + 1e-3
    assert float(distance.max()) > 1


def test_inconsistent_matches_stay_at_cell_centres() -> None:
    source, target = features((10, 10), (100, 100), 5, 4), features((10, 10), (100, 100), 6, 4)
    # A decay of more than 1 is never reached, so no match counts as near.
    found = match(source, target, NearestOptions(window=2, temperature=0.5, min_decay=2.0)).matches
    assert torch.equal(found.target, match(source, target, CENTRES).matches.target)


@pytest.mark.parametrize("by", [(0, 3), (2, 0), (2, -3)])
def test_a_translation_by_whole_cells_is_recovered(by: tuple[int, int]) -> None:
    source = features((12, 15), (120, 150), 7, 64)
    target = FeatureMap(source.data.roll(by, dims=(1, 2)), source.image_hw)
    found = match(source, target).matches
    wrapped = torch.tensor([150.0, 120.0])
    shift = (found.target - found.source - torch.tensor([10.0 * by[1], 10.0 * by[0]]) + wrapped / 2) % wrapped
    assert torch.allclose(shift, (wrapped / 2).expand_as(shift), atol=1e-2)
    assert float(found.score.min()) > 0.999


def test_source_and_target_are_treated_alike() -> None:
    a, b = features((6, 9), (60, 180), 5), features((7, 5), (77, 25), 6)
    there, back = match(a, b), match(b, a)
    assert there.cycle_rate == pytest.approx(back.cycle_rate)
    order = torch.cat([torch.arange(35, 35 + 54), torch.arange(35)])
    assert torch.equal(there.matches.source, back.matches.target[order])
    assert torch.equal(there.matches.score, back.matches.score[order])
