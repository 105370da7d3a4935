import os
import signal
import subprocess
import sys
import time

from semcorr_cli.extractors.network import load_network
from tests.conftest import ROOT

TINY = [
    "--set", "side=64", "--set", "groups.count=2", "--set", "teacher.start=1000", "--set", "checkpoint=1",
    "--set", "network.widths=(8, 8, 16, 16)", "--set", "network.dim=16", "--set", "network.fuse=16",
    "--set", "network.heads=2", "--set", "network.stem=8",
]  # fmt: skip


def test_a_run_leaves_weights_that_match_takes(semcorr, folder, pictures, tmp_path):
    run = tmp_path / "run"
    ran = semcorr("train", folder, "--run", run, "--steps", 2, *TINY, "--json")
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["step"] == 2
    assert load_network(run / "weights.safetensors").options.dim == 16
    again = semcorr("train", folder, "--run", run, "--steps", 3, *TINY)
    assert again.code == 0
    assert "from step 2 to 3" in again.err
    ran = semcorr(
        "match", *pictures, "--features", "builtin", "--weights", f"builtin={run / 'weights.safetensors'}", "--json"
    )
    assert ran.code == 0, ran.err


def test_fine_tuning_starts_from_the_shipped_weights(semcorr, folder, tmp_path):
    run = tmp_path / "run"
    few = ["--set", "side=64", "--set", "groups.count=2", "--set", "teacher.start=1000"]
    ran = semcorr("train", folder, "--run", run, "--start", "builtin", "--steps", 1, *few)
    assert ran.code == 0, ran.err
    from semcorr_cli import extractors

    shipped = load_network(extractors.find("builtin").files(tmp_path)[0]).project.weight
    tuned = load_network(run / "weights.safetensors").project.weight
    assert float((tuned - shipped).abs().max()) < 0.05 * float(shipped.abs().max())


def test_mistakes_are_told(semcorr, folder, tmp_path):
    assert semcorr("train", tmp_path / "none", "--run", tmp_path / "run").code == 3
    assert semcorr("train", folder, "--run", tmp_path / "r1", "--start", "none.safetensors").code == 4
    assert semcorr("train", folder, "--run", tmp_path / "r2", "--set", "nonsense=1").code == 2
    assert semcorr("train", folder, "--run", tmp_path / "r3", "--set", "steps").code == 2
    assert semcorr("train", folder, "--run", folder).code == 6
    assert semcorr("train", folder, "--run", tmp_path / "no" / "run").code == 6
    (tmp_path / "file").touch()
    assert semcorr("train", folder, "--run", tmp_path / "file").code == 6


def test_ctrl_c_saves_and_the_run_goes_on(semcorr, folder, tmp_path):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "semcorr_cli", "train", folder, "--run", run, "--steps", "5000", *TINY]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as training:
        assert training.stderr is not None
        end = time.monotonic() + 120
        while not (run / "last.pt").exists() and time.monotonic() < end:
            time.sleep(0.1)
        training.send_signal(signal.SIGINT)
        err = training.stderr.read()
    assert training.returncode == 130, err
    assert (run / "weights.safetensors").exists()
    ran = semcorr("train", folder, "--run", run, "--steps", 1, *TINY, "--json")
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["step"] >= 1
