import torch
from hypothesis import given
from hypothesis import strategies as st

from semcorr_cli.core import coords

SIZES = st.tuples(st.integers(1, 500), st.integers(1, 500))


def test_first_pixel_has_its_centre_at_one_half() -> None:
    centres = coords.pixel_centres((2, 3))
    assert centres.shape == (2, 3, 2)
    assert centres[0, 0].tolist() == [0.5, 0.5]
    assert centres[1, 2].tolist() == [2.5, 1.5]
    assert torch.equal(coords.pixel_centres((4, 3))[1:3], coords.pixel_centres((2, 3), top=1))


@given(SIZES, SIZES)
def test_cells_cover_the_image_exactly(grid: tuple[int, int], image: tuple[int, int]) -> None:
    centres = coords.cell_centres(grid, image).reshape(*grid, 2).double()
    cell = torch.tensor([image[1] / grid[1], image[0] / grid[0]]).double()
    low, high = centres[0, 0] - cell / 2, centres[-1, -1] + cell / 2
    assert torch.allclose(low, torch.zeros(2).double(), atol=1e-3)
    assert torch.allclose(high, torch.tensor([image[1], image[0]]).double(), atol=1e-2)


@given(SIZES, SIZES)
def test_cells_and_pixels_are_inverse(grid: tuple[int, int], image: tuple[int, int]) -> None:
    xy = torch.rand(20, 2, dtype=torch.float64) * torch.tensor([image[1], image[0]])
    back = coords.cells_to_pixels(coords.pixels_to_cells(xy, grid, image), grid, image)
    assert torch.allclose(back, xy, atol=1e-9)


def test_nearest_cell_is_the_one_whose_centre_is_nearest() -> None:
    grid, image = (5, 7), (123, 200)
    xy = torch.rand(200, 2) * torch.tensor([200.0, 123.0])
    centres = coords.cell_centres(grid, image)
    cell = torch.tensor([200 / 7, 123 / 5])
    expected = torch.cdist(xy / cell, centres / cell).argmin(dim=1)
    assert torch.equal(coords.nearest_cell(xy, grid, image), expected)


def test_points_outside_go_to_the_border_cell() -> None:
    outside = torch.tensor([[-5.0, -5.0], [300.0, 300.0]])
    assert coords.nearest_cell(outside, (4, 4), (100, 100)).tolist() == [0, 15]


def test_resizing_is_pure_multiplication_and_mirroring_its_own_inverse() -> None:
    xy = torch.tensor([[0.0, 0.0], [10.0, 5.0]])
    assert coords.resize_points(xy, (5, 10), (10, 40)).tolist() == [[0.0, 0.0], [40.0, 10.0]]
    assert torch.equal(coords.mirror_points(coords.mirror_points(xy, (5, 10)), (5, 10)), xy)


def test_outside_formats_differ_by_half_a_pixel() -> None:
    assert coords.from_centre_origin(torch.zeros(1, 2)).tolist() == [[0.5, 0.5]]
    xy = torch.rand(3, 2)
    assert torch.allclose(coords.to_centre_origin(coords.from_centre_origin(xy)), xy)


def test_normalised_coordinates_are_those_of_grid_sample() -> None:
    image = torch.rand(1, 1, 6, 9)
    grid = coords.pixels_to_unit(coords.pixel_centres((6, 9)), (6, 9))[None]
    read = torch.nn.functional.grid_sample(image, grid, align_corners=False)
    assert torch.allclose(read, image, atol=1e-5)
