import pytest
import torch

from semcorr_cli.effects.placement import FITS, Placement


@pytest.mark.parametrize(
    ("picture_hw", "frame_hw", "fit", "scale", "offset"),
    [
        ((100, 200), (50, 50), "stretch", (4, 2), (0, 0)),
        ((100, 200), (50, 50), "cover", (2, 2), (50, 0)),
        ((100, 200), (50, 50), "contain", (4, 4), (0, -50)),
        ((100, 200), (50, 50), "auto", (4, 4), (0, -50)),
        ((100, 110), (100, 100), "auto", (1, 1), (5, 0)),
        ((60, 30), (120, 90), "cover", (1 / 3, 1 / 3), (0, 10)),
        ((60, 30), (120, 90), "contain", (0.5, 0.5), (-7.5, 0)),
    ],
)
def test_placement_by_hand(
    picture_hw: tuple[int, int],
    frame_hw: tuple[int, int],
    fit: str,
    scale: tuple[float, float],
    offset: tuple[float, float],
) -> None:
    place = Placement.of(picture_hw, frame_hw, fit)
    assert place.scale == pytest.approx(scale)
    assert place.offset == pytest.approx(offset)


@pytest.mark.parametrize("fit", FITS)
def test_placement_goes_there_and_back_and_keeps_the_middle(fit: str) -> None:
    place = Placement.of((77, 133), (90, 64), fit)
    xy = torch.rand(20, 2, generator=torch.Generator().manual_seed(0)) * 100
    assert torch.allclose(place.to_frame(place.to_picture(xy)), xy, atol=1e-4)
    assert torch.allclose(place.to_picture(torch.tensor([32.0, 45.0])), torch.tensor([66.5, 38.5]), atol=1e-4)
