from dataclasses import replace

import pytest
import torch
from kornia.color import rgb_to_lab

from semcorr_cli.core import metrics
from semcorr_cli.effects.style import patch, search
from semcorr_cli.effects.style.options import StyleOptions
from tests.effects.style.conftest import straight
from tests.specimens import flat, middle, picture

HW = (48, 64)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch, "LEVELS", (patch.Level(32, 1, 3), patch.Level(64, 1, 3)))


def test_a_shifted_picture_is_found():
    whole = picture((60, 80)).rgb * 100
    here, there = whole[:, 10:50, 10:70], whole[:, 8:48, 13:73]
    shifts = search.nearest(here, there, 4, 0.0)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert bool((shifts.there[inner] == torch.tensor([2, -3])[:, None, None]).all())
    assert bool((shifts.back[inner] == torch.tensor([-2, 3])[:, None, None]).all())
    built = search.voted(there, shifts, 0.5)
    assert float((built - here)[:, 13:-13, 13:-13].abs().max()) < 1e-3


def test_a_picture_among_its_own_patches_is_itself():
    image = picture(HW)
    shifts = search.nearest(image.rgb, image.rgb, 3, 1.0)
    assert not bool(shifts.there.any())
    assert torch.allclose(search.voted(image.rgb, shifts, 0.5), image.rgb, atol=1e-5)
    assert torch.allclose(search.enlarged(image.rgb, shifts.there, 5, 20), image.rgb[:, 5:20], atol=1e-5)


def test_texture_is_carried_over():
    style = flat(HW, 0.5)
    style.rgb[:, :, ::4] = 0.9
    style.rgb[:, :, 1::4] = 0.9
    result = patch.restyle(flat(HW, 0.5), style, straight(HW, HW), StyleOptions()).image.rgb
    assert float(result[:, 10:-10, 10:-10].std(dim=2).mean()) > 0.1
    assert float(result[:, 10:-10, 10:-10].std(dim=1).mean()) < 0.05


def test_a_picture_in_its_own_style_is_itself():
    image = picture(HW)
    result = patch.restyle(image, image, straight(HW, HW), StyleOptions()).image
    assert float(metrics.colour_difference(result.rgb, image.rgb).mean()) < 1


def test_patches_of_the_wrong_thing_are_not_trusted_and_texture_is():
    wanted = torch.full((3, 60, 80), 50.0)
    texture, other = wanted.clone(), wanted.clone()
    texture[0, :, ::4] += 30
    other[0, :, 40:] -= 40
    assert float(patch._agreement(texture, wanted).min()) > 0.6
    assert float(patch._agreement(other, wanted)[:, :, 70:].max()) < 0.05
    assert float(patch._agreement(other, wanted)[:, :, :5].min()) > 0.9


def test_detail_that_is_there_is_not_added_again():
    detail = rgb_to_lab(picture(HW).rgb)[:1] - 50
    assert float(patch._lacking(detail, detail).max()) < 0.01
    assert float(patch._lacking(detail, torch.zeros_like(detail)).min()) == 1
    assert float(patch._lacking(detail, -detail).min()) == 1


def test_mask_depth_alpha_and_strength():
    content, mask = replace(picture(HW, alpha=True), depth=16), middle(HW)
    styled = patch.restyle(content, picture(HW, 1), straight(HW, HW), StyleOptions(), mask=mask)
    assert torch.equal(styled.image.rgb[:, mask[0] == 0], content.rgb[:, mask[0] == 0])
    assert float(metrics.colour_difference(styled.image.rgb, content.rgb)[mask[0] == 1].mean()) > 3
    assert styled.image.depth == 16
    assert torch.equal(styled.image.alpha, content.alpha)
    none = patch.restyle(content, picture(HW, 1), straight(HW, HW), StyleOptions(strength=0.0)).image
    assert torch.equal(none.rgb, content.rgb)


@pytest.mark.parametrize("probability", [1.0, 0.1, 0.0])
def test_any_size_and_quality_is_taken_and_watched(probability):
    seen = []
    content, style = picture((40, 150)), picture((70, 30), 1)
    styled = patch.restyle(
        content,
        style,
        straight(content.hw, style.hw, probability=probability),
        StyleOptions(),
        preview=lambda done, total, render: seen.append((done, total, render().hw)),
    )
    assert styled.image.hw == (40, 150)
    assert bool(styled.image.rgb.isfinite().all())
    assert [entry[:2] for entry in seen] == [(1, 2), (2, 2)]
