import pytest
import torch

from semcorr_cli.core import similarity


def unit(n: int, c: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, c, generator=generator), dim=-1)


@pytest.mark.parametrize("chunk", [7, 64, 1000])
@pytest.mark.parametrize("kept", [150 * 90, 150 * 90 - 1])
def test_nearest_both_ways_equals_the_full_matrix(chunk: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "CHUNK", chunk)
    monkeypatch.setattr(similarity, "KEPT", kept)
    source, target = unit(150, 16, 0), unit(90, 16, 1)
    full = source @ target.T
    found = similarity.nearest_both_ways(source, target)
    for one, matrix in ((found, full), (found.reversed(), full.T)):
        assert torch.equal(one.forward, matrix.argmax(dim=1))
        assert torch.equal(one.backward, matrix.argmax(dim=0))
        assert torch.allclose(one.forward_similarity, matrix.max(dim=1).values, atol=1e-6)
        assert torch.allclose(one.backward_similarity, matrix.max(dim=0).values, atol=1e-6)
        assert (one.matrix is None) == (kept < matrix.numel())
        assert one.matrix is None or torch.allclose(one.matrix, matrix, atol=1e-6)


def test_window_soft_argmax_golden_value() -> None:
    # correspondence sheet of Telling Left from Right: peak between cells of a 60 × 60 map
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
    peak = 0.9 * torch.exp(-((x - 41.3) ** 2 + (y - 17.8) ** 2) / 18)
    for window in (5, 7, 59):
        found = similarity.window_soft_argmax(peak[None], window=window, temperature=0.02)
        assert torch.allclose(found, torch.tensor([[41.2552, 17.8435]]), atol=1e-3)


def test_window_is_cut_at_the_border_and_zero_is_the_argmax() -> None:
    maps = torch.zeros(2, 5, 6)
    maps[0, 0, 0] = maps[1, 4, 5] = 1
    found = similarity.window_soft_argmax(maps, window=2, temperature=0.02)
    assert torch.allclose(found, torch.tensor([[0.0, 0.0], [5.0, 4.0]]), atol=1e-6)
    assert torch.equal(similarity.window_soft_argmax(maps, window=0), torch.tensor([[0.0, 0.0], [5.0, 4.0]]))


def test_a_second_peak_outside_the_window_has_no_say() -> None:
    maps = torch.zeros(1, 1, 30)
    maps[0, 0, 5], maps[0, 0, 25] = 1.0, 0.99
    assert torch.allclose(similarity.window_soft_argmax(maps, window=3), torch.tensor([[5.0, 0.0]]), atol=1e-6)


@pytest.mark.parametrize("window", [0, 2, 5])
@pytest.mark.parametrize("gathered", [1, 4_000_000])
def test_soft_positions_are_those_of_all_similarities(
    window: int, gathered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "GATHERED", gathered)
    grid = unit(12 * 9, 32, 3).T.reshape(32, 12, 9)
    queries = unit(20, 32, 4)
    region = torch.arange(12 * 9).reshape(12, 9) % 5 != 0
    maps = (queries @ grid.flatten(1)).reshape(-1, 12, 9)
    for cells, known in ((None, maps), (region, maps.masked_fill(~region, -torch.inf))):
        peaks = known.flatten(1).argmax(dim=1)
        expected = similarity.window_soft_argmax(known, window=window)
        found = similarity.soft_positions(queries, grid, peaks, region=cells, window=window)
        assert torch.allclose(found, expected, atol=1e-5)
        columns = maps.flatten(1) if cells is None else maps.flatten(1)[:, cells.flatten()]
        found = similarity.soft_positions(
            queries, grid, peaks, region=cells, known=(columns, torch.arange(20)), window=window
        )
        assert torch.allclose(found, expected, atol=1e-5)
        some = torch.tensor([17, 3, 4])
        found = similarity.soft_positions(
            queries[some], grid, peaks[some], region=cells, known=(columns, some), window=window
        )
        assert torch.allclose(found, expected[some], atol=1e-5)
    assert similarity.soft_positions(queries[:0], grid, torch.zeros(0, dtype=torch.long)).shape == (0, 2)


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 200])
def test_the_best_of_columns_is_the_maximum(rows: int) -> None:
    matrix = torch.rand(rows, 33, generator=torch.Generator().manual_seed(rows)) - 2
    value, index = similarity._best_of_columns(matrix)
    expected = matrix.max(dim=0)
    assert torch.equal(value, expected.values)
    assert torch.equal(index, expected.indices)
