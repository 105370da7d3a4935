from dataclasses import replace

import pytest
import torch

from semcorr_cli.core.correspondence import Pose
from semcorr_cli.errors import InputError
from semcorr_cli.extractors.network import DescriptorNet
from semcorr_cli.matchers import pose, relation
from semcorr_cli.matchers.relation import GRID, RelationOptions
from semcorr_cli.training import relations
from semcorr_cli.training.pictures import read_folder
from semcorr_cli.training.relations import Kind, Pairs, RelationTraining, truth
from tests.training.conftest import SMALL

NETWORK = RelationOptions(channels=SMALL.dim, width=8, deep=8, own=4, hidden=16)
RECIPE = RelationTraining(steps=30, batch=8, warmup=2, network=NETWORK)


@pytest.fixture
def described(folder, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64, loose=(".",))
    torch.manual_seed(0)
    return relations.describe(pictures, DescriptorNet(SMALL).eval(), RECIPE), pictures.loose


@pytest.mark.parametrize("turned", [Pose(), Pose(True), Pose(angle=30, scale=2), Pose(True, -70, 0.5), Pose(angle=170)])
def test_the_truth_is_what_the_poses_of_the_search_mean(turned):
    # what a pose draws is looked at through its warp; the target is the picture as it is
    through = pose.turn_warp(replace(turned, mirrored=False), (100, 100))
    xy = torch.tensor([[50.0, 50.0], [51.0, 50.0], [50.0, 51.0]])
    at = through.at(xy)
    back = torch.stack([at[1] - at[0], at[2] - at[0]], dim=1)  # from what is drawn to the (mirrored) source
    if turned.mirrored:
        back = torch.diag(torch.tensor([-1.0, 1.0])) @ back
    # source and target show one thing when the target is the source drawn in this pose
    mirrored, angle, octave = truth(torch.eye(2)[None], back[None])
    assert bool(mirrored) == turned.mirrored
    assert abs((float(angle) - turned.angle + 180) % 360 - 180) < 0.1
    assert 2 ** float(octave) == pytest.approx(turned.scale, rel=1e-3)


def test_views_are_described_with_their_mirror_images(described):
    views, _ = described
    count = RECIPE.views(10)
    assert views.squares.shape == (count, 2, SMALL.dim, GRID, GRID)
    assert views.linear.shape == (count, 2, 2)
    assert int(views.whole.sum()) == round(RECIPE.kinds[0].share * 10)
    norm = views.squares.float().norm(dim=2)
    assert bool(((norm < 0.01) | ((norm - 1).abs() < 0.02)).all())
    mirrored = torch.linalg.det(views.linear) < 0
    assert 0 < int(mirrored.sum()) < count


def test_no_picture_is_left_out(folder, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64, loose=(".",))
    told = []
    recipe = replace(RECIPE, kinds=(replace(RECIPE.kinds[0], share=1.0),))
    views = relations.describe(pictures, DescriptorNet(SMALL).eval(), recipe, told.append)
    assert sorted(views.category.tolist()) == sorted(pictures.category.tolist())
    assert told == [10]


def test_pairs_are_kin_when_of_one_folder(described):
    views, loose = described
    pairs, g = Pairs(views, loose, replace(RECIPE, batch=200)), torch.Generator().manual_seed(0)
    source, target, kin = pairs.draw(g)
    assert torch.equal(views.category[source] == views.category[target], kin)
    assert not {int(c) for c in views.category[source]} & set(loose)
    both = (views.whole[source] & views.whole[target]).float().mean()
    assert abs(float(both) - 0.3) < 0.1


def test_training_lowers_the_loss_and_is_the_same_twice(described):
    losses = []
    first = relations.train(*described, RECIPE, lambda done, off: losses.append(off))
    assert len(losses) == RECIPE.steps
    assert sum(losses[-5:]) < sum(losses[:5])
    second = relations.train(*described, RECIPE)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_what_is_written_is_read_again(described, tmp_path):
    network = relations.train(*described, replace(RECIPE, steps=2))
    relations.write(network, tmp_path / "relation.safetensors", {"steps": "2"})
    found = relation.read(tmp_path / "relation.safetensors")
    assert found.options == NETWORK
    views = described[0].squares[:4, 0].float()
    for one, other in zip(network(views, views.flip(0)), found(views, views.flip(0)), strict=True):
        assert torch.allclose(one, other, atol=2e-2)


def test_one_kind_alone_teaches_no_poses(folder, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64, without=("kind1",), loose=(".",))
    with pytest.raises(InputError, match="two or more folders"):
        relations.describe(pictures, DescriptorNet(SMALL).eval(), RECIPE)


def test_the_command_writes_a_network(semcorr, folder, tmp_path, monkeypatch):
    kinds = tuple(Kind(kind.options, 0.5, kind.mirrored, kind.whole) for kind in RECIPE.kinds[:2])
    small = replace(RECIPE, kinds=kinds, network=replace(NETWORK, channels=128))
    monkeypatch.setattr(relations, "RelationTraining", lambda **told: replace(small, **told))
    monkeypatch.setattr(relations, "SIDE", 64)
    ran = semcorr("train", folder, "--run", tmp_path / "run", "--relation", "--steps", 1, "--loose", ".", "--json")
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["steps"] == 1
    assert relation.read(tmp_path / "run" / "relation.safetensors")
