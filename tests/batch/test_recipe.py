import os
from pathlib import Path

import pytest

from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.recipe import MISSING, Digests, recipe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a", "b", "mask", "weights"):
        (tmp_path / name).write_text(name)
    return tmp_path


JOB = Job("o.png", ("a", "b"), {"strength": "0.5", "source_mask": "mask", "weights": ("builtin=weights",)}, 3)


def of(root: Path, job: Job = JOB, version: str = "1", verb: str = "warp") -> str:
    return recipe(verb, version, job, root, Digests())


def changed(job: Job, **changes: object) -> Job:
    return Job(**{name: changes.get(name, getattr(job, name)) for name in Job.__dataclass_fields__})


def test_the_same_is_the_same_wherever_it_lies(root: Path):
    assert of(root) == of(root)
    assert of(root) == of(root, changed(JOB, output="elsewhere/x.png", line=9))
    (root / "a2").write_text("a")
    assert of(root) == of(root, changed(JOB, inputs=("a2", str(root / "b"))))
    assert of(root) == of(root, changed(JOB, options={**dict(reversed(JOB.options.items())), "cache": False}))


@pytest.mark.parametrize("name", ["a", "b", "mask", "weights"])
def test_every_file_counts(root: Path, name: str):
    before = of(root)
    (root / name).write_text("other")
    assert of(root) != before
    (root / name).unlink()
    assert of(root) != before


def test_everything_else_that_changes_results_counts(root: Path):
    others = {
        of(root),
        of(root, version="2"),
        of(root, verb="match"),
        of(root, changed(JOB, output="o.jpg")),
        of(root, changed(JOB, inputs=("b", "a"))),
        of(root, changed(JOB, options={**JOB.options, "strength": "0.6"})),
        of(root, changed(JOB, options={**JOB.options, "seed": "1"})),
    }
    assert len(others) == 7


def test_digests_notice_changes_and_read_folders(tmp_path: Path):
    digests, place = Digests(), tmp_path / "frames"
    assert digests.of(place) == MISSING
    place.mkdir()
    (place / "1.png").write_bytes(b"one")
    first = digests.of(place)
    (place / "1.png").write_bytes(b"two")
    os.utime(place / "1.png", (1, 1))
    second = digests.of(place)
    (place / "1.png").rename(place / "2.png")
    assert len({first, second, digests.of(place), MISSING}) == 4
    assert digests.of(Path("a\0b")) == MISSING
