import math
from dataclasses import replace

import pytest
import torch

from semcorr_cli.core.matches import Matches
from semcorr_cli.effects.controls import ANCHORS, TRUSTED, Controls
from semcorr_cli.effects.placement import Placement
from tests.specimens import correspondence, mapped, shifted

HW = (90, 120)
PLACES = (Placement.of(HW, HW, "stretch"), Placement.of(HW, HW, "stretch"))
MIDDLE = torch.tensor([60.0, 45.0])


def turned(degrees: float, scale: float = 1.0) -> Controls:
    """Returns control points that all turn about the middle."""
    cosine, sine = (scale * f(math.radians(degrees)) for f in (math.cos, math.sin))
    start = 30 * torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    start = start - start.mean(dim=0) + MIDDLE
    end = (start - MIDDLE) @ torch.tensor([[cosine, sine], [-sine, cosine]]) + MIDDLE
    return Controls(start, end, torch.ones(40), torch.ones(40))


@pytest.mark.parametrize("degrees", [10, 60, 120, 179])
def test_what_turns_keeps_its_size_on_an_arc(degrees: float) -> None:
    controls = turned(degrees)
    size = (controls.start - MIDDLE).norm(dim=-1)
    for s in (0.25, 0.5, 0.75):
        assert torch.allclose((controls.between(s, "arc") - MIDDLE).norm(dim=-1), size, atol=1e-2)
        shrunk = (controls.between(s, "straight") - MIDDLE).norm(dim=-1)
        assert bool((shrunk < size).all())


def test_what_grows_grows_by_equal_factors_on_an_arc() -> None:
    controls = turned(30, 4.0)
    sizes = [(controls.between(s, "arc") - MIDDLE).norm(dim=-1) for s in (0.0, 0.5, 1.0)]
    assert torch.allclose(sizes[1] / sizes[0], sizes[2] / sizes[1], rtol=1e-3)


@pytest.mark.parametrize("path", ["arc", "straight"])
def test_paths_start_and_end_where_they_should(path: str) -> None:
    controls = turned(75, 1.3)
    moved = Controls(controls.start, controls.end + torch.randn(40, 2), controls.weight, torch.rand(40))
    assert torch.allclose(moved.between(0.0, path), moved.start, atol=1e-3)
    assert torch.allclose(moved.between(1.0, path), moved.end, atol=1e-3)


def test_an_arc_without_turn_is_straight() -> None:
    start = 50 * torch.rand(30, 2)
    controls = Controls(start, start + torch.tensor([7.0, -3.0]), torch.ones(30), torch.ones(30))
    assert torch.allclose(controls.between(0.3, "arc"), controls.between(0.3, "straight"), atol=1e-3)


def test_what_is_not_trusted_does_not_turn() -> None:
    controls = turned(90)
    half = Controls(controls.start, controls.end, controls.weight, (torch.arange(40) < 20).float())
    assert torch.allclose(half.between(0.5, "arc")[20:], half.between(0.5, "straight")[20:])
    assert not torch.allclose(half.between(0.5, "arc")[:20], half.between(0.5, "straight")[:20], atol=1.0)


def test_what_has_no_counterpart_stays_and_what_has_one_travels() -> None:
    field = shifted((12.0, 0.0), HW).with_confidence(lambda xy: (xy[:, 0] > 60).float())
    controls = Controls.of(correspondence(field), None, PLACES, HW)
    travelled = (controls.start - controls.end)[:, 0]
    assert torch.allclose(travelled[controls.end[:, 0] < 50], torch.zeros(()), atol=1e-3)
    assert torch.allclose(travelled[controls.end[:, 0] > 70], torch.tensor(12.0), atol=1e-3)


def test_nothing_is_held_where_that_is_not_wanted() -> None:
    field = shifted((12.0, 0.0), HW).with_confidence(lambda xy: (xy[:, 0] > 60).float())
    controls = Controls.of(correspondence(field), None, PLACES, HW, held=False)
    assert torch.allclose((controls.start - controls.end)[:, 0], torch.tensor(12.0), atol=1e-3)
    # Nothing known at all: a spline needs points nevertheless.
    nothing = mapped(lambda xy: xy, HW, HW).with_confidence(lambda xy: torch.zeros(len(xy)))
    assert len(Controls.of(correspondence(nothing), None, PLACES, HW, held=False).start) >= 4 * ANCHORS


def test_points_set_by_hand_alone_leave_the_rim_where_it_is() -> None:
    hand = Matches(torch.tensor([[30.0, 30.0]]), torch.tensor([[40.0, 35.0]]), torch.ones(1), HW, HW)
    controls = Controls.of(None, hand, PLACES, HW)
    assert len(controls.start) == 4 * ANCHORS + 1
    assert torch.equal(controls.start[:-1], controls.end[:-1])
    assert controls.start[-1].tolist() == [30, 30]
    assert controls.end[-1].tolist() == [40, 35]


def test_a_doubtful_correspondence_moves_less_and_a_likely_one_all_the_way() -> None:
    field = correspondence(shifted((12.0, -8.0), HW))

    def moved(probability: float) -> torch.Tensor:
        judged = replace(field, quality=replace(field.quality, probability=probability))
        controls = Controls.of(judged, None, PLACES, HW)
        return (controls.start - controls.end)[: -4 * ANCHORS]

    whole = moved(1.0)
    assert torch.equal(moved(TRUSTED), whole)
    assert torch.allclose(moved(TRUSTED / 4), whole / 4, atol=1e-4)
    assert not moved(0.0).any()
