"""Objects on plain and on busy grounds, whose masks are known."""

from functools import cache
from pathlib import Path

import pytest
import torch

from semcorr_cli.core.image import Image
from semcorr_cli.io import images
from semcorr_cli.matchers import foreground
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

SAMPLES = Path(__file__).parents[2] / "samples"


@cache
def session() -> Session:
    nowhere = Settings(weights=Path("nowhere"), cache=Path("nowhere"), cache_limit=0, offline=True)
    return Session(SessionOptions("builtin", device="cpu", cache=False), nowhere)


def overlap(first: torch.Tensor, second: torch.Tensor) -> float:
    a, b = first > 0.5, second > 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("name", ["fox", "beetle", "delft"])
def test_objects_of_the_samples_are_found(name: str) -> None:
    image = images.load(str(SAMPLES / f"{name}.jpg"))
    (features,) = session().features(image)
    found = foreground.estimate(image, features, torch.zeros(features.hw))
    truth = images.load_mask(str(SAMPLES / "truth" / f"{name}.mask.png"), image.hw)
    assert found.shape == (1, *image.hw)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert overlap(found, truth) > 0.75


def test_a_blank_picture_has_an_estimate_all_the_same() -> None:
    image = Image(torch.full((3, 60, 80), 0.5))
    (features,) = session().features(image)
    found = foreground.estimate(image, features, torch.zeros(features.hw))
    assert bool(found.isfinite().all())


def test_only_what_is_asked_for_is_estimated_and_twice_the_same() -> None:
    fox, corgi = (images.load(str(SAMPLES / f"{name}.jpg")) for name in ("fox", "corgi"))
    source, target = session().find_objects(fox, corgi, of=(False, True))
    assert source is fox
    assert target.mask is not None
    again = session().find_objects(fox, corgi, of=(True, True))[1].mask
    assert again is not None
    assert torch.equal(target.mask, again)
