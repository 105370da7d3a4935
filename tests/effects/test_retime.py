from itertools import pairwise

import pytest
import torch

from semcorr_cli.core.image import Image
from semcorr_cli.effects.layers import Layers
from semcorr_cli.effects.morph import Morph, MorphOptions
from semcorr_cli.effects.pace import Moment
from semcorr_cli.effects.retime import LOOK_SIDE, Tempo, even, retimed
from tests.specimens import correspondence, flat, middle, picture, shifted

HW = (72, 96)


def ramp(curve):
    """Returns a look whose grey follows a curve of time, in steps that look alike where it is straight."""
    return lambda t: torch.full((3, 4, 4), ((curve(t) * 92 + 24) / 116) ** 3)  # lightness 8 to 100


@pytest.mark.parametrize("curve", [lambda t: t**3, lambda t: 1 - (1 - t) ** 3, lambda t: t * t * (3 - 2 * t)])
@pytest.mark.parametrize("steps", [9, 30])
def test_steps_become_alike(curve, steps: int) -> None:
    tempo = even(ramp(curve), steps)
    lengths = [curve(tempo.at((k + 1) / steps)) - curve(tempo.at(k / steps)) for k in range(steps)]
    assert max(lengths) < 1.2 * min(lengths)
    assert tempo.unevenness < 0.05 < tempo.before


def test_an_even_film_stays_as_it_is() -> None:
    tempo = even(ramp(lambda t: t), 10)
    assert tempo.times == pytest.approx([k / 10 for k in range(11)], abs=1e-3)


def test_a_film_that_stands_still_keeps_its_time() -> None:
    tempo = even(lambda t: torch.full((3, 4, 4), 0.3), 8)
    assert tempo.times == tuple(k / 8 for k in range(9))
    assert tempo.unevenness == 0


@pytest.mark.parametrize("curve", [lambda t: float(t > 0), lambda t: float(t > 0.5), lambda t: max(0.0, t - 0.5)])
def test_time_always_runs_forward_from_end_to_end(curve) -> None:
    tempo = even(ramp(curve), 12)
    assert (tempo.times[0], tempo.times[-1]) == (0.0, 1.0)
    assert all(a < b for a, b in pairwise(tempo.times))
    assert (tempo.at(0.0), tempo.at(1.0)) == (0.0, 1.0)
    assert tempo.unevenness <= tempo.before


def test_moments_keep_their_transition_and_their_ends() -> None:
    tempos = [Tempo((0.0, 0.25, 1.0), 0, 0), Tempo((0.0, 0.75, 1.0), 0, 0)]
    moments = [Moment(0, 0.0), Moment(0, 0.5), Moment(1, 0.5), Moment(1, 0.75), Moment(1, 1.0)]
    times = [0.0, 0.25, 0.75, 0.875, 1.0]
    expected = [Moment(m.transition, t) for m, t in zip(moments, times, strict=True)]
    assert list(retimed(iter(moments), tempos)) == expected


def test_a_morph_becomes_even() -> None:
    field = correspondence(shifted((9.0, -5.0), HW))
    morph = Morph(picture(HW, 1), picture(HW, 2), field, HW, MorphOptions())
    tempo = even(lambda t: morph.small(t, LOOK_SIDE), 12)
    assert tempo.unevenness < 0.2 * tempo.before
    frames = [morph.frame(tempo.at(k / 12)).astype(float) for k in range(13)]
    steps = [abs(a - b).mean() for a, b in pairwise(frames)]
    assert max(steps) < 1.5 * min(steps)


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("kind", ["opaque", "alpha", "layers"])
def test_small_frames_look_like_the_frames(t: float, kind: str) -> None:
    first, second = picture(HW, 1, alpha=kind == "alpha"), flat(HW, 0.6)
    if kind == "layers":
        masks = middle(HW)
        first, second = Image(first.rgb, mask=masks), Image(second.rgb, mask=masks)
    field = correspondence(shifted((4.0, 0.0), HW))
    drawn = (Layers if kind == "layers" else Morph)(first, second, field, HW, MorphOptions())
    large, small = drawn.small(t, 96), drawn.small(t, 24)
    assert small.shape == (large.shape[0], 18, 24)
    reduced = torch.nn.functional.interpolate(large[None], size=small.shape[1:], mode="area")[0]
    assert float((reduced - small).abs().mean()) < 0.02
