import pytest
import torch

from semcorr_cli.training import fitting, views
from semcorr_cli.training.options import TrainOptions, changed
from semcorr_cli.training.pictures import read_folder
from semcorr_cli.training.views import ViewOptions


def test_cells_know_what_they_show(folder, tmp_path):
    """A ramp of colour says where in the picture every cell of a view looks."""
    pictures = read_folder(folder, tmp_path / "cache", 64)
    ramp = torch.linspace(0, 255, 64).round().byte()
    data = torch.zeros(len(pictures.hw), 64, 64, 3, dtype=torch.uint8)
    data[..., 0], data[..., 1] = ramp[None, None, :], ramp[None, :, None]
    object.__setattr__(pictures, "data", data.numpy())
    object.__setattr__(pictures, "hw", torch.full_like(pictures.hw, 64))
    options = ViewOptions(ellipse=0, replicate=1, cutout=0, colour=0, elastic=0.02)
    index, mirror = torch.arange(4), torch.tensor([False, True, False, True])
    seen = views.make(pictures, index, mirror, (64, 64), options, torch.Generator().manual_seed(3))
    cells = torch.nn.functional.avg_pool2d(seen.images, 8).flatten(2).transpose(1, 2)
    inner = ((seen.at - 0.5).abs() < 0.4).all(dim=2) & seen.valid
    assert int(inner.sum()) > 50
    assert float((cells[..., :2] - seen.at)[inner].abs().max()) < 0.03


def test_the_same_seed_draws_the_same_views(folder, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    index, mirror = torch.arange(3), torch.zeros(3, dtype=torch.bool)
    one, two = (
        views.make(pictures, index, mirror, (64, 48), ViewOptions(), torch.Generator().manual_seed(1)).images
        for _ in range(2)
    )
    assert torch.equal(one, two)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


def test_fits_recover_a_smooth_map_under_outliers():
    generator = torch.Generator().manual_seed(0)
    source = torch.rand(2, 300, 2, generator=generator)
    target = 0.9 * source + 0.05 + 0.03 * torch.sin(3 * source.flip(2))
    target[:, :100] = torch.rand(2, 100, 2, generator=generator)
    spline = fitting.Spline(5)
    found = fitting.fit(spline, source, target, torch.ones(2, 300), fitting.FitOptions())
    error = (spline.basis(source) @ found.coefficients - target).norm(dim=-1)[:, 100:]
    assert float(error.mean()) < 0.012
    assert bool(found.good.all())


def test_settings_change_the_recipe_by_name():
    options = changed(TrainOptions(), {"steps": "50", "views.turn": "20", "teacher.start": "7"})
    assert (options.steps, options.views.turn, options.teacher.start) == (50, 20, 7)
    with pytest.raises(TypeError):
        changed(TrainOptions(), {"nonsense": "1"})


def test_the_rate_rises_stays_and_falls():
    options = TrainOptions(steps=1000, warmup=10, decay=100)
    rates = [options.rate(step) for step in range(1000)]
    assert rates[0] < rates[9] == max(rates[:400])
    assert rates[-1] == pytest.approx(0.01 * options.stages[1].rate)
