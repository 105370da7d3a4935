from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from semcorr_cli.core import coords, light, processor
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.morph import Morph, MorphOptions, facing_one_way
from tests.specimens import correspondence, flat, mapped, picture, shifted

HW = (72, 96)
ELEVEN = [k / 10 for k in range(11)]


def resizing(source_hw: tuple[int, int] = HW, target_hw: tuple[int, int] = HW) -> Correspondence:
    return correspondence(Warp.identity(source_hw, target_hw))


def wavy(amount: float, hw: tuple[int, int] = HW) -> Correspondence:
    return correspondence(mapped(lambda xy: xy + amount * torch.sin(xy.flip(1) / 9), hw, hw))


def unknown(warp: Warp) -> Correspondence:
    return correspondence(warp.with_confidence(lambda xy: torch.zeros(len(xy))))


def codes(image: Image) -> NDArray[np.int16]:
    return (image.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy().astype(np.int16)


def difference(frame: NDArray[np.uint8], expected: NDArray[np.int16]) -> int:
    return int(np.abs(frame[..., :3].astype(np.int16) - expected).max())


def pairs(source: list[list[float]], target: list[list[float]], hw: tuple[int, int] = HW) -> Matches:
    return Matches(torch.tensor(source), torch.tensor(target), torch.ones(len(source)), hw, hw)


@pytest.mark.parametrize("field", [resizing(), wavy(5.0), correspondence(shifted((12.0, -7.0), HW))])
def test_a_film_starts_with_the_first_picture_and_ends_with_the_second(field: Correspondence) -> None:
    first, second = picture(HW, 1), picture(HW, 2)
    morph = Morph(first, second, field, HW, MorphOptions())
    assert difference(morph.frame(0.0), codes(first)) <= 1
    assert difference(morph.frame(1.0), codes(second)) <= 1


@pytest.mark.parametrize("transparent", [False, True])
def test_frames_of_other_devices_are_those_of_the_processor(transparent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = picture(HW, 1), picture((90, 60), 2)
    if transparent:
        first = replace(first, alpha=first.rgb[:1])
    field = wavy(5.0)
    field = correspondence(field.warp.resized(HW, second.hw))
    of_processor = [Morph(first, second, field, (64, 80), MorphOptions()).frame(t) for t in ELEVEN]
    monkeypatch.setattr(processor, "holds", lambda tensor: False)
    general = [Morph(first, second, field, (64, 80), MorphOptions()).frame(t) for t in ELEVEN]
    apart = [np.abs(a.astype(np.int16) - b).max() for a, b in zip(of_processor, general, strict=True)]
    assert max(apart) <= 1


def test_pictures_of_other_sizes_are_placed_in_the_frame() -> None:
    first, second = picture((72, 110), 1), picture((50, 96), 2)
    morph = Morph(first, second, resizing(first.hw, second.hw), HW, MorphOptions(fit="auto"))
    assert difference(morph.frame(0.0), codes(first)[:, 7:103]) <= 1  # little is cut off
    assert difference(morph.frame(1.0)[11:61], codes(second)) <= 1  # nothing is cut off


def test_stretching_fills_the_frame() -> None:
    first, second = picture((36, 60), 1), picture((50, 40), 2)
    morph = Morph(first, second, resizing(first.hw, second.hw), HW, MorphOptions(fit="stretch"))
    for t, image in ((0.0, first), (1.0, second)):
        enlarged = interpolate(light.to_linear(image.rgb)[None], size=HW, mode="bicubic", align_corners=False)[0]
        assert difference(morph.frame(t), codes(Image(light.to_srgb(enlarged.clamp(0, 1))))) <= 1


def test_a_picture_that_becomes_itself_never_changes() -> None:
    image = picture(HW)
    morph = Morph(image, image, resizing(), HW, MorphOptions())
    assert max(difference(morph.frame(t), codes(image)) for t in ELEVEN) <= 1


def test_colours_dissolve_in_linear_light() -> None:
    morph = Morph(flat(HW, 0.0), flat(HW, 1.0), resizing(), HW, MorphOptions(color_easing="linear"))
    assert set(morph.frame(0.5).flatten().tolist()) == {188}
    assert set(morph.frame(0.25).flatten().tolist()) == {137}


def test_where_nothing_corresponds_pictures_dissolve_in_place() -> None:
    first = picture(HW, 1)
    second = Image(light.to_srgb(0.5 * light.to_linear(first.rgb)))
    morph = Morph(first, second, unknown(shifted((30.0, 10.0), HW)), HW, MorphOptions(color_easing="linear"))
    mixed = light.to_srgb(torch.lerp(light.to_linear(first.rgb), light.to_linear(second.rgb), 0.3))
    assert difference(morph.frame(0.3), codes(Image(mixed))) <= 1


def test_parts_travel_straight_from_one_place_to_the_other() -> None:
    morph = Morph(picture(HW, 1), picture(HW, 2), correspondence(shifted((12.0, -8.0), HW)), HW, MorphOptions())
    centres = coords.pixel_centres(HW)[4:-4:8, 4:-4:8].reshape(-1, 2)
    for s in ELEVEN:
        into_first, into_second = morph.shape.maps(s)
        assert torch.allclose(into_first.at(centres), centres + s * torch.tensor([12.0, -8.0]), atol=0.05)
        assert torch.allclose(into_second.at(centres), centres - (1 - s) * torch.tensor([12.0, -8.0]), atol=0.05)


def test_shape_and_colour_have_easings_of_their_own() -> None:
    field = correspondence(shifted((12.0, 0.0), HW))

    def at(t: float, shape: str, color: str) -> NDArray[np.uint8]:
        options = MorphOptions(shape_easing=shape, color_easing=color)
        return Morph(picture(HW, 1), picture(HW, 2), field, HW, options).frame(t)

    assert np.array_equal(at(0.25, "ease-in", "ease-in"), at(0.0625, "linear", "linear"))
    assert not np.array_equal(at(0.25, "ease-in", "linear"), at(0.25, "linear", "linear"))
    assert not np.array_equal(at(0.25, "linear", "ease-in"), at(0.25, "linear", "linear"))


@pytest.mark.parametrize("field", [resizing(), wavy(3.0), unknown(resizing().warp)], ids=["still", "wavy", "unknown"])
def test_points_set_by_hand_meet(field: Correspondence) -> None:
    hand = pairs([[30.0, 30.0], [70.0, 50.0]], [[36.0, 24.0], [64.0, 55.0]])
    morph = Morph(picture(HW, 1), picture(HW, 2), field, HW, MorphOptions(path="straight"), hand)
    for s in (0.25, 0.5, 1.0):
        between = torch.lerp(hand.source, hand.target, s)
        into_first, into_second = morph.shape.maps(s)
        assert float((into_first.at(between) - hand.source).norm(dim=-1).max()) < 0.5
        assert float((into_second.at(between) - hand.target).norm(dim=-1).max()) < 0.5


def test_a_dot_and_its_partner_set_by_hand_are_seen_half_way() -> None:
    first, second = flat(HW, 0.0), flat(HW, 0.0)
    first.rgb[:, 28:33, 28:33] = 1  # a dot about (30.5, 30.5)
    second.rgb[:, 40:45, 38:43] = 1  # its partner about (40.5, 42.5)
    hand = pairs([[30.5, 30.5]], [[40.5, 42.5]])
    frame = Morph(first, second, resizing(), HW, MorphOptions(), hand).frame(0.5).astype(np.float64)[..., 0]
    y, x = np.mgrid[: HW[0], : HW[1]] + 0.5
    weight = frame / frame.sum()
    assert (weight * x).sum() == pytest.approx(35.5, abs=0.5)
    assert (weight * y).sum() == pytest.approx(36.5, abs=0.5)
    assert frame[36, 35] > 240  # one dot, not two pale ones
    assert (frame > 100).sum() < 49


@pytest.mark.parametrize("amount", [2.0, 8.0, 30.0])
@pytest.mark.parametrize(
    "hand", [None, pairs([[30.0, 30.0], [60.0, 40.0]], [[45.0, 20.0], [52.0, 55.0]])], ids=["alone", "with points"]
)
def test_nothing_folds_at_any_moment(amount: float, hand: Matches | None) -> None:
    morph = Morph(picture(HW, 1), picture(HW, 2), wavy(amount), HW, MorphOptions(), hand)
    for s in ELEVEN:
        for map_ in morph.shape.maps(s):
            assert float(map_.determinants().min()) > 0


def test_no_point_set_by_hand_is_as_if_none_could_be() -> None:
    first, second, none = picture(HW, 1), picture(HW, 2), torch.zeros(0, 2)
    by_hand = Matches(none, none, none[:, 0], HW, HW)
    with_, without = (Morph(first, second, wavy(3.0), HW, MorphOptions(), hand) for hand in (by_hand, None))
    assert np.array_equal(with_.frame(0.4), without.frame(0.4))


@pytest.mark.parametrize("which", [(True, False), (False, True), (True, True), (False, False)])
def test_frames_have_alpha_when_either_picture_has(which: tuple[bool, bool]) -> None:
    first, second = picture(HW, 1, alpha=which[0]), picture(HW, 2, alpha=which[1])
    morph = Morph(first, second, resizing(), HW, MorphOptions(color_easing="linear"))
    channels = 4 if any(which) else 3
    for t in (0.0, 0.5, 1.0):
        frame = morph.frame(t)
        assert (frame.shape, frame.dtype) == ((*HW, channels), np.uint8)
        if channels == 4:
            corner = (1 - t) * (0 if which[0] else 1) + t * (0 if which[1] else 1)
            assert abs(int(frame[1, 1, 3]) - 255 * corner) <= 1
            assert frame[HW[0] // 2, HW[1] // 2, 3] == 255


def test_hidden_colours_do_not_show() -> None:
    first, second = picture(HW, 1, alpha=True), flat(HW, 0.5)
    poisoned = Image(torch.where(first.alpha == 0, torch.ones(3, 1, 1), first.rgb), first.alpha)
    for t in (0.3, 0.7):
        clean, dirty = (Morph(image, second, resizing(), HW, MorphOptions()).frame(t) for image in (first, poisoned))
        assert np.array_equal(dirty, clean)


def test_pictures_that_clash_change_over_faster_than_pictures_that_agree() -> None:
    generator = torch.Generator().manual_seed(0)
    first, other = (Image(torch.rand(3, *HW, generator=generator)) for _ in range(2))
    dimmer = Image(light.to_srgb(0.7 * light.to_linear(first.rgb)))
    for t, which in ((0.2, 1), (0.8, 0)):
        options = MorphOptions(color_easing="linear")
        clashing, agreeing = (
            float(Morph(first, second, resizing(), HW, options).contributions(t)[which].mean())
            for second in (other, dimmer)
        )
        assert clashing < 0.25 * agreeing


def test_what_both_pictures_contribute_is_the_frame() -> None:
    morph = Morph(picture(HW, 1, alpha=True), picture(HW, 2), wavy(3.0), HW, MorphOptions())
    for t in (0.2, 0.5, 0.9):
        first, second = morph.contributions(t)
        total = first + second
        rgb = light.to_srgb((total[:3] / total[3:].clamp_min(1e-6)).clamp(0, 1))
        assert difference(morph.frame(t), codes(Image(rgb))) <= 1


def test_frames_stay_within_the_values_of_both_pictures() -> None:
    dark, bright = flat(HW, 0.2), flat(HW, 0.9)
    dark.rgb[:, ::4] = 0.1
    bright.rgb[:, :, ::4] = 1.0
    morph = Morph(dark, bright, resizing(), HW, MorphOptions())
    for t in ELEVEN:
        frame = morph.frame(t)
        assert frame.min() >= 24
        assert frame.max() <= 255
        assert 44 <= frame.mean() <= 237  # the means of both


def test_a_film_of_mirrored_pictures_turns_none_over():
    one = picture(HW)
    turned = resizing().source_mirrored()
    assert turned.warp.mirrored
    assert turned.forward.mirrored
    shown, fields, mirrored = facing_one_way([one, one.mirrored(), one], [turned, turned])
    assert mirrored == [False, True, False]
    assert [field.pose.mirrored for field in fields] == [False, False]
    assert [field.warp.mirrored for field in fields] == [False, False]
    for first, second, field in zip(shown[:-1], shown[1:], fields, strict=True):
        morph = Morph(first, second, field, HW, MorphOptions())
        for t in (0.0, 0.5, 1.0):
            assert difference(morph.frame(t), codes(one)) <= 1
