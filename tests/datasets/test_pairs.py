from pathlib import Path

import pytest
import torch

from semcorr_cli.cli.evaluate import Dataset
from semcorr_cli.datasets import Pairs, TruePair, catalogue
from semcorr_cli.errors import UsageError
from tests.conftest import SAMPLES


def pair(name: str) -> TruePair:
    points = torch.tensor([[0.0, 0.0], [30.0, 20.0]])
    return TruePair(name, "cat", Path("s.png"), Path("t.png"), points, points, None)


def test_pairs_are_read_when_they_are_asked_for() -> None:
    asked: list[str] = []

    def read(name: str) -> TruePair:
        asked.append(name)
        return pair(name)

    pairs = Pairs("abcdef", read)
    part = pairs[::2].picked([2, 0, 0])
    assert (len(pairs), len(part), asked) == (6, 3, [])
    assert [each.name for each in part] == ["e", "a", "a"]
    assert asked == ["e", "a", "a"]
    assert pairs[-1].name == "f"


def test_a_pair_without_a_box_says_so_and_still_has_points() -> None:
    assert pair("lonely").points_side == 30
    with pytest.raises(UsageError, match="lonely: there is no box"):
        _ = pair("lonely").box_side


def test_the_command_line_knows_the_data_sets_that_there_are() -> None:
    assert {entry.value for entry in Dataset} == set(catalogue.DATASETS)


def test_a_split_that_a_data_set_does_not_have_is_wrong_usage() -> None:
    assert len(catalogue.read("samples", SAMPLES)) == len(catalogue.read("samples", SAMPLES, "test")) > 0
    with pytest.raises(UsageError, match="samples has no split 'trn'"):
        catalogue.read("samples", SAMPLES, "trn")
