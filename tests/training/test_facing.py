import math
import statistics
from dataclasses import replace

import pytest
import torch
from PIL import Image as Pillow

from semcorr_cli import extractors
from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.extractors.base import build
from semcorr_cli.extractors.facing import FacingNet
from semcorr_cli.extractors.network import DescriptorNet, NetworkOptions, load_trunk
from semcorr_cli.training import facing
from semcorr_cli.training.facing import FacingTraining, Groups
from semcorr_cli.training.pictures import read_folder
from semcorr_cli.training.views import STRIDE, Views
from semcorr_cli.training.weights import write_weights
from tests.training.conftest import SMALL

RECIPE = FacingTraining(steps=12, kinds=2, members=3, sizes=((64, 64), (64, 96)), dim=4, warmup=2)


@pytest.fixture
def pictures(folder, tmp_path):
    return read_folder(folder, tmp_path / "cache", 64, loose=(".",))


@pytest.fixture
def start():
    torch.manual_seed(0)
    return DescriptorNet(SMALL).eval()


def whole_views(*, mirrored: tuple[bool, ...], side: int = 64) -> Views:
    """Views that are pictures as they are, or mirrored."""
    cells = (torch.arange(side // STRIDE) + 0.5) / (side // STRIDE)
    y, x = torch.meshgrid(cells, cells, indexing="ij")
    at = [torch.stack([1 - x if flip else x, y], dim=-1).flatten(0, 1) for flip in mirrored]
    count = len(mirrored)
    valid = torch.ones(count, (side // STRIDE) ** 2, dtype=torch.bool)
    return Views(torch.zeros(count, 3, side, side), torch.stack(at), valid, torch.full((count,), STRIDE / side))


def ends(*, mirrored: tuple[bool, ...]) -> torch.Tensor:
    """Descriptors 4 × 4 that say 1 at one end of the thing and -1 at the other."""
    ramp = torch.tensor([1.0, 0.5, -0.5, -1.0]).expand(1, 4, 4)
    return torch.stack([ramp.flip(2) if flip else ramp for flip in mirrored])


@pytest.mark.parametrize("mirrored", [(False, False), (False, True), (True, False), (True, True)])
def test_descriptors_that_stay_with_an_end_are_evidence_for_like_places(mirrored):
    seen, a, b = whole_views(mirrored=mirrored), torch.tensor([0]), torch.tensor([1])
    right, known = facing.evidence(ends(mirrored=mirrored), seen, a, b, 0.07)
    assert bool(known)
    assert float(right) > 1
    wrong, _ = facing.evidence(ends(mirrored=(mirrored[0], not mirrored[1])), seen, a, b, 0.07)
    assert float(wrong) == pytest.approx(-float(right), rel=1e-4)


def test_what_is_the_same_on_both_sides_is_evidence_of_nothing():
    seen = whole_views(mirrored=(False, True))
    same = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found, _ = facing.evidence(same + same.flip(3), seen, torch.tensor([0]), torch.tensor([1]), 0.07)
    assert abs(float(found)) < 1e-5


def test_a_view_that_shows_nothing_teaches_nothing():
    seen = whole_views(mirrored=(False, False))
    blind = replace(seen, valid=torch.zeros_like(seen.valid))
    _, known = facing.evidence(ends(mirrored=(False, False)), blind, torch.tensor([0]), torch.tensor([1]), 0.07)
    assert not bool(known)


def test_groups_are_of_one_folder_and_of_different_pictures(pictures):
    groups = Groups(pictures, RECIPE)
    drawn = groups.draw(torch.Generator().manual_seed(0)).view(RECIPE.kinds, RECIPE.members)
    for group in drawn:
        assert len(set(pictures.category[group].tolist())) == 1
        assert len(set(group.tolist())) == RECIPE.members
        assert int(pictures.category[group[0]]) not in pictures.loose
    many = Groups(pictures, replace(RECIPE, kinds=5, members=9)).draw(torch.Generator().manual_seed(0))
    assert many.shape == (45,)


def test_a_folder_is_drawn_as_often_as_it_is_asked_to_be(pictures):
    one = replace(RECIPE, kinds=1, members=1, often={"kind1": 50.0})
    g, groups = torch.Generator().manual_seed(0), Groups(pictures, one)
    drawn = torch.cat([groups.draw(g) for _ in range(200)])
    share = float((pictures.category[drawn] == pictures.names.index("kind1")).float().mean())
    size = {name: len(m) ** one.balance for name, m in zip(pictures.names, pictures.members(), strict=True)}
    expected = 50 * size["kind1"] / (50 * size["kind1"] + size["kind0"])
    assert share == pytest.approx(expected, abs=0.05)
    with pytest.raises(InputError, match="is called zebra"):
        Groups(pictures, replace(RECIPE, often={"zebra": 2.0}))


def test_training_goes_on_from_a_network_of_its_kind(pictures, start):
    before = facing.train(pictures, start, RECIPE)
    kept = {name: value.clone() for name, value in before.state_dict().items()}
    still = facing.train(pictures, before, replace(RECIPE, steps=0))
    on = facing.train(pictures, before, replace(RECIPE, steps=3))
    for name, value in kept.items():
        assert torch.equal(value, before.state_dict()[name]), name
        assert torch.equal(value, still.state_dict()[name]), name
    assert torch.equal(kept["stem.0.0.weight"], on.state_dict()["stem.0.0.weight"])
    assert not torch.equal(kept["head.weight"], on.state_dict()["head.weight"])


def test_training_begins_with_no_idea_keeps_the_first_layers_and_is_the_same_twice(pictures, start):
    losses = []
    first = facing.train(pictures, start, RECIPE, lambda done, off: losses.append((done, off)))
    assert [done for done, _ in losses] == list(range(1, RECIPE.steps + 1))
    assert losses[0][1] == pytest.approx(math.log(2), abs=0.02)
    assert all(math.isfinite(off) for _, off in losses)
    for name, value in start.stem.state_dict().items():
        assert torch.equal(value, first.stem.state_dict()[name]), name
    assert not torch.equal(start.stages[2][0].first[0].weight, first.stages[2][0].first[0].weight)
    second = facing.train(pictures, start, RECIPE)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_ends_that_differ_are_learnt(tmp_path, start):
    g = torch.Generator().manual_seed(0)
    for kind in ("arrow", "wedge"):
        (tmp_path / "ends" / kind).mkdir(parents=True)
        for number in range(6):
            # a striped head on the left, a smooth tail on the right
            shade = torch.rand(64, 1, 3, generator=g).expand(64, 64, 3) * 60 + 90
            stripes = 80 * (torch.arange(64)[:, None, None] // 4 % 2) * (torch.arange(64)[None, :, None] < 30)
            picture = (shade + stripes).clamp(0, 255).byte().numpy()
            Pillow.fromarray(picture).save(tmp_path / "ends" / kind / f"{number}.png")
    pictures = read_folder(tmp_path / "ends", tmp_path / "cache", 64)
    losses = []
    recipe = replace(RECIPE, steps=60, sizes=((64, 64),), rate=3e-3, warmup=5)
    facing.train(pictures, start, recipe, lambda done, off: losses.append(off))
    assert statistics.median(losses[-20:]) < 0.2 < 0.5 < sum(losses[:3]) / 3


def test_a_step_begins_where_the_descriptors_network_is(pictures, start):
    begun = facing.train(pictures, start, replace(RECIPE, steps=0))
    for own, old in ((begun.lateral[0], start.lateral[1]), (begun.lateral[1], start.lateral[2])):
        assert torch.equal(own.weight, old.weight)
    assert torch.equal(begun.smooth.first[0].weight, start.smooth16.first[0].weight)
    assert begun.options == replace(SMALL, dim=RECIPE.dim)


def test_what_is_written_is_read_again_and_describes(pictures, start, tmp_path):
    network = facing.train(pictures, start, replace(RECIPE, steps=2))
    path = tmp_path / "facing.safetensors"
    write_weights(network, path, {"steps": "2"})
    found = load_trunk(path, FacingNet)
    assert found.options == network.options
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert float((found(image) - network(image)).norm()) < 0.01 * float(network(image).norm())
        told = build(extractors.FACING, weights={"facing": path}).describe([Image(image[0])])[0]
    assert told.layers["features"].shape == (RECIPE.dim, 11, 16)


def test_pictures_that_are_alike_in_nothing_teach_no_ends(folder, tmp_path, start):
    loose = read_folder(folder, tmp_path / "cache", 64, without=("kind0", "kind1"), loose=(".",))
    with pytest.raises(InputError, match="two or more pictures"):
        facing.train(loose, start, RECIPE)


def test_the_command_writes_a_network(semcorr, folder, tmp_path, monkeypatch):
    small = replace(RECIPE, sizes=((32, 32),))
    monkeypatch.setattr(facing, "FacingTraining", lambda **told: replace(small, **told))
    ran = semcorr("train", folder, "--run", tmp_path / "run", "--facing", "--steps", 1, "--loose", ".", "--json")
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["steps"] == 1
    written = tmp_path / "run" / "facing.safetensors"
    assert load_trunk(written, FacingNet).options == NetworkOptions(dim=RECIPE.dim)
    more = ["--facing", "--steps", 1, "--loose", ".", "--start", written, "--often", "kind1=3"]
    ran = semcorr("train", folder, "--run", tmp_path / "more", *more)
    assert ran.code == 0, ran.err
    first, second = (load_trunk(run / "facing.safetensors", FacingNet) for run in (tmp_path / "run", tmp_path / "more"))
    close = pytest.approx(float(first.head.weight.norm()), rel=0.1)
    assert float(second.head.weight.norm()) == close


@pytest.mark.parametrize(
    ("told", "code", "said"),
    [
        (["--facing", "--often", "kind1"], 2, "FOLDER=TIMES"),
        (["--facing", "--often", "kind1=0"], 2, "times above 0"),
        (["--facing", "--often", "kind1=many"], 2, "FOLDER=TIMES"),
        (["--often", "kind1=2"], 2, "--often goes with --facing"),
        (["--facing", "--often", "zebra=2", "--loose", "."], 3, "is called zebra"),
        (["--start", "facing"], 3, "does not hold weights of the built-in network"),
    ],
)
def test_what_cannot_be_drawn_or_begun_from_is_told(semcorr, folder, tmp_path, told, code, said):
    ran = semcorr("train", folder, "--run", tmp_path / "run", "--steps", 1, *told)
    assert ran.code == code, ran.err
    assert said in ran.err


def test_one_network_is_trained_at_a_time(semcorr, folder, tmp_path):
    ran = semcorr("train", folder, "--run", tmp_path / "run", "--facing", "--relation")
    assert ran.code == 2
    assert "give one of them" in ran.err
    assert not (tmp_path / "run").exists()
