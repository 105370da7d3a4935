import torch

from semcorr_cli.core.image import Image
from semcorr_cli.effects.style.moments import Statistics


def test_of_large_cells_some_pixels_are_enough():
    noise = torch.rand(3, 1500, 3000, generator=torch.Generator().manual_seed(0))
    whole, few = (Statistics.of(Image(rgb)) for rgb in (noise, noise[:, ::2, ::2].contiguous()))
    assert whole.hw == few.hw == (30, 60)
    assert torch.equal(whole.planes, few.planes)
