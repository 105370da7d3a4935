"""The Ray engine, on a Ray of two processes on this machine."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Pillow

from semcorr_cli.batch.dispatch import dispatch
from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.worker import Order, Task
from semcorr_cli.cli.jobs import version
from semcorr_cli.errors import DeviceError
from tests.conftest import textured

ray = pytest.importorskip("ray")

from semcorr_cli.batch.ray import RayEngine  # noqa: E402 (after the check that Ray is there)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

OPTIONS = {"features": "sift", "max_side": "32", "flip": "never"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ray")


@pytest.fixture(autouse=True)
def _one_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))  # where a process that starts Ray twice looks for its token twice


def never() -> bool:
    return False


@pytest.fixture
def order(tmp_path: Path) -> Order:
    for number in range(4):
        Pillow.fromarray(textured((48, 64), number)).save(tmp_path / f"{number}.png")
    entry = "semcorr_cli.cli.runner:open_runner"
    return Order(entry, "match", version(), OPTIONS, tmp_path, tmp_path / "out", threads=1)


def tasks(count: int) -> Iterator[Task]:
    for number in range(count):
        yield Task(Job(f"{number}.csv", (f"{number % 4}.png", f"{(number + 1) % 4}.png"), OPTIONS, number))


def test_it_gives_the_same_bytes_as_the_engine_here(order, semcorr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"{k % 4}.png,{(k + 1) % 4}.png,{k}.csv" for k in range(6)]
    (tmp_path / "jobs.csv").write_text("\n".join(["source,target,output", *lines]))
    shared = ("--features", "sift", "--max-side", "32", "--flip", "never", "--jobs", "2")
    for engine in ("ray", "local"):
        ran = semcorr("batch", "match", "jobs.csv", "-o", engine, *shared, "--engine", engine)
        assert ran.code == 0, ran.err
    for number in range(6):
        name = f"{number}.csv"
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()


def test_a_killed_actor_loses_nothing(order):
    engine = RayEngine(order, "cpu", 2, None)
    records, killed = [], []
    for record in dispatch(engine, tasks(16), never):
        records.append(record)
        if not killed:
            killed.append(record["process"]["id"])
            os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.5)
    assert sorted(record["line"] for record in records) == list(range(16))
    assert {record["status"] for record in records} == {"ok"}
    assert len(list(order.folder.glob("*.csv"))) == 16
    assert killed[0] not in {record["process"]["id"] for record in records[3:]}


def test_a_cluster_that_is_not_there_is_a_sentence(order):
    with pytest.raises(DeviceError, match="no Ray cluster at 127"):
        RayEngine(order, "cpu", 1, "127.0.0.1:1")
