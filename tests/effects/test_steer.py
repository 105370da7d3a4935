import pytest
import torch

from semcorr_cli.core.matches import Matches
from semcorr_cli.effects.steer import steered, turns_over
from tests.specimens import correspondence, shifted

HW = (90, 120)
SPOTS = torch.tensor([[30.0, 20.0], [90.0, 30.0], [60.0, 70.0]])


def pairs(source: torch.Tensor, target: torch.Tensor) -> Matches:
    return Matches(source, target, torch.ones(len(source)), HW, HW)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_points_are_met_exactly(alone: bool, mirrored: bool) -> None:
    by_hand = pairs(SPOTS + torch.tensor([[4.0, 3.0], [-5.0, 2.0], [3.0, -4.0]]), SPOTS)
    field = correspondence(shifted((4.0, 0.0), HW))
    if mirrored:
        by_hand, field = by_hand.mirrored_source(), field.source_mirrored()
    warp, misfit = steered(None if alone else field, by_hand)
    assert warp.mirrored == mirrored
    assert float((warp.at(by_hand.target) - by_hand.source).norm(dim=-1).max()) < 0.5
    assert max(misfit.missed) < 0.5
    assert misfit.fold_share == 0
    assert float(warp.confidence_at(by_hand.target).min()) > 0.99


def test_far_from_the_points_the_matches_are_followed() -> None:
    field = correspondence(shifted((6.0, 0.0), HW))
    warp, _ = steered(field, pairs(torch.tensor([[20.0, 20.0]]), torch.tensor([[20.0, 20.0]])))
    far = torch.tensor([[100.0, 70.0], [95.0, 45.0]])
    assert torch.allclose(warp.at(far), far + torch.tensor([6.0, 0.0]), atol=1.0)


def test_three_points_tell_a_mirrored_picture() -> None:
    assert not turns_over(pairs(SPOTS, SPOTS))
    assert turns_over(pairs(SPOTS, SPOTS).mirrored_source())
    assert not turns_over(pairs(SPOTS[:2], SPOTS[:2]).mirrored_source())
