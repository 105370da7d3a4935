import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES


def started(*arguments: object, cwd: Path) -> subprocess.Popen[bytes]:
    """Starts a small film of two pictures that are hardly looked at: only the film is to be interrupted."""
    film = ("morph", SAMPLES / "fox.jpg", SAMPLES / "corgi.jpg", "--max-side", 96, "--size", 240)
    command = [sys.executable, "-m", "semcorr_cli", *map(str, (*film, *arguments))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_in_the_middle_of_a_film_leaves_nothing(tmp_path, number, code):
    film = started("--frames", 2000, "-o", "o.mp4", cwd=tmp_path)
    end = time.monotonic() + 120
    while not list(tmp_path.glob(".o.mp4.*.part")) and time.monotonic() < end:
        assert film.poll() is None, film.communicate()
        time.sleep(0.05)
    time.sleep(0.3)
    film.send_signal(number)
    out, err = film.communicate(timeout=60)
    assert film.returncode == code, err
    assert b"interrupted; nothing was left behind" in err
    assert b"Traceback" not in err
    assert out == b""
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    with started("--frames", 4, "-o", "-", cwd=tmp_path) as film:
        assert film.stdout is not None
        assert film.stderr is not None
        film.stdout.close()
        err = film.stderr.read()
    assert film.returncode == 6
    assert b"Traceback" not in err
