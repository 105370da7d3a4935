"""Fixtures of all tests. No test sees the user's home, the network, or shapes that the annotations do not allow."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import install_import_hook
from PIL import Image as Pillow

import tests.checking  # noqa: F401 (the hook below resolves it by name)
from semcorr_cli.settings import calm_libraries

calm_libraries()
WORKER = "PYTEST_XDIST_WORKER" in os.environ
if WORKER:
    os.environ["OMP_NUM_THREADS"] = "1"  # a worker a core: more threads, of its commands too, would only wait

CHECKED = ("core", "extractors", "matchers", "effects", "io", "datasets", "session", "evaluate")
install_import_hook([f"semcorr_cli.{name}" for name in CHECKED], "tests.checking.checked")

import torch  # noqa: E402 (after the hook, like everything that uses the package)

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Spreads whole folders over the cores, unless `-n` says otherwise; a file is done before workers have started."""
    chosen = config.getoption("numprocesses", 0) is not None  # 0 where there is no pytest-xdist to choose it for
    if not (WORKER or chosen or any(".py" in argument for argument in config.args)):
        config.option.numprocesses, config.option.maxprocesses, config.option.dist = "auto", 4, "worksteal"


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    for name in (
        "SEMCORR_HOME",
        "SEMCORR_CACHE",
        "SEMCORR_CACHE_LIMIT",
        "SEMCORR_OFFLINE",
        "HF_HUB_OFFLINE",
        "HF_HOME",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else address
        if host not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def semcorr(capfdbinary: pytest.CaptureFixture[bytes]) -> Callable[..., Ran]:
    """Runs the command line in this process, with real file descriptors."""
    from semcorr_cli.cli.app import main

    def run(*arguments: object) -> Ran:
        capfdbinary.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capfdbinary.readouterr()
        return Ran(code, captured.out, captured.err.decode())

    return run


@pytest.fixture
def shell() -> Callable[..., Ran]:
    """Runs the command line in a process of its own."""

    def run(*arguments: object, stdin: bytes = b"", cwd: Path | None = None) -> Ran:
        command = [sys.executable, "-m", "semcorr_cli", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # this checkout, whatever is installed
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=cwd or ROOT, env=environment, timeout=300, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr.decode())

    return run


def textured(hw: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Returns an (h, w, 3) 8-bit picture with structure at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((*hw, 3))
    for size in (4, 8, 16, 32, 64):
        small = rng.random((max(2, hw[0] * size // 256), max(2, hw[1] * size // 256), 3))
        layers = [
            Pillow.fromarray(small[..., k].astype(np.float32)).resize(hw[::-1], Pillow.Resampling.BICUBIC)
            for k in range(3)
        ]
        total += np.stack([np.asarray(layer) for layer in layers], axis=-1) * 12 / size**0.5
    total = (total - total.min()) / (total.max() - total.min())
    return (total * 255).astype(np.uint8)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two small pictures of the same thing, the second one shifted and of another size."""
    content = textured((120, 160))
    paths = tmp_path / "a.png", tmp_path / "b.png"
    Pillow.fromarray(content).save(paths[0])
    Pillow.fromarray(np.roll(content, 6, axis=1)[4:, :150]).save(paths[1])
    return paths


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small random weights for everything that the hybrid features need."""
    from tests import tiny_weights

    return tiny_weights.everything(tmp_path_factory.mktemp("tiny"))
