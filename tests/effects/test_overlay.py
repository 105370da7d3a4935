import pytest
import torch

from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.effects.overlay import colours, numbered, principal_components, side_by_side
from semcorr_cli.effects.overlay.sheet import FOOT, GAP, HEIGHT, WIDTH
from tests.specimens import flat, picture, quality

HW = (100, 150)


def matches(
    source: list[list[float]], target: list[list[float]], score: float = 1.0, source_hw: tuple[int, int] = HW
) -> Matches:
    shape = (-1, 2)
    ends = (torch.tensor(points).reshape(shape) for points in (source, target))
    return Matches(*ends, torch.full((len(source),), score), source_hw, HW)


def drawn(source: Image, target: Image, found: Matches) -> Image:
    return side_by_side(source, target, found, quality(len(found)))


def round_about(image: Image, x: float, y: float, radius: int = 9) -> torch.Tensor:
    """Returns the brightness of the pixels round a position of the drawing."""
    block = image.rgb[:, round(y) - radius : round(y) + radius + 1, round(x) - radius : round(x) + radius + 1]
    return block.mean(dim=0)


@pytest.mark.parametrize(
    ("source_hw", "target_hw", "height", "widths"),
    [
        ((100, 150), (100, 150), 200, (300, 300)),
        ((100, 150), (200, 100), 400, (300, 200)),
        ((640, 480), (1000, 3000), HEIGHT, (480, WIDTH)),
        ((900, 90), (90, 900), HEIGHT, (64, WIDTH)),
        ((8, 16), (8, 8), 16, (32, 16)),
    ],
)
def test_the_drawing_has_room_for_both_pictures(
    source_hw: tuple[int, int], target_hw: tuple[int, int], height: int, widths: tuple[int, int]
) -> None:
    found = matches([[3.0, 3.0]], [[3.0, 3.0]])
    result = drawn(flat(source_hw, 0.2), flat(target_hw, 0.8), found.resized(source_hw, target_hw))
    assert result.hw == (height + FOOT, sum(widths) + GAP)


def test_a_strip_of_a_picture_does_not_make_a_huge_drawing() -> None:
    result = drawn(flat((8, 4000), 0.2), flat((300, 200), 0.8), matches([], []).resized((8, 4000), (300, 200)))
    assert result.hw[0] <= HEIGHT + FOOT
    assert result.hw[1] <= 2 * WIDTH + GAP


def test_without_matches_both_pictures_are_shown_as_they_are() -> None:
    source, target = picture(HW, 1), picture(HW, 2)
    result = drawn(source, target, matches([], []))
    for left, image in ((0, source), (300 + GAP, target)):
        panel = torch.nn.functional.avg_pool2d(result.rgb[None, :, :200, left : left + 300], 2)[0]
        assert float((panel - image.rgb).abs().mean()) < 0.02


@pytest.mark.parametrize("spot", [[75.0, 50.0], [20.0, 80.0], [130.0, 20.0]])
@pytest.mark.parametrize("score", [0.1, 1.0])
def test_dots_stand_out_on_black_and_on_white(spot: list[float], score: float) -> None:
    found = matches([spot], [spot], score)
    black, white = drawn(flat(HW, 0.0), flat(HW, 0.0), found), drawn(flat(HW, 1.0), flat(HW, 1.0), found)
    for left in (0, 300 + GAP):
        x, y = left + 2 * spot[0], 2 * spot[1]
        assert float(round_about(black, x, y).max()) > 0.75  # the white ring
        assert float(round_about(white, x, y).min()) < 0.55  # the ring of ink
        assert 0.2 < float(black.rgb[:, round(y), round(x)].mean()) < 0.9  # the dot itself


def test_two_ends_of_a_match_have_one_colour_and_neighbours_similar_ones() -> None:
    spots = [[20.0, 20.0], [130.0, 20.0], [20.0, 80.0], [130.0, 80.0]]
    result = drawn(flat(HW, 0.5), flat(HW, 0.5), matches(spots[::-1], spots))

    def colour(left: int, spot: list[float]) -> torch.Tensor:
        return result.rgb[:, round(2 * spot[1]), left + round(2 * spot[0])]

    at_target = [colour(300 + GAP, spot) for spot in spots]
    for start, end in zip(spots[::-1], at_target, strict=True):
        assert torch.allclose(colour(0, start), end, atol=0.05)
    for k in range(4):
        for other in range(k):
            assert float((at_target[k] - at_target[other]).abs().max()) > 0.15
    near, middle, far = colours.wheel(torch.tensor([[0.52, 0.5], [0.5, 0.5], [0.9, 0.5]]))
    assert float((near - middle).norm()) < 0.3 * float((far - middle).norm())


def test_a_confident_match_has_the_stronger_line() -> None:
    def strength(score: float) -> float:
        result = drawn(flat(HW, 1.0), flat(HW, 1.0), matches([[75.0, 50.0]], [[75.0, 50.0]], score))
        return float((1 - result.rgb[:, 90:111, 220:280]).sum())

    assert strength(0.9) > 1.5 * strength(0.3) > 0


def test_points_are_placed_by_the_size_of_their_picture() -> None:
    source, found = flat((300, 450), 0.0), matches([[60.0, 240.0]], [[75.0, 50.0]], source_hw=(300, 450))
    result = drawn(source, flat(HW, 0.0), found)
    assert result.hw == (600 + FOOT, 2 * 900 + GAP)
    assert float(round_about(result, 120, 480).max()) > 0.75
    assert float(round_about(result, 900 + GAP + 450, 300).max()) > 0.75
    assert float(result.rgb[:, 300:420, :100].max()) < 0.01


def test_the_lower_picture_stands_in_the_middle() -> None:
    source, found = flat((40, 150), 0.0), matches([[75.0, 20.0]], [[75.0, 50.0]], source_hw=(40, 150))
    result = drawn(source, flat(HW, 0.0), found)
    assert float(result.rgb[:, :59, :300].min()) > 0.9  # paper above
    assert float(result.rgb[:, 141:200, :300].min()) > 0.9  # and below
    assert float(round_about(result, 150, 100).max()) > 0.75


def test_numbers_can_be_read_on_light_and_on_dark_dots() -> None:
    spots = [[75.0, 5.0], [75.0, 95.0]]  # the lightest and the darkest colour
    result = numbered(flat(HW, 0.5), flat(HW, 0.5), matches(spots, spots), quality(2))
    for spot in spots:
        colour = colours.wheel(torch.tensor(spot) / torch.tensor([150.0, 100.0])).mean()
        inside = round_about(result, 2 * spot[0], 2 * spot[1], radius=5)
        assert float((inside - colour).abs().max()) > 0.3


def test_transparent_pictures_are_shown_on_white() -> None:
    transparent = Image(torch.zeros(3, *HW), torch.zeros(1, *HW))
    result = drawn(transparent, flat(HW, 0.5), matches([], []))
    assert float(result.rgb[:, 5:195, 5:295].min()) > 0.99


@pytest.mark.parametrize(
    ("channels", "grid_hw", "image_hw"), [(16, (6, 9), (60, 90)), (2, (5, 5), (33, 21)), (8, (1, 2), (8, 30))]
)
def test_principal_components_are_a_picture_of_the_pictures_size(
    channels: int, grid_hw: tuple[int, int], image_hw: tuple[int, int]
) -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.nn.functional.normalize(torch.randn(channels, *grid_hw, generator=generator), dim=0)
    shown = principal_components(FeatureMap(data, image_hw))
    assert shown.hw == image_hw
    assert bool(((shown.rgb >= 0) & (shown.rgb <= 1)).all())
    assert torch.equal(shown.rgb, principal_components(FeatureMap(data.clone(), image_hw)).rgb)


@pytest.mark.parametrize("seed", range(5))
def test_colours_do_not_depend_on_the_order_of_the_cells(seed: int) -> None:
    # a component's sign is arbitrary to the decomposition, not to us
    data = torch.randn(12, 7, 9, generator=torch.Generator().manual_seed(seed))
    data = torch.nn.functional.normalize(data, dim=0)
    shown, turned = (principal_components(FeatureMap(of, (70, 90))).rgb for of in (data, data.flip(1, 2)))
    assert torch.allclose(turned.flip(1, 2), shown, atol=1e-4)


def test_what_is_alike_has_one_colour() -> None:
    data = torch.zeros(8, 10, 10)
    data[0, :, :5] = data[1, :5, 5:] = data[2, 5:, 5:] = 1
    shown = principal_components(FeatureMap(data, (100, 100))).rgb
    parts = (shown[:, :, :50], shown[:, :50, 50:], shown[:, 50:, 50:])
    means = [part.mean(dim=(1, 2)) for part in parts]
    for part, mean in zip(parts, means, strict=True):
        assert torch.allclose(part, mean[:, None, None].expand_as(part), atol=1e-4)
    assert float(torch.cdist(torch.stack(means), torch.stack(means)).fill_diagonal_(9).min()) > 0.3
