import math

import pytest
import torch

from semcorr_cli.core import metrics


def test_truth_scores_100() -> None:
    truth = [torch.rand(n, 2) * 100 for n in (3, 7, 1)]
    hits = [metrics.correct(points, points, 1e-9) for points in truth]
    result = metrics.pck(hits)
    assert (result.per_image, result.per_point, result.pairs, result.points) == (100, 100, 3, 11)


@pytest.mark.parametrize("strict", [True, False])
def test_equals_plain_loops(strict: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    pairs = [
        (torch.rand(n, 2, generator=generator) * 100, torch.rand(n, 2, generator=generator) * 100)
        for n in (5, 9, 2, 14)
    ]
    limit = 30.0
    shares, right, total = [], 0, 0
    for predicted, truth in pairs:
        count = 0
        for p, t in zip(predicted.tolist(), truth.tolist(), strict=True):
            distance = math.hypot(p[0] - t[0], p[1] - t[1])
            count += distance < limit if strict else distance <= limit
        shares.append(count / len(truth))
        right, total = right + count, total + len(truth)
    result = metrics.pck([metrics.correct(p, t, limit, strict=strict) for p, t in pairs])
    assert result.per_image == pytest.approx(100 * sum(shares) / len(shares))
    assert result.per_point == pytest.approx(100 * right / total)


def test_the_threshold_itself_counts_unless_strict() -> None:
    predicted, truth = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    assert metrics.correct(predicted, truth, 5.0).tolist() == [True]
    assert metrics.correct(predicted, truth, 5.0, strict=True).tolist() == [False]


def test_pairs_without_points_do_not_count() -> None:
    none = torch.zeros(0, dtype=torch.bool)
    assert metrics.pck([none]).pairs == 0
    assert metrics.pck([none, torch.tensor([True, False])]).per_image == 50


def test_a_shuffled_truth_scores_what_chance_gives() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = torch.rand(20_000, 2, generator=generator)
    shuffled = truth[torch.randperm(20_000, generator=generator)]
    radius = 0.1
    # probability that two uniform points of the unit square lie within r of each other
    expected = math.pi * radius**2 - 8 / 3 * radius**3 + radius**4 / 2
    measured = metrics.pck([metrics.correct(shuffled, truth, radius)]).per_point / 100
    assert measured == pytest.approx(expected, abs=0.003)


def test_end_point_error_ignores_unknown_truth() -> None:
    truth = torch.tensor([[0.0, 0.0], [math.nan, 0.0]])
    assert metrics.end_point_error(torch.tensor([[3.0, 4.0], [9.0, 9.0]]), truth) == 5
    assert math.isnan(metrics.end_point_error(truth[1:], truth[1:]))


def test_distance_of_clouds_is_that_of_a_shift() -> None:
    cloud = torch.randn(3000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([5.0, 1.0, 2.0])
    assert metrics.sliced_wasserstein(cloud, cloud.flip(0)) == pytest.approx(0, abs=1e-4)
    shift = torch.tensor([3.0, 0.0, 4.0])
    assert metrics.sliced_wasserstein(cloud, cloud + shift) == pytest.approx(5 / 3**0.5, rel=0.2)
    assert metrics.sliced_wasserstein(cloud, cloud * 2) > 1


def test_gradient_correlation_sees_structure_and_not_contrast() -> None:
    a, b = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(0))
    assert metrics.gradient_correlation(a, 3 * a + 7) == pytest.approx(1)
    assert metrics.gradient_correlation(a, -a) == pytest.approx(-1)
    assert abs(metrics.gradient_correlation(a, b)) < 0.1
    assert metrics.gradient_correlation(a, torch.zeros_like(a)) == 0
    assert metrics.gradient_correlation(torch.zeros_like(a), a) == 1


def test_colour_difference_of_white_and_black_is_100() -> None:
    white, black = torch.ones(3, 2, 2), torch.zeros(3, 2, 2)
    assert metrics.colour_difference(white, black) == pytest.approx(torch.full((2, 2), 100.0), abs=0.05)
    assert float(metrics.colour_difference(white, white).max()) == 0
