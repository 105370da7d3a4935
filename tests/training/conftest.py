from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from semcorr_cli.extractors.network import NetworkOptions
from semcorr_cli.training.groups import GroupOptions
from semcorr_cli.training.options import Stage, TeacherOptions, TrainOptions
from tests.conftest import textured

SMALL = NetworkOptions(stem=8, widths=(8, 8, 16, 16), depths=(1, 1, 1, 1), heads=2, fuse=16, dim=16)


@pytest.fixture(autouse=True)
def _gradients(_inference: None) -> Iterator[None]:
    """Lets this folder's tests learn, where all others only infer."""
    with torch.inference_mode(False):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two kinds of things, four pictures each, and two pictures that are alike in nothing."""
    root = tmp_path / "things"
    for kind in range(2):
        (root / f"kind{kind}").mkdir(parents=True)
        for number in range(4):
            hw = (64, 64 + 8 * number)
            Pillow.fromarray(textured(hw, seed=10 * kind)).save(root / f"kind{kind}" / f"{number}.png")
    for number in range(2):
        Pillow.fromarray(textured((48, 64), seed=50 + number)).save(root / f"loose{number}.jpg")
    return root


@pytest.fixture
def recipe() -> Callable[..., TrainOptions]:
    """Makes a run of a few small steps."""

    def make(steps: int = 4, **changes: object) -> TrainOptions:
        options = TrainOptions(
            steps=steps,
            side=64,
            stages=(Stage(0, ((64, 64), (48, 64)), 1e-3),),
            warmup=2,
            decay=2,
            checkpoint=2,
            develop=2,
            network=SMALL,
            groups=GroupOptions(count=2),
            teacher=TeacherOptions(start=2, every=2),
        )
        return replace(options, **changes)

    return make
