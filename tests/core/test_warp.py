import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semcorr_cli.core import coords, processor, spline
from semcorr_cli.core.warp import TOLERANCE, Lines, Warp

SIDES = st.integers(8, 400)


def bent(
    source_hw: tuple[int, int], target_hw: tuple[int, int], amount: float = 0.05, seed: int = 0
) -> spline.ThinPlateSpline:
    generator = torch.Generator().manual_seed(seed)
    points = spline.lattice_knots(target_hw, 4)
    values = coords.resize_points(points, target_hw, source_hw)
    values = values + (torch.rand(values.shape, generator=generator, dtype=torch.float64) * 2 - 1) * amount * max(
        source_hw
    )
    return spline.fit(points, values, smoothing=0.0, frame_hw=target_hw)


@given(SIDES, SIDES, SIDES, SIDES)
@settings(max_examples=25, deadline=None)
def test_identity_resizes(hs: int, ws: int, ht: int, wt: int) -> None:
    warp = Warp.identity((hs, ws), (ht, wt))
    expected = coords.resize_points(coords.pixel_centres((ht, wt)), (ht, wt), (hs, ws))
    assert torch.allclose(warp.rows(0, ht), expected, atol=1e-3)
    assert torch.allclose(warp.determinants(), torch.ones(()), atol=1e-4)


def test_sampled_lattice_keeps_its_promise() -> None:
    field = bent((300, 400), (360, 280))
    warp = Warp.sampled(field, (300, 400), (360, 280))
    exact = field(coords.pixel_centres((360, 280)).reshape(-1, 2)).float()
    error = (warp.rows(0, 360).reshape(-1, 2) - exact).norm(dim=-1)
    assert float(error.max()) < 3 * TOLERANCE
    assert float(error.quantile(0.99)) < TOLERANCE


def test_every_node_is_the_fields_own_however_often_the_lattice_was_refined() -> None:
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(40, 2, generator=generator, dtype=torch.float64) * 200
    shifts = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    for wild, finer in ((0.1, 1), (1.0, 2), (4.0, 4)):
        field = spline.fit(places, places + wild * shifts, smoothing=1e-3, frame_hw=(200, 200))
        warp = Warp.sampled(field, (200, 200), (200, 200))
        positions = Warp.lattice((200, 200), finer)
        assert warp.nodes.shape == positions.shape
        assert torch.allclose(warp.nodes, field(positions.reshape(-1, 2)).reshape(positions.shape), atol=2e-3)
        point_by_point = Warp.sampled(field.__call__, (200, 200), (200, 200))
        assert torch.allclose(point_by_point.nodes, warp.nodes, atol=2e-3)


def test_strips_equal_the_whole_and_points_equal_rows() -> None:
    warp = Warp.sampled(bent((120, 90), (101, 77)), (120, 90), (101, 77))
    whole = warp.rows(0, 101)
    assert torch.equal(torch.cat([warp.rows(0, 13), warp.rows(13, 90), warp.rows(90, 101)]), whole)
    centres = coords.pixel_centres((101, 77)).reshape(-1, 2)
    assert torch.allclose(warp.at(centres), whole.reshape(-1, 2), atol=1e-3)


def test_determinants_are_those_of_the_bilinear_map() -> None:
    warp = Warp.sampled(bent((200, 200), (160, 160), amount=0.12), (200, 200), (160, 160))
    # finite differences of the emitted map itself, well inside one cell
    cell = 160 / (warp.nodes.shape[0] - 1)
    corner = torch.tensor([[3.0 * cell + 1e-2, 5.0 * cell + 1e-2]])
    step = 1e-1
    across = warp.at(corner + torch.tensor([[step, 0.0]])) - warp.at(corner)
    down = warp.at(corner + torch.tensor([[0.0, step]])) - warp.at(corner)
    area = (across[0, 0] * down[0, 1] - across[0, 1] * down[0, 0]) / step**2 * (160 * 160) / (200 * 200)
    assert float(area) == pytest.approx(float(warp.determinants()[5, 3, 0]), rel=2e-2)


def test_a_fold_shows_in_the_determinant() -> None:
    warp = Warp.identity((10, 10), (10, 10))
    folded = warp.nodes.clone()
    folded[0, 0], folded[0, 1] = folded[0, 1].clone(), folded[0, 0].clone()
    assert float(Warp(folded, warp.confidence, (10, 10), (10, 10)).determinants().min()) <= 0


def test_mirroring_source_or_canvas() -> None:
    warp = Warp.sampled(bent((50, 60), (40, 70)), (50, 60), (40, 70))
    assert float(warp.determinants().min()) > 0
    source = warp.source_mirrored()
    assert torch.allclose(source.rows(0, 40), coords.mirror_points(warp.rows(0, 40), (50, 60)), atol=1e-3)
    assert float(source.determinants().min()) > 0
    canvas = warp.target_mirrored()
    assert torch.allclose(canvas.rows(0, 40), warp.rows(0, 40).flip(1), atol=1e-3)
    assert float(canvas.determinants().min()) > 0


def test_strength_goes_from_resizing_to_the_map() -> None:
    warp = Warp.sampled(bent((50, 60), (40, 70)), (50, 60), (40, 70))
    assert torch.allclose(warp.eased(0).rows(0, 40), Warp.identity((50, 60), (40, 70)).rows(0, 40), atol=1e-3)
    assert torch.equal(warp.eased(1).nodes, warp.nodes)
    half = warp.eased(0.5).rows(0, 40)
    assert torch.allclose(half, (warp.eased(0).rows(0, 40) + warp.rows(0, 40)) / 2, atol=1e-3)


def test_resized_maps_carry_over() -> None:
    warp = Warp.sampled(bent((50, 60), (40, 70)), (50, 60), (40, 70))
    double = warp.resized((100, 120), (80, 140))
    xy = torch.rand(30, 2) * torch.tensor([70.0, 40.0])
    assert torch.allclose(double.at(2 * xy), 2 * warp.at(xy), atol=1e-3)


def test_confidence_is_read_like_the_map_and_stays_in_range() -> None:
    warp = Warp.identity((50, 60), (40, 70)).with_confidence(lambda xy: xy[:, 0] / 35 - 0.5)
    assert float(warp.confidence.min()) == 0
    assert float(warp.confidence.max()) == 1
    assert warp.confidence_rows(3, 9).shape == (6, 70)
    assert torch.allclose(warp.confidence_at(torch.tensor([[-9.0, 5.0], [99.0, 5.0]])), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize("hw", [(70, 50), (9, 11), (300, 40), (64, 48)])
def test_rows_are_what_single_points_are(hw: tuple[int, int]) -> None:
    warp = Warp.sampled(lambda xy: xy + 3 * torch.sin(xy.flip(1) / 7), hw, hw)
    centres = coords.pixel_centres(hw)
    read = torch.cat([warp.rows(top, min(top + 7, hw[0])) for top in range(0, hw[0], 7)])
    assert torch.allclose(read, warp.at(centres.reshape(-1, 2)).reshape(*hw, 2), atol=1e-4)


@pytest.mark.parametrize("rows", [9, 10], ids=["uneven", "even"])
def test_rows_do_not_depend_on_where_strips_begin_or_on_what_fills_them(
    monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    lines = Lines(torch.rand(rows, 7, 3, generator=torch.Generator().manual_seed(0)), (90, 60))
    whole = lines.rows(0, 90)
    assert torch.equal(torch.cat([lines.rows(top, min(top + 17, 90)) for top in range(0, 90, 17)]), whole)
    assert torch.equal(lines.rows(3, 40, slice(5, 31)), whole[3:40, 5:31])
    monkeypatch.setattr(processor, "holds", lambda tensor: False)
    assert torch.allclose(lines.rows(0, 90), whole, atol=1e-6)
