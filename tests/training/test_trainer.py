import json
from pathlib import Path

import pytest
import torch

from semcorr_cli.errors import InputError
from semcorr_cli.extractors.network import load_network
from semcorr_cli.training import renders, state
from semcorr_cli.training.pictures import read_folder
from semcorr_cli.training.trainer import Trainer
from semcorr_cli.training.weights import write_weights
from tests.conftest import SAMPLES


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in trainer.average.state_dict().items()}


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def test_resuming_loses_nothing(folder, recipe, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    straight = Trainer(pictures, recipe(), tmp_path / "straight")
    straight.run()
    first = Trainer(pictures, recipe(), tmp_path / "broken")
    first.run(stop=lambda: first.step == 3)
    assert first.step == 3
    second = Trainer(pictures, recipe(), tmp_path / "broken")
    assert second.step == 3
    second.run()
    assert straight.step == second.step == 4
    assert equal(weights(straight), weights(second))


def test_two_runs_with_one_seed_are_alike_and_another_seed_is_not(folder, recipe, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    runs = [Trainer(pictures, recipe(2, seed=seed), tmp_path / name) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    for run in runs:
        run.run()
    assert equal(weights(runs[0]), weights(runs[1]))
    assert not equal(weights(runs[0]), weights(runs[2]))


def test_a_few_steps_lower_the_loss(folder, recipe, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    options = recipe(40, teacher=recipe().teacher.__class__(start=1000))
    trainer = Trainer(pictures, options, tmp_path / "run")
    losses: list[float] = []
    trainer.run(progress=lambda done, total, figures: losses.append(figures["same"]))
    assert sum(losses[-10:]) < sum(losses[:10]) - 1


def test_the_log_and_the_best_weights_are_kept(folder, recipe, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    scores = iter([1.0, 0.5])
    trainer = Trainer(pictures, recipe(), tmp_path / "run")
    trainer.run(develop=lambda network: {"score": next(scores)})
    lines = [json.loads(line) for line in (tmp_path / "run" / state.LOG).read_text().splitlines()]
    assert [line["development"]["score"] for line in lines if "development" in line] == [1.0, 0.5]
    assert torch.load(tmp_path / "run" / "best.pt", weights_only=True)["step"] == 2


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path):
    state.save(tmp_path, {"step": 2})
    for step in (1, 2, 3):
        state.note(tmp_path, step=step)
    assert state.restore(tmp_path) == {"step": 2}
    assert len((tmp_path / state.LOG).read_text().splitlines()) == 2


def test_written_weights_give_the_same_descriptors(folder, recipe, tmp_path):
    pictures = read_folder(folder, tmp_path / "cache", 64)
    trainer = Trainer(pictures, recipe(2), tmp_path / "run")
    trainer.run()
    write_weights(trainer.average, tmp_path / "w.safetensors")
    read = load_network(tmp_path / "w.safetensors")
    assert read.options.classes == 0
    picture = torch.rand(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        cosine = (read.describe(picture) * trainer.average.describe(picture)).sum(dim=1)
    assert float(cosine.min()) > 0.999


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_other_files_are_no_weights(tmp_path: Path, content: bytes):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="does not hold weights"):
        load_network(tmp_path / "w.safetensors")


def test_rendered_pairs_are_learnt_from(folder, recipe, tmp_path):
    pictures = renders.join(read_folder(folder, tmp_path / "cache", 64), [SAMPLES])
    assert pictures.exact is not None
    assert int((pictures.exact.partner >= 0).sum()) > 10
    trainer = Trainer(pictures, recipe(2), tmp_path / "run")
    trainer.run()
    assert all(bool(torch.isfinite(value).all()) for value in weights(trainer).values())


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no pictures"):
        read_folder(tmp_path, tmp_path / "cache")
    with pytest.raises(InputError, match="there is no folder"):
        read_folder(tmp_path / "none", tmp_path / "cache")
    (tmp_path / "x.png").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"x\.png cannot be read"):
        read_folder(tmp_path, tmp_path / "cache")
