import torch
from kornia.color import lab_to_rgb, rgb_to_lab

from semcorr_cli.core import metrics
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style.parts import Parts
from semcorr_cli.effects.style.render import Enlarged
from semcorr_cli.effects.style.tones import Tones
from tests.specimens import middle, picture

HW = (72, 96)


def one_part(trust=1.0):
    labels, ones = torch.zeros(45, 60, dtype=torch.long), torch.ones(45, 60)
    return Parts(labels, labels, ones, trust * ones, 1)


def toned(image, style, parts):
    lab = rgb_to_lab(image.rgb)
    tones = Tones.between(image, lab, style, parts)
    return lab + tones.added(Enlarged(tones.planes, image.hw).rows(slice(0, image.hw[0])), lab)


def bent(image):
    """Same mean and spread of lightness, another distribution: dark places darker, the rest drawn together."""
    lab = rgb_to_lab(image.rgb)
    light = lab[:1]
    curve = light - 0.25 * (50 - light).clamp_min(0)
    curve = (curve - curve.mean()) / curve.std() * light.std() + light.mean()
    return Image(lab_to_rgb(torch.cat([curve.clamp(5, 95), lab[1:]])))


def test_a_picture_and_itself_leave_curves_straight():
    image = picture(HW)
    assert float((toned(image, image, one_part()) - rgb_to_lab(image.rgb)).abs().max()) < 0.05


def test_distributions_of_one_mean_and_spread_are_told_apart():
    image = picture(HW)
    style = bent(image)
    goal = rgb_to_lab(style.rgb).flatten(1).T
    before, after = rgb_to_lab(image.rgb).flatten(1).T, toned(image, style, one_part()).flatten(1).T
    far, near = (metrics.sliced_wasserstein(cloud, goal) for cloud in (before, after))
    assert near < 0.7 * far


def test_curves_rise_and_bend_within_bounds():
    image = picture(HW)
    lab, made = rgb_to_lab(image.rgb)[0].flatten(), toned(image, picture(HW, 3), one_part())[0].flatten()
    order = lab.argsort()[:: HW[1]]
    slope = made[order].diff() / lab[order].diff()
    steep = slope[lab[order].diff() > 0.5]
    assert float(steep.min()) > 0.45
    assert float(steep.max()) < 2.05


def test_counterparts_that_votes_hardly_found_bend_nothing():
    image, style = picture(HW), bent(picture(HW))
    lab = rgb_to_lab(image.rgb)
    sure, unsure = (float((toned(image, style, one_part(trust)) - lab).abs().mean()) for trust in (1.0, 0.1))
    assert unsure < 0.2 * sure


def test_what_is_transparent_bends_nothing():
    image = picture(HW)
    style = Image(image.rgb.clone(), middle(HW))
    style.rgb[:, middle(HW)[0] == 0] = 0.0
    shown = Image(image.rgb, middle(HW))
    assert float((toned(shown, style, one_part()) - rgb_to_lab(image.rgb)).abs().max()) < 0.05


def test_eased_curves_add_their_share():
    image = picture(HW)
    lab = rgb_to_lab(image.rgb)
    tones = Tones.between(image, lab, picture(HW, 3), one_part())
    added, eased = (
        each.added(Enlarged(each.planes, HW).rows(slice(0, HW[0])), lab) for each in (tones, tones.eased(0.0, 0.5))
    )
    assert not bool(eased[0].any())
    assert torch.allclose(eased[1:], added[1:] / 2, atol=1e-4)
