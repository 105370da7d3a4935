import pytest
import torch

from semcorr_cli.core import resample
from semcorr_cli.core.backdrop import Backdrop
from semcorr_cli.core.image import Image

ROWS = 64


@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("depth", [8, 16])
def test_rows_are_the_pictures_own(depth: int, alpha: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resample, "STRIP_PIXELS", 9 * ROWS)
    h, steps = 2 * ROWS + 7, (1 << depth) - 1
    planes = torch.randint(0, steps + 1, (4, h, 9), generator=torch.Generator().manual_seed(depth)).float() / steps
    image = Image(planes[:3], planes[3:] if alpha else None, depth=depth)
    backdrop = Backdrop.of(image)
    assert backdrop.hw == image.hw
    assert backdrop.has_alpha == alpha
    assert backdrop.codes.nbytes == h * 9 * (3 + alpha) * depth // 8
    for rows in (slice(0, 5), slice(ROWS - 2, h)):
        colours, opacity = backdrop.rows(rows, planes)
        assert torch.allclose(colours, planes[:3, rows], atol=1e-7)
        assert (opacity is not None) == alpha
        assert opacity is None or torch.allclose(opacity, planes[3:, rows], atol=1e-7)
