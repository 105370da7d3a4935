import math

import pytest
import torch

from semcorr_cli.core import coords, spline
from semcorr_cli.core.matches import Matches
from semcorr_cli.matchers import smooth
from semcorr_cli.matchers.looks import FieldOptions
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions

HW = (1024, 1024)
SMALL = (200, 300)


def matches(source: torch.Tensor, target: torch.Tensor, score: torch.Tensor | None = None) -> Matches:
    return Matches(source.float(), target.float(), torch.ones(len(source)) if score is None else score, SMALL, SMALL)


def fit(pairs: Matches, options: SmoothOptions | None = None, seed: int = 0) -> SmoothFit:
    return smooth.fit(pairs, options or SmoothOptions(), torch.Generator().manual_seed(seed))


def scattered(count: int, seed: int = 0, hw: tuple[int, int] = SMALL) -> torch.Tensor:
    return torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([hw[1], hw[0]])


def bent(generator: torch.Generator) -> spline.ThinPlateSpline:
    knots = spline.lattice_knots(HW, 4)
    shift = (torch.rand(knots.shape, generator=generator, dtype=torch.float64) * 2 - 1) * 0.08 * HW[0]
    return spline.fit(knots, knots + shift, smoothing=0.0, frame_hw=HW)


# The close fits refine what is aligned already: they draw no affine starts and cannot bear as many outliers.
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("options", "share"),
    [
        (FieldOptions().second, 0.0),
        (FieldOptions().second, 0.3),
        (FieldOptions().second, 0.5),
        (FieldOptions().close, 0.0),
        (FieldOptions().close, 0.3),
    ],
    ids=["second 0", "second 30 %", "second 50 %", "close 0", "close 30 %"],
)
def test_a_smooth_map_is_recovered_whatever_the_outliers_say(options: SmoothOptions, share: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    truth, target = bent(generator), scattered(400, seed, HW)
    source = truth(target).float() + 3 * torch.randn(400, 2, generator=generator)
    wrong = torch.arange(400) < share * 400
    source[wrong] = torch.rand(int(wrong.sum()), 2, generator=generator) * HW[0]
    fitted = fit(Matches(source, target, torch.ones(400), HW, HW), options)
    queries = coords.pixel_centres(HW)[8::16, 8::16].reshape(-1, 2)
    assert float((fitted.field(queries) - truth(queries)).norm(dim=-1).mean()) < 6
    assert float(fitted.trust[~wrong].median()) > 0.9
    if share:
        assert float(fitted.trust[wrong].median()) < 0.1
    assert fitted.cost == pytest.approx(share, abs=0.12)


def test_a_low_score_is_little_say() -> None:
    target = scattered(60)
    source = target.clone()
    source[:30] += torch.tensor([25.0, 0.0])
    score = torch.where(torch.arange(60) < 30, 0.1, 1.0)
    assert torch.allclose(fit(matches(source, target, score)).field(target), target, atol=2)


def test_matches_below_the_least_score_are_not_heard() -> None:
    target, nonsense = scattered(40), scattered(500, 1)
    pairs = matches(torch.cat([target, nonsense]), torch.cat([target, scattered(500, 2)]), torch.ones(540))
    quiet = torch.where(torch.arange(540) < 40, 1.0, 0.9 * smooth.MIN_SCORE)
    fitted = fit(matches(pairs.source, pairs.target, quiet))
    assert torch.allclose(fitted.field(target), target, atol=0.5)


def test_no_match_means_mere_resizing() -> None:
    none = torch.zeros(0, 2)
    fitted = fit(Matches(none, none, none[:, 0], (100, 400), (50, 80)))
    assert fitted.cost == 1
    assert not fitted.bends
    assert fitted.trust.shape == (0,)
    corners = torch.tensor([[0.0, 0.0], [80.0, 50.0]])
    assert torch.allclose(fitted.field(corners), torch.tensor([[0.0, 0.0], [400.0, 100.0]]), atol=1e-4)


def test_one_match_means_a_translation() -> None:
    fitted = fit(matches(torch.tensor([[110.0, 90.0]]), torch.tensor([[100.0, 100.0]])))
    queries = scattered(20)
    assert torch.allclose(fitted.field(queries), queries + torch.tensor([10.0, -10.0]), atol=1e-3)
    assert not fitted.bends


def test_two_matches_mean_a_similarity() -> None:
    target, source = torch.tensor([[100.0, 50.0], [200.0, 50.0]]), torch.tensor([[100.0, 50.0], [100.0, 100.0]])
    fitted = fit(matches(source, target))
    # a quarter turn and half the size round the first point
    expected = torch.tensor([[75.0, 75.0]])
    assert torch.allclose(fitted.field(torch.tensor([[150.0, 100.0]])), expected, atol=1e-3)
    assert torch.allclose(fitted.field(target), source, atol=1e-3)
    assert fitted.cost == pytest.approx(0, abs=1e-6)


def test_matches_on_one_line_mean_a_similarity() -> None:
    along = torch.linspace(0, 1, 30)[:, None]
    target = torch.tensor([10.0, 20.0]) + along * torch.tensor([200.0, 100.0])
    fitted = fit(matches(target * 0.5 + 30, target))
    assert not fitted.bends
    queries = scattered(20)
    assert torch.allclose(fitted.field(queries), queries * 0.5 + 30, atol=1e-2)


def test_repeating_all_matches_changes_nothing() -> None:
    target = scattered(40)
    source = target + 6 * torch.sin(target.flip(1) / 40)
    once, thrice = fit(matches(source, target)), fit(matches(source.repeat(3, 1), target.repeat(3, 1)))
    assert torch.allclose(thrice.field(target), once.field(target), atol=0.5)


def test_the_larger_of_two_clusters_that_disagree_wins() -> None:
    target = scattered(100)
    source = target.clone()
    source[:35] += torch.tensor([80.0, -60.0])
    fitted = fit(matches(source, target))
    assert float((fitted.field(target) - target).norm(dim=1).mean()) < 3
    assert float(fitted.trust[:35].max()) < 0.2


SETS = {
    "none": (torch.zeros(0, 2), torch.zeros(0, 2)),
    "one": (scattered(1), scattered(1, 1)),
    "two": (scattered(2), scattered(2, 1)),
    "two at one place": (scattered(2), scattered(1, 1).expand(2, 2)),
    "three": (scattered(3), scattered(3, 1)),
    "all at one place": (scattered(20), scattered(1, 1).expand(20, 2)),
    "all from one place": (scattered(1).expand(20, 2), scattered(20, 1)),
    "one pair many times": (scattered(1).expand(20, 2), scattered(1, 1).expand(20, 2)),
    "on one line": (scattered(20), torch.linspace(0, 200, 20)[:, None].expand(20, 2)),
    "two far clusters": (
        torch.cat([scattered(20) / 20, 190 + scattered(20, 1) / 20]),
        torch.cat([scattered(20, 2) / 20, 190 + scattered(20, 3) / 20]),
    ),
    "all outliers": (scattered(200), scattered(200, 1)),
    "crossed": (scattered(100), scattered(100).flip(0)),
    "far outside": (scattered(30) + 1e4, scattered(30, 1) - 1e4),
}


@pytest.mark.parametrize("name", SETS)
def test_every_set_of_matches_has_a_finite_map_and_trust_in_range(name: str) -> None:
    source, target = SETS[name]
    pairs = matches(source, target)
    fitted = fit(pairs)
    mapped = fitted.field(torch.cat([scattered(50, 9), target.float()]))
    assert bool(mapped.isfinite().all())
    assert fitted.trust.shape == (len(pairs),)
    assert bool(((fitted.trust >= 0) & (fitted.trust <= 1)).all())
    assert 0 <= fitted.cost <= 1
    assert math.isclose(fitted.cost, 1 - float(fitted.trust.mean()) if len(pairs) else 1, abs_tol=1e-5)


@pytest.mark.parametrize("name", ["all outliers", "two far clusters", "two"])
def test_the_generator_decides(name: str) -> None:
    pairs, queries = matches(*SETS[name]), scattered(50, 9)
    assert torch.equal(fit(pairs, seed=3).field(queries), fit(pairs, seed=3).field(queries))


@pytest.mark.parametrize("count", [0, 1, 2, 200], ids=["none", "one", "two", "many"])
def test_a_fit_for_other_sizes_is_the_same_map(count: int) -> None:
    target = scattered(count, seed=3)
    found = fit(matches(target + 12 * torch.sin(target / 40), target))
    resized = found.resized((400, 600), (300, 450))
    queries = scattered(50, seed=4)
    there = resized.field(1.5 * queries)
    assert torch.allclose(there.float(), 2 * found.field(queries).float(), atol=0.02)
    assert (resized.matches.source_hw, resized.matches.target_hw) == ((400, 600), (300, 450))
    assert resized.cost == pytest.approx(found.cost, abs=0.01)
    assert resized.bends == found.bends


def test_a_stiffer_map_bends_less() -> None:
    target = scattered(80)
    fitted = fit(matches(target + 10 * torch.sin(target.flip(1) / 30), target))
    bending = [float(fitted.stiffer(smoothing).kernel.abs().sum()) for smoothing in (1e-3, 1e-1, 10.0)]
    assert bending[0] > 3 * bending[1] > 9 * bending[2]
    assert fit(matches(*SETS["two"])).stiffer(1.0) is None


def test_affine_starts_neither_turn_over_nor_collapse() -> None:
    x = scattered(50).double() / 300
    mirrored, collapsed = x * torch.tensor([-1.0, 1.0]), x * 0.01
    weight = torch.ones(50, dtype=torch.float64)
    for y in (mirrored, collapsed):
        generator = torch.Generator().manual_seed(0)
        assert smooth.affine_starts(x, y, weight, SmoothOptions(), generator) == []
    (best, *_) = smooth.affine_starts(x, 1.5 * x + 0.2, weight, SmoothOptions(), torch.Generator().manual_seed(0))
    assert torch.allclose(best, 1.5 * x + 0.2, atol=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_crossed_matches_show_as_a_mirrored_share(share: float) -> None:
    generator = torch.Generator().manual_seed(3)
    target = torch.rand(400, 2, generator=generator) * 200
    source = target.clone()
    crossed = torch.rand(400, generator=generator) < share
    source[crossed, 0] = 200 - source[crossed, 0]
    pairs = Matches(source, target, torch.ones(400), (200, 200), (200, 200))
    found = smooth.mirrored_share(fit(pairs), torch.Generator().manual_seed(0))
    # those near the axis hardly move: they agree with either map
    assert found == pytest.approx(share, abs=0.1)
    assert found <= share
