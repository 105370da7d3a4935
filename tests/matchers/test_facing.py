from functools import cache
from pathlib import Path

import pytest
import torch

from semcorr_cli import extractors
from semcorr_cli.core import coords, resample
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.core.matches import Matches
from semcorr_cli.errors import InputError
from semcorr_cli.extractors.base import build
from semcorr_cli.extractors.facing import STRIDE
from semcorr_cli.io import images
from semcorr_cli.matchers import facing
from tests.conftest import ROOT


@cache
def described(name: str, *, mirrored: bool = False) -> FeatureStack:
    image = resample.shrink(images.load(str(ROOT / "samples" / name)), 300)
    extractor = build(extractors.FACING, weights=extractors.FACING.places(Path()))
    return extractor.describe([image.mirrored() if mirrored else image])[0]


def everywhere(source_hw: tuple[int, int], target_hw: tuple[int, int], *, mirrored: bool = False) -> Matches:
    """Matches of the same relative positions, the source turned over or not."""
    xy = coords.cell_centres((12, 12), target_hw)
    found = Matches(coords.resize_points(xy, target_hw, source_hw), xy, torch.ones(len(xy)), source_hw, target_hw)
    return found.mirrored_source() if mirrored else found


def layered(data: torch.Tensor, hw: tuple[int, int]) -> FeatureStack:
    return FeatureStack.single(data, hw)


def test_evidence_is_the_mean_of_products_at_the_matches() -> None:
    data = torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))
    other = torch.randn(3, 5, 5, generator=torch.Generator().manual_seed(1))
    source, target = layered(data, (40, 60)), layered(other, (100, 100))
    # the middles of cells (row 1, column 2) and (3, 4) of the source, (0, 0) and (4, 2) of the target
    matches = Matches(
        torch.tensor([[25.0, 15.0], [45.0, 35.0]]), torch.tensor([[10.0, 10.0], [50.0, 90.0]]),
        torch.tensor([1.0, 0.25]), (40, 60), (100, 100),
    )  # fmt: skip
    products = [float(data[:, 1, 2] @ other[:, 0, 0]), float(data[:, 3, 4] @ other[:, 4, 2])]
    expected = (products[0] + 0.25 * products[1]) / 1.25
    assert facing.evidence(source, target, matches) == pytest.approx(expected, rel=1e-4)
    larger = matches.resized((80, 120), (50, 50))
    assert facing.evidence(source, target, larger) == pytest.approx(expected, rel=1e-4)


def test_nothing_is_evidence_of_nothing() -> None:
    stack = layered(torch.ones(2, 3, 3), (30, 30))
    none = Matches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0), (30, 30), (30, 30))
    assert facing.evidence(stack, stack, none) == 0
    matches = everywhere((30, 30), (30, 30))
    weightless = Matches(matches.source, matches.target, torch.zeros(len(matches)), (30, 30), (30, 30))
    assert facing.evidence(stack, stack, weightless) == 0


def test_a_mirrored_picture_is_described_as_the_picture_is_mirrored() -> None:
    one, other = (described("fox.jpg", mirrored=side).layers["features"] for side in (False, True))
    assert one.shape[0] == extractors.FACING.channels
    assert max(one.shape[1:]) == extractors.FACING.options.side // STRIDE
    assert torch.allclose(one, other.flip(2), atol=1e-3)


@pytest.mark.parametrize("pair", [("fox.jpg", "corgi.jpg"), ("beetle.jpg", "van.jpg"), ("hound.jpg", "bear.jpg")])
@pytest.mark.parametrize("mirrored", [False, True])
def test_fronts_agree_with_fronts(pair: tuple[str, str], mirrored: bool) -> None:
    source, target = described(pair[0]), described(pair[1], mirrored=mirrored)
    straight, over = (
        facing.evidence(source, target, everywhere(source.image_hw, target.image_hw, mirrored=side))
        for side in (False, True)
    )
    assert (over > straight) == mirrored


def test_weights_of_another_network_are_refused() -> None:
    builtin = extractors.find("builtin")
    assert builtin is not None
    with pytest.raises(InputError, match="does not hold weights"):
        build(extractors.FACING, weights={"facing": builtin.files(Path())[0]})
