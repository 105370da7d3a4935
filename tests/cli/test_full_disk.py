import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SAMPLES

pytestmark = pytest.mark.usefixtures("small_features")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("name", ["o.png", "o.gif", "o.mp4", "o.webp", "frames"])
def test_a_full_disk_is_exit_6_and_leaves_nothing(semcorr, small_disk, name):
    verb = ["warp"] if name == "o.png" else ["morph", "--frames", 6, "--size", 400]
    ran = semcorr(*verb, SAMPLES / "fox.jpg", SAMPLES / "corgi.jpg", "-o", small_disk / name, "-q")
    assert ran.code == 6
    assert "the disk is full" in ran.err
    assert list(small_disk.iterdir()) == []
