from functools import cache

import pytest
import torch
from torch import nn
from torch.nn import functional

from semcorr_cli.core import resample
from semcorr_cli.core.correspondence import Pose
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.io import images
from semcorr_cli.matchers import pose, relation
from semcorr_cli.matchers.relation import ANGLES, GRID, OCTAVES, Convolution, Relation
from semcorr_cli.session import POSING, Session, SessionOptions
from semcorr_cli.settings import Settings
from tests.conftest import ROOT

STILL = Pose()
POSES = [Pose(side, angle) for side in (False, True) for angle in pose.ANGLES]


@cache
def sample(name: str) -> Image:
    return resample.shrink(images.load(str(ROOT / "samples" / name)), 300)


def drawn(image: Image, turned: Pose) -> Image:
    image = image.mirrored() if turned.mirrored else image
    return image if turned.still else resample.draw(image, pose.turn_warp(turned, image.hw), mode="bilinear")


@cache
def described(name: str, turned: Pose = STILL) -> torch.Tensor:
    """The square of what any extractor's posing look says of a sample in a pose."""
    offline = Settings(weights=ROOT / "nowhere", cache=ROOT / "nowhere", cache_limit=0, offline=True)
    session = Session(SessionOptions("sift", device="cpu", cache=False), offline)
    return relation.square(session.features(drawn(sample(name), turned), look=POSING)[0])


def related(source: str, target: str, turned: Pose = STILL) -> Relation:
    return relation.relate({seen: described(source, seen) for seen in POSES}, described(target, turned))


def test_a_layer_is_a_convolution() -> None:
    torch.manual_seed(0)
    layer, other = Convolution(3, 5, 4, 2).eval(), nn.Conv2d(3, 5, 4, 2, 1, bias=False)
    other.weight.data = layer.linear.weight.view(5, 4, 4, 3).permute(0, 3, 1, 2)
    x = torch.randn(2, 3, 8, 8)
    expected = functional.relu(other(x)) / (1 + layer.norm.eps) ** 0.5
    assert torch.allclose(layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), expected, atol=1e-5)


def test_a_wide_picture_lies_in_the_middle_of_the_square() -> None:
    data = functional.normalize(torch.rand(6, 10, 20, generator=torch.Generator().manual_seed(1)), dim=0)
    found = relation.square(FeatureMap(data, (100, 200)))
    assert found.shape == (6, GRID, GRID)
    norm = found.norm(dim=0)
    assert torch.allclose(norm[GRID // 4 : -GRID // 4], torch.ones(()), atol=1e-3)
    assert float(norm[: GRID // 4].max()) == float(norm[-(GRID // 4) :].max()) == 0
    mirrored = relation.square(FeatureMap(data.flip(2), (100, 200)))
    assert torch.allclose(mirrored, found.flip(2), atol=1e-5)


@pytest.mark.parametrize("turned", [STILL, Pose(True), Pose(angle=45), Pose(angle=-30), Pose(True, 30)], ids=str)
@pytest.mark.parametrize("name", ["bear.jpg", "van.jpg"])
def test_the_pose_of_a_turned_picture_is_the_likeliest(name: str, turned: Pose) -> None:
    found = related(name, name, turned)
    first = found.likely(1)[0]
    assert first.mirrored == turned.mirrored
    assert abs(first.angle - turned.angle) <= relation.STEP
    assert found.log_probability(turned) > -1
    assert torch.allclose(found.turns.exp().sum(), torch.ones(()), atol=1e-4)


def test_an_enlarged_picture_is_larger() -> None:
    small, same, large = (related("bear.jpg", "bear.jpg", Pose(scale=scale)).scale for scale in (0.5, 1, 1.8))
    assert small < same < large
    assert 0.8 <= same <= 1.3


def test_a_picture_is_laid_where_its_like_is() -> None:
    truth = Pose(scale=1.4, shift=(0.1875, 0.0))
    found = related("bear.jpg", "bear.jpg", truth).likely(1)[0]
    assert (found.mirrored, found.angle) == (False, 0)
    assert found.scale == pytest.approx(truth.scale, rel=0.2)
    assert found.shift == pytest.approx(truth.shift, abs=0.08)


def test_kin_is_told_from_strangers() -> None:
    assert related("fox.jpg", "corgi.jpg").kin > related("fox.jpg", "van.jpg").kin
    assert related("beetle.jpg", "van.jpg").kin > related("beetle.jpg", "rabbit.jpg").kin


def test_cells_of_like_pictures_find_each_other() -> None:
    same = relation.mutual(described("fox.jpg"), described("fox.jpg"))
    alike = relation.mutual(described("fox.jpg"), described("corgi.jpg"))
    fallen = relation.mutual(described("fox.jpg"), described("corgi.jpg", Pose(angle=90)))
    assert GRID * GRID >= same > alike > fallen > 0


def test_the_way_back_is_the_inverse() -> None:
    there = relation.relate({STILL: described("fox.jpg")}, described("corgi.jpg"))
    back = relation.relate({STILL: described("corgi.jpg")}, described("fox.jpg"))
    assert torch.allclose(there.turns[0], back.turns[0, -torch.arange(ANGLES) % ANGLES], atol=1e-4)
    assert torch.allclose(there.octaves, back.octaves.flip(0), atol=1e-4)
    assert there.kin == pytest.approx(back.kin, abs=1e-4)


def test_what_was_not_looked_at_is_impossible() -> None:
    found = relation.relate({STILL: described("fox.jpg")}, described("corgi.jpg"))
    assert bool(torch.isinf(found.turns[1]).all())
    assert not any(turned.mirrored for turned in found.likely(3))


def test_votes_are_carried_over_to_the_source_as_it_is() -> None:
    as_it_is = relation.relate({STILL: described("fox.jpg")}, described("corgi.jpg"))
    called_turned = relation.relate({Pose(angle=30): described("fox.jpg")}, described("corgi.jpg"))
    assert torch.allclose(called_turned.turns[0], as_it_is.turns[0].roll(2), atol=1e-5)


def test_scales_are_quarters_of_octaves() -> None:
    octaves = torch.zeros(len(OCTAVES))
    octaves[OCTAVES.index(0.25)] = octaves[OCTAVES.index(0.75)] = 0.5
    assert Relation(torch.zeros(2, ANGLES), octaves, 0.0).scale == 2**0.5
