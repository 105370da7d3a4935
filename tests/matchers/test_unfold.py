import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcorr_cli.core import coords
from semcorr_cli.core.matches import Matches
from semcorr_cli.matchers import smooth
from semcorr_cli.matchers.smooth import SmoothFit, SmoothOptions
from semcorr_cli.matchers.unfold import MIN_DETERMINANT, unfold

HW = (160, 200)
LOOSE = SmoothOptions(scale_start=1.0, scale_end=1.0, smoothing_start=1e-7, smoothing_end=1e-7)
"""Follows the matches wherever they go."""

SIZES = st.tuples(st.integers(16, 300), st.integers(16, 300))
KINDS = (
    "smooth",
    "noisy",
    "all outliers",
    "on one line",
    "nearly on one line",
    "duplicated",
    "two clusters",
    "two points",
    "one point",
    "none",
    "crossed halves",
    "upside down",
    "mirrored",
    "from one place",
    "nearly from one place",
    "to one place",
    "far outside",
)


def adversary(kind: str, source_hw: tuple[int, int], target_hw: tuple[int, int], seed: int) -> Matches:
    """Returns matches that ask for something a warp must not do, or that do not say enough."""
    generator = torch.Generator().manual_seed(seed)

    def draw(rows: int, columns: int = 2) -> torch.Tensor:
        return torch.rand(rows, columns, generator=generator)

    # positions are shares of the pictures' sizes until the last lines
    count = {"none": 0, "one point": 1, "two points": 2}.get(kind, 3 + seed % 120)
    target = draw(count)
    if "one line" in kind:
        width = 0 if kind == "on one line" else 0.02
        target = torch.tensor([0.1, 0.8]) + draw(count, 1) * torch.tensor([0.7, -0.6]) + width * (draw(count) - 0.5)
    elif kind == "two clusters":
        target = torch.where(torch.arange(count)[:, None] % 2 == 0, 0.05 * target, 0.95 + 0.05 * target)
    elif kind == "to one place":
        target = target[:1].expand(count, 2).clone()
    source = target + 0.05 * torch.sin(7 * target.flip(1))
    left = target[:, :1] < 0.5
    if kind == "noisy":
        source = source + 0.05 * (draw(count) - 0.5)
    elif kind in ("all outliers", "two points", "one point", "to one place"):
        source = draw(count)
    elif kind == "duplicated":
        target, source = target.repeat(3, 1), torch.cat([source, source, draw(count)])
    elif kind == "crossed halves":
        source = torch.where(left, target + torch.tensor([0.5, 0.0]), target - torch.tensor([0.5, 0.0]))
    elif kind == "upside down":
        source = torch.where(left, target, target * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 1.0]))
    elif kind == "mirrored":
        source = target * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    elif "from one place" in kind:
        source = torch.tensor([0.3, 0.6]) + (0 if kind == "from one place" else 1e-7) * (draw(count) - 0.5)
    elif kind == "far outside":
        source = source * 50 - 20
    to_source, to_target = (torch.tensor([float(hw[1]), float(hw[0])]) for hw in (source_hw, target_hw))
    score = 0.05 + 0.95 * draw(len(target), 1)[:, 0]
    return Matches((source * to_source).float(), (target * to_target).float(), score, source_hw, target_hw)


def fit(matches: Matches, options: SmoothOptions | None = None) -> SmoothFit:
    return smooth.fit(matches, options or SmoothOptions(), torch.Generator().manual_seed(0))


def nothing_folds(kind: str, source_hw: tuple[int, int], target_hw: tuple[int, int], seed: int, loose: bool) -> None:
    fitted = fit(adversary(kind, source_hw, target_hw, seed), LOOSE if loose else None)
    result = unfold(fitted)
    assert bool(result.warp.nodes.isfinite().all())
    assert float(result.warp.determinants().min()) > 0
    assert 0 <= result.fold_share <= 1
    assert (result.warp.source_hw, result.warp.target_hw) == (source_hw, target_hw)
    assert math.isinf(result.smoothing) or result.smoothing >= fitted.options.smoothing_end


ANY = {"source_hw": SIZES, "target_hw": SIZES, "seed": st.integers(0, 10**6), "loose": st.booleans()}
QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@given(kind=st.sampled_from(KINDS), **ANY)
@QUICK
def test_no_warp_folds(
    kind: str, source_hw: tuple[int, int], target_hw: tuple[int, int], seed: int, loose: bool
) -> None:
    nothing_folds(kind, source_hw, target_hw, seed, loose)


@pytest.mark.parametrize("loose", [False, True], ids=["stiff", "loose"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_adversary_folds_the_warp(kind: str, loose: bool) -> None:
    nothing_folds(kind, (160, 200), (120, 90), 4, loose)


@pytest.mark.slow
@given(kind=st.sampled_from(KINDS), **ANY)
@settings(QUICK, max_examples=1000)
def test_no_warp_folds_in_a_thousand_tries(
    kind: str, source_hw: tuple[int, int], target_hw: tuple[int, int], seed: int, loose: bool
) -> None:
    nothing_folds(kind, source_hw, target_hw, seed, loose)


@pytest.mark.parametrize("kind", ["all outliers", "crossed halves", "upside down"])
def test_a_folding_fit_says_how_much_of_it_folded(kind: str) -> None:
    result = unfold(fit(adversary(kind, HW, HW, 100), LOOSE))
    assert 0.01 < result.fold_share < 1
    assert result.smoothing > LOOSE.smoothing_end


def test_a_benign_fit_is_left_as_it_is() -> None:
    matches = adversary("smooth", HW, HW, 100)
    fitted = fit(matches)
    result = unfold(fitted)
    assert result.fold_share == 0
    assert result.smoothing == fitted.options.smoothing_end
    queries = coords.pixel_centres(HW)[::7, ::7].reshape(-1, 2)
    assert torch.allclose(result.warp.at(queries), fitted.field(queries), atol=0.2)
    assert bool((result.warp.confidence == 1).all())


def test_what_nearly_folds_is_stiffened_too() -> None:
    knots = torch.cartesian_prod(torch.linspace(0, 200, 12), torch.linspace(0, 160, 9))
    # a long stretch of the target reads next to the same place: squeezed, though never turned over
    squeezed = knots.clone()
    squeezed[:, 0] = 100 + (knots[:, 0] - 100) * ((knots[:, 0] - 100).abs() / 100) ** 3
    fitted = fit(Matches(squeezed, knots, torch.ones(len(knots)), HW, HW), LOOSE)
    worst = unfold(fitted).warp.determinants().amin(dim=-1)
    assert float(worst.min()) > MIN_DETERMINANT * float(worst.median())


def test_a_similarity_passes_through() -> None:
    two = Matches(
        torch.tensor([[100.0, 50.0], [100.0, 100.0]]),
        torch.tensor([[100.0, 50.0], [200.0, 50.0]]),
        torch.ones(2),
        HW,
        HW,
    )
    result = unfold(fit(two))
    assert math.isinf(result.smoothing)
    assert result.fold_share == 0
    assert torch.allclose(result.warp.at(two.target), two.source, atol=1e-2)
    assert torch.allclose(result.warp.determinants(), torch.tensor(0.25), atol=1e-3)
