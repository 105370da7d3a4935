import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from semcorr_cli.core import spline


def data(n: int, seed: int = 0, noise: float = 0.1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 2 - 1
    return points, points + noise * torch.randn(n, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("n", [3, 10, 150])
def test_equals_scipy(n: int, smoothing: float) -> None:
    points, values = data(n)
    fitted = spline.fit(points, values, smoothing=smoothing)
    frame = spline.Frame.of_points(points)
    # scipy's smoothing is not divided by the number of points, and its kernel sees the coordinates as they are given
    reference = RBFInterpolator(
        frame.apply(points).numpy(), values.numpy(), smoothing=smoothing * n, kernel="thin_plate_spline", degree=1
    )
    queries, _ = data(400, seed=9)
    expected = reference(frame.apply(queries * 1.5).numpy())
    assert np.abs(fitted(queries * 1.5).numpy() - expected).max() < 1e-6


def test_weights_are_equal_to_repeated_points() -> None:
    points, values = data(12)
    twice = torch.cat([points, points[:4]]), torch.cat([values, values[:4]])
    weights = torch.ones(12, dtype=torch.float64)
    weights[:4] = 2
    knots = data(9, seed=3)[0]
    one = spline.fit(points, values, smoothing=1e-3, weights=weights, centres=knots, frame_hw=(2, 2))
    other = spline.fit(*twice, smoothing=1e-3, centres=knots, frame_hw=(2, 2))
    queries, _ = data(50, seed=5)
    assert torch.allclose(one(queries), other(queries), atol=1e-9)


def test_regression_with_all_points_as_knots_is_the_exact_spline() -> None:
    points, values = data(30)
    exact = spline.fit(points, values, smoothing=1e-2)
    regression = spline.fit(points, values, smoothing=1e-2, centres=points)
    queries, _ = data(100, seed=2)
    assert torch.allclose(exact(queries), regression(queries), atol=1e-5)


def test_weighted_exact_form_solves_its_own_objective() -> None:
    points, values = data(20)
    weights = torch.rand(20, dtype=torch.float64) + 0.1
    exact = spline.fit(points, values, smoothing=1e-2, weights=weights)
    regression = spline.fit(points, values, smoothing=1e-2, weights=weights, centres=points)
    queries, _ = data(100, seed=2)
    assert torch.allclose(exact(queries), regression(queries), atol=1e-5)


def test_affine_maps_are_reproduced_whatever_the_smoothing() -> None:
    points, _ = data(25)
    matrix = torch.tensor([[0.8, 0.3], [-0.2, 1.4]], dtype=torch.float64)
    values = points @ matrix + torch.tensor([5.0, -3.0])
    for smoothing in (0.0, 1.0, 1e6):
        fitted = spline.fit(points, values, smoothing=smoothing)
        queries, _ = data(40, seed=4)
        assert torch.allclose(fitted(queries), queries @ matrix + torch.tensor([5.0, -3.0]), atol=1e-6)
        assert float(fitted.kernel.abs().max()) < 1e-6


def test_smoothing_means_the_same_for_every_picture_size() -> None:
    points, values = data(25)
    small = spline.fit((points + 1) * 50, (values + 1) * 50, smoothing=1e-2, frame_hw=(100, 100))
    large = spline.fit((points + 1) * 500, (values + 1) * 500, smoothing=1e-2, frame_hw=(1000, 1000))
    queries = (data(40, seed=4)[0] + 1) * 50
    assert torch.allclose(small(queries) * 10, large(queries * 10), atol=1e-6)


@pytest.mark.parametrize(
    "points",
    [
        torch.zeros(0, 2),
        torch.tensor([[0.0, 0.0], [1.0, 1.0]]),
        torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 5.0]]),
    ],
    ids=["none", "two", "on one line"],
)
def test_points_that_determine_nothing_are_refused(points: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="not on one line"):
        spline.fit(points, points, smoothing=1e-3)


def test_coinciding_points_are_refused_without_smoothing_and_averaged_with_it() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]]).double()
    values = points.clone()
    values[4] += 0.2
    with pytest.raises(ValueError):
        spline.fit(points, values, smoothing=0.0)
    fitted = spline.fit(points, values, smoothing=1e-3)
    assert torch.allclose(fitted(points[3:4]), torch.tensor([[1.1, 1.1]]).double(), atol=0.05)


def test_line_thickness() -> None:
    line = torch.stack([torch.linspace(0, 10, 20), torch.zeros(20)], dim=1)
    assert spline.line_thickness(line) < 1e-9
    line[:, 1] = torch.tensor([0.5, -0.5]).repeat(10)
    assert spline.line_thickness(line) == pytest.approx(0.5, abs=0.02)


def test_float32_points_are_evaluated_to_a_hundredth_of_a_pixel() -> None:
    points, values = data(100, noise=0.03)
    fitted = spline.fit((points + 1) * 512, (values + 1) * 512, smoothing=1e-4, frame_hw=(1024, 1024))
    queries = (data(500, seed=4)[0] + 1) * 512
    assert float((fitted(queries.float()) - fitted(queries)).abs().max()) < 0.01


def test_a_grid_is_evaluated_as_its_points_are() -> None:
    points, values = data(60, noise=0.03)
    fitted = spline.fit((points + 1) * 200, torch.cat([values, points], dim=1) * 200, smoothing=1e-4)
    x, y = torch.linspace(-20, 420, 23).double(), torch.linspace(0, 400, 17).double()
    crossings = torch.cartesian_prod(y, x).flip(1)
    assert torch.allclose(fitted.on_grid(x, y).flatten(0, 1), fitted(crossings), atol=1e-9)
    assert float((fitted.on_grid(x.float(), y.float()) - fitted.on_grid(x, y)).abs().max()) < 0.01
