from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow
from torch import Tensor

from semcorr_cli import evaluate
from semcorr_cli.datasets import TruePair
from semcorr_cli.datasets.change import Change
from semcorr_cli.errors import InputError
from semcorr_cli.evaluate import Protocol
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings
from tests.conftest import textured


@pytest.fixture
def session() -> Session:
    return Session(SessionOptions(device="cpu", cache=False), Settings.from_environment())


def lattice() -> Tensor:
    y, x = torch.meshgrid(torch.arange(24.0, 110, 24), torch.arange(24.0, 140, 24), indexing="ij")
    return torch.stack([x, y], dim=-1).reshape(-1, 2)


@pytest.mark.parametrize("prediction", evaluate.PREDICTIONS)
def test_a_picture_is_found_in_itself(prediction: str, session: Session, tmp_path: Path) -> None:
    Pillow.fromarray(textured((120, 160))).save(tmp_path / "a.png")
    box = (0.0, 0.0, 160.0, 120.0)
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", lattice(), lattice(), box)
    found = list(evaluate.predict([pair], session, prediction))
    assert [entry.pair for entry in found] == [pair]
    assert found[0].target_hw == (120, 160)
    assert (found[0].quality is None) == (prediction == "nearest")
    assert evaluate.score(found, Protocol()).overall[0.05].per_point > 95


@pytest.mark.parametrize("reading", ["centre", "+7", "bilinear"])
def test_points_of_large_pictures_are_those_of_the_originals(reading: str, session: Session, tmp_path: Path) -> None:
    Pillow.fromarray(textured((120, 160))).resize((960, 720)).save(tmp_path / "a.png")
    points = 6 * lattice()
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", points, points, (0.0, 0.0, 960.0, 720.0))
    found = list(evaluate.predict([pair], session, "nearest", reading))
    assert evaluate.score(found, Protocol()).overall[0.05].per_point > 95


@pytest.mark.parametrize("on_target", [False, True])
def test_a_known_change_is_made_before_matching(on_target: bool, session: Session, tmp_path: Path) -> None:
    Pillow.fromarray(textured((120, 160))).save(tmp_path / "a.png")
    Pillow.fromarray(textured((90, 90), seed=5)).save(tmp_path / "b.png")
    change = Change(
        linear=torch.eye(2) / 2,
        middle=torch.tensor([200.0, 200.0]),
        centre=torch.tensor([80.0, 60.0]),
        half=torch.tensor([80.0, 60.0]),
        background=tmp_path / "b.png",
        colours=torch.eye(3),
        gamma=1.0,
        offset=0.0,
        mirrored=False,
    )
    points, moved = lattice(), change.points(lattice())
    ends = (points, moved) if on_target else (moved, points)
    changes = (None, change) if on_target else (change, None)
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", *ends, (0.0, 0.0, 160.0, 120.0), *changes)
    found = list(evaluate.predict([pair], session, "warp"))
    assert found[0].target_hw == ((400, 400) if on_target else (120, 160))
    assert evaluate.score(found, Protocol()).overall[0.10].per_point > 80


def test_a_picture_that_is_missing_is_an_input_error(session: Session, tmp_path: Path) -> None:
    pair = TruePair("aa", "cat", tmp_path / "a.png", tmp_path / "a.png", lattice(), lattice(), (0.0, 0.0, 9.0, 9.0))
    with pytest.raises(InputError, match="no file"):
        list(evaluate.predict([pair], session, "warp"))
