from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from semcorr_cli.errors import InputError
from semcorr_cli.io import images


@pytest.fixture
def halves(tmp_path: Path) -> Path:
    """White on the left, black on the right, 40×20."""
    values = np.zeros((20, 40), np.uint8)
    values[:, :20] = 255
    Pillow.fromarray(values).save(tmp_path / "mask.png")
    return tmp_path / "mask.png"


def test_brightness_is_the_mask(halves: Path) -> None:
    mask = images.load_mask(str(halves), (20, 40))
    assert mask.shape == (1, 20, 40)
    assert (mask[..., :20] == 1).all()
    assert (mask[..., 20:] == 0).all()


def test_alpha_is_the_mask_where_there_is_one(halves: Path) -> None:
    picture = Pillow.open(halves).convert("RGB")
    picture.putalpha(Pillow.open(halves).rotate(180))
    picture.save(halves.with_name("alpha.png"))
    mask = images.load_mask(str(halves.with_name("alpha.png")), (20, 40))
    assert (mask[..., :20] == 0).all()
    assert (mask[..., 20:] == 1).all()


@pytest.mark.parametrize("hw", [(40, 80), (10, 20), (21, 42), (200, 398)])
def test_a_mask_of_the_same_shape_is_resized(hw: tuple[int, int], halves: Path) -> None:
    mask = images.load_mask(str(halves), hw)
    assert mask.shape == (1, *hw)
    assert float(mask.mean()) == pytest.approx(0.5, abs=0.01)
    assert torch.allclose(mask + mask.flip(-1), torch.ones(()), atol=1e-5)


@pytest.mark.parametrize("hw", [(40, 20), (20, 20), (20, 42), (400, 400)])
def test_a_mask_of_another_shape_is_refused(hw: tuple[int, int], halves: Path) -> None:
    with pytest.raises(InputError, match="another shape than its picture") as caught:
        images.load_mask(str(halves), hw)
    assert f"({hw[1]}×{hw[0]})" in caught.value.message
    assert "(40×20)" in caught.value.message


def test_a_mask_is_held_to_the_same_limits_as_a_picture(halves: Path) -> None:
    with pytest.raises(InputError, match="more than the 100 allowed"):
        images.load_mask(str(halves), (20, 40), max_pixels=100)
    with pytest.raises(InputError, match="no file"):
        images.load_mask(str(halves.with_name("missing.png")), (20, 40))
