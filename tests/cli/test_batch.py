import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image as Pillow

from tests.cli.test_exit_codes import bomb, truncated
from tests.conftest import ROOT, Ran, textured

ENVELOPE = ["semcorr", "schema", "command", "status", "inputs", "outputs", "result", "run", "errors"]

SMALL = ("--features", "sift", "--max-side", "32", "--flip", "never")
EXTRACT = ("--features", "sift", "--max-side", "32", "--format", "png")  # the cheapest job there is
HERE = ("--engine", "serial")

Run = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six tiny pictures, in a folder that is the current one."""
    for number in range(6):
        Pillow.fromarray(textured((48, 64), number)).save(tmp_path / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest(folder: Path, *lines: str, name: str = "jobs.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path


def events(ran: Ran) -> tuple[list[dict], dict]:
    """Returns the objects of the jobs, and that of the batch."""
    *jobs, last = (json.loads(line) for line in ran.out.splitlines())
    return jobs, last


def journal(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "journal.jsonl").read_text().splitlines()]


def files(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*.*")) if p.suffix == ".png"}


@pytest.mark.parametrize(
    ("verb", "suffix", "options"),
    [
        ("match", "csv", ("--max-matches", "9")),
        ("warp", "webp", ("--strength", "0.5", "--quality", "70")),
        ("morph", "gif", ("--frames", "3", "--ping-pong")),
        ("morph", "jpg", ("--contact-sheet", "2x2", "--pace", "even", "--blend", "laplacian", "--color-transfer")),
        ("morph", "gif", ("--duration", "0.2s", "--gif-dither", "bayer", "--gif-palette", "global")),
        ("extract", "npz", ()),
    ],
)
def test_a_batch_gives_what_single_commands_give(semcorr: Run, folder, verb, suffix, options):
    shared = SMALL[:4] if verb == "extract" else SMALL
    inputs = ["0.png"] if verb == "extract" else ["0.png", "1.png"]
    row = dict(zip(("source", "target"), inputs, strict=False)) | {"output": f"deep/o.{suffix}"}
    pairs = zip(options[::2], [*options[1::2], True], strict=False)
    row |= {name.removeprefix("--"): value for name, value in pairs}
    manifest(folder, json.dumps(row), name="j.jsonl")
    assert semcorr(verb, *inputs, *shared, *options, "-o", f"single.{suffix}").code == 0
    ran = semcorr("batch", verb, "j.jsonl", "-o", "out", *shared, *HERE)
    assert ran.code == 0, ran.err
    assert (folder / "out" / "deep" / f"o.{suffix}").read_bytes() == (folder / f"single.{suffix}").read_bytes()


def test_what_is_done_is_skipped_and_what_changed_is_done_again(semcorr: Run, folder):
    manifest(folder, "source,output", *(f"{n}.png,{n}.png" for n in range(4)))
    command = ("batch", "extract", "jobs.csv", "-o", "out", *EXTRACT, *HERE)
    assert semcorr(*command).code == 0
    before = files(folder / "out")
    assert len(before) == 4

    def again(*more: str) -> tuple[set[str], dict]:
        jobs, last = events(semcorr(*command, "--json", *more))
        return {entry["job"]["job"] for entry in jobs if entry["job"]["status"] == "ok"}, last["result"]

    done, result = again()
    assert done == set()
    assert (result["done"], result["skipped"], result["failed"]) == (0, 4, 0)
    assert "4 done before" in semcorr(*command).err

    (folder / "out" / "1.png").unlink()
    (folder / "out" / "2.png").write_bytes(b"edited")
    (folder / "3.png").write_bytes((folder / "5.png").read_bytes())
    done, result = again()
    assert done == {"1.png", "2.png", "3.png"}
    assert result["changed"] == 3
    after = files(folder / "out")
    assert [after[name] == before[name] for name in sorted(after)] == [True, True, True, False]
    assert again("--seed", "1")[0] == {f"{n}.png" for n in range(4)}


def test_exactly_the_bad_jobs_fail_each_with_its_reason(semcorr: Run, folder):
    truncated(folder / "cut.jpg")
    bomb(folder / "bomb.png")
    (folder / "text.png").write_text("hello there\n" * 20)
    (folder / "out").mkdir()
    (folder / "out" / "file").write_text("in the way")
    (folder / "out" / "there.png").write_text("precious")
    bad = {
        "missing.png": ({"source": "nowhere.png"}, "input", "there is no file nowhere.png"),
        "cut.png": ({"source": "cut.jpg"}, "input", "truncated or damaged"),
        "text.png": ({"source": "text.png"}, "input", "text, not a picture"),
        "bomb.png": ({"source": "bomb.png"}, "input", "more than the 100,000,000 allowed"),
        "file/o.png": ({"source": "0.png"}, "output", "file"),
        "x" * 300 + ".png": ({"source": "0.png"}, "output", "name too long"),
        "there.png": ({"source": "0.png"}, "output", "exists already"),
        "colour.png": ({"source": "0.png", "colour": "red"}, "usage", "unknown key 'colour'"),
        "side.png": ({"source": "0.png", "max-side": 5}, "usage", "--max-side"),
    }
    good = {f"{n}.png": ({"source": f"{n % 6}.png"}, "", "") for n in range(20)}
    rows = [{**row, "output": name} for name, (row, _, _) in (bad | good).items()]
    manifest(folder, *map(json.dumps, rows), name="j.jsonl")
    command = ("batch", "extract", "j.jsonl", "-o", "out", *EXTRACT, *HERE)
    ran = semcorr(*command, "--json")
    assert ran.code == 7
    jobs, last = events(ran)
    assert len(jobs) == 29
    failures = {entry["job"]["line"]: entry["errors"][0] for entry in jobs if entry["status"] == "error"}
    assert sorted(failures) == list(range(1, len(bad) + 1))
    for line, (_, kind, message) in enumerate(bad.values(), start=1):
        assert failures[line]["kind"] == kind
        assert message in failures[line]["message"]
    result = last["result"]
    assert (result["done"], result["failed"]) == (20, 9)
    assert result["reasons"] == {"usage": 2, "input": 4, "output": 3}
    assert last["errors"][0]["kind"] == "batch"
    assert (folder / "out" / "there.png").read_text() == "precious"
    assert "Traceback" not in ran.err
    assert [line for line in ran.err.splitlines() if "line 8:" in line]

    # Failures stay failures until they are to be tried again, or what was wrong has been put right.
    (folder / "nowhere.png").write_bytes((folder / "0.png").read_bytes())
    jobs, last = events(semcorr(*command, "--json"))
    assert (last["result"]["done"], last["result"]["skipped"], last["result"]["kept"]) == (1, 20, 6)
    ran = semcorr(*command, "--json", "--retry-failed")
    assert events(ran)[1]["result"]["reasons"] == {"usage": 2, "input": 3, "output": 3}
    assert (folder / "out" / "there.png").read_text() == "precious"  # however often it is tried
    ran = semcorr(*command, "--json", "--retry-failed", "--overwrite")
    assert events(ran)[1]["result"]["done"] == 1
    assert (folder / "out" / "there.png").read_bytes()[:4] == b"\x89PNG"


def test_check_says_every_mistake_and_touches_nothing(semcorr: Run, folder):
    manifest(folder, "source,target,output,strength", "0.png,1.png,a.png,", "0.png,9.png,b.png,", "0.png,1.png,a.png,7")
    ran = semcorr("batch", "warp", "jobs.csv", "-o", "out", "--check")
    assert ran.code == 2
    assert "line 3: there is no file 9.png" in ran.err
    assert "line 4: " in ran.err
    assert not (folder / "out").exists()
    manifest(folder, "source,target", "0.png,1.png")
    ran = semcorr("batch", "warp", "jobs.csv", "--check", "--json")
    assert ran.code == 0
    assert ran.envelope["result"] == {"jobs": 1, "mistakes": []}
    assert not (folder / "out").exists()


def test_the_keys_of_the_lines_and_of_the_summary(semcorr: Run, folder):
    manifest(folder, "source,target", "0.png,1.png")
    ran = semcorr("batch", "match", "jobs.csv", "-o", "out", *SMALL, *HERE, "--json")
    assert ran.code == 0, ran.err
    (job,), last = events(ran)
    assert list(job) == [*ENVELOPE, "job"]
    assert job["command"] == "match"
    assert job["job"] == {"job": "0--1.png", "line": 2, "status": "ok", "attempt": 1}
    assert [sorted(job["result"]), job["outputs"][0]["path"]] == [
        ["matches", "pose", "quality"],
        str(folder / "out" / "0--1.png"),
    ]
    assert list(last) == ENVELOPE
    assert last["command"] == "batch match"
    counts = [
        "changed",
        "described",
        "done",
        "failed",
        "jobs",
        "kept",
        "memory",
        "reasons",
        "retried",
        "skipped",
        "verdicts",
    ]
    assert sorted(last["result"]) == sorted([*counts, "journal", "report", "pairs_per_second", "seconds"])
    assert sum(last["result"]["verdicts"].values()) == 1
    assert last["run"]["features"] == "sift"


def test_each_picture_is_described_once_and_shards_share_the_work(semcorr: Run, folder):
    (folder / "pics").mkdir()
    for number in range(3):
        (folder / f"{number}.png").rename(folder / "pics" / f"{number}.png")
    command = ("batch", "match", "--source-dir", "pics", "--target-dir", "pics", "--pair", "all")
    described = []
    for shard in ("1/2", "2/2"):
        ran = semcorr(*command, "-o", "out", "--format", "json", *SMALL, *HERE, "--shard", shard, "--json")
        assert ran.code == 0, ran.err
        jobs, last = events(ran)
        assert len(jobs) == 3
        described.append(last["result"]["described"])
    assert sum(described) == 3
    assert len(list((folder / "out").glob("?/?.json"))) == 6
    names = {path.name for path in (folder / "out").iterdir() if path.is_file() and not path.name.startswith(".")}
    assert names == {f"{n}.{k}-of-2.{s}" for k in (1, 2) for n, s in (("journal", "jsonl"), ("report", "html"))}


def test_what_shards_have_done_is_done_for_the_whole_which_reports_it_all(semcorr: Run, folder):
    manifest(folder, "source", *(f"{n}.png" for n in range(4)))
    command = ("batch", "extract", "jobs.csv", "-o", "out", *EXTRACT, *HERE, "--json")
    for shard in ("1/3", "3/3"):
        assert semcorr(*command, "--shard", shard).code == 0
    result = events(semcorr(*command))[1]["result"]
    assert (result["skipped"], result["done"]) == (3, 1)
    assert (folder / "out" / "report.html").read_text().count('data-state="done"') == 4
    assert (folder / "out" / "report.3-of-3.html").read_text().count('data-state="done"') == 1
    assert events(semcorr(*command, "--shard", "2/2"))[1]["result"]["skipped"] == 2


def test_a_folder_has_one_batch_at_a_time_and_of_one_verb(semcorr: Run, folder):
    manifest(folder, "source", "0.png")
    command = ("jobs.csv", "-o", "out", *EXTRACT, *HERE)
    (folder / "out").mkdir()
    (folder / "out" / ".batch.lock").touch()  # what a killed batch leaves is a file, not a lock
    for lock, refused in ((".batch.lock", True), (".batch.1-of-2.lock", True)):
        with FileLock(folder / "out" / lock):
            ran = semcorr("batch", "extract", *command)
            assert (ran.code == 6) == refused
            assert ("another batch" in ran.err) == refused
    for lock, code in ((".batch.lock", 6), (".batch.2-of-3.lock", 6), (".batch.2-of-2.lock", 0)):
        with FileLock(folder / "out" / lock):
            assert semcorr("batch", "extract", *command, "--shard", "1/2").code == code
    assert semcorr("batch", "extract", *command).code == 0
    manifest(folder, "source,target", "0.png,1.png")
    ran = semcorr("batch", "warp", "jobs.csv", "-o", "out", *HERE)
    assert ran.code == 6
    assert "a batch of extract" in ran.err


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (2, ("jobs.csv",)),
        (2, ("-o", "out")),
        (2, ("jobs.csv", "-o", "out", "--source-dir", ".")),
        (2, ("--source-dir", ".", "-o", "out")),
        (2, ("jobs.csv", "-o", "out", "--target-dir", ".")),
        (2, ("jobs.csv", "-o", "out", "--shard", "3/2")),
        (2, ("jobs.csv", "-o", "out", "--shard", "0/2")),
        (2, ("jobs.csv", "-o", "out", "--jobs", "0")),
        (2, ("jobs.csv", "-o", "out", "--format", "docx")),
        (2, ("jobs.csv", "-o", "out", "--strength", "2")),
        (2, ("jobs.csv", "-o", "out", "--features", "nonsense", *HERE)),
        (2, ("bad.csv", "-o", "out")),
        (3, ("nowhere.csv", "-o", "out")),
        (3, ("jobs.csv", "-o", "out", "--root", "nowhere")),
        (3, ("--source-dir", "nowhere", "--target-dir", ".", "-o", "out")),
        (5, ("jobs.csv", "-o", "out", "--device", "toaster", *HERE)),
        (6, ("jobs.csv", "-o", "0.png/out", *HERE)),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_job(semcorr: Run, folder, code, arguments):
    manifest(folder, "source,target", "0.png,1.png")
    manifest(folder, "source,colour", "0.png,1.png", name="bad.csv")
    ran = semcorr("batch", "warp", *arguments)
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert not list(folder.glob("out/**/*.png"))


def test_jobs_come_from_stdin_and_from_another_root(semcorr: Run, folder, monkeypatch):
    jobs = b'{"source": "0.png"}\n{"source": "1.png", "output": "x.png"}\n'
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(jobs)))
    ran = semcorr("batch", "extract", "-", "-o", "out", "--root", folder, *EXTRACT, *HERE)
    assert ran.code == 0, ran.err
    assert sorted(files(folder / "elsewhere" / "out")) == ["0.png", "x.png"]
    assert ran.out == b""


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "semcorr_cli", "batch", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def wait_for(condition: Callable[[], object], batch: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert batch.poll() is None, batch.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_killed_in_the_middle_it_goes_on_and_a_killed_worker_is_replaced(semcorr: Run, folder):
    from tests.benchmarks.batch_kill import lines, workers

    names = [f"{n}.png" for n in range(40)]
    manifest(folder, "source,output", *(f"{n % 6}.png,{name}" for n, name in enumerate(names)))
    arguments = ("extract", "jobs.csv", "-o", "out", *EXTRACT, "--jobs", "2")
    book = folder / "out" / "journal.jsonl"

    def done() -> int:
        return sum(line.get("status") == "ok" for line in lines(book)[0])

    first = started(folder, *arguments)
    wait_for(lambda: done() >= 5, first)
    first.kill()
    first.wait()
    before = done()
    assert lines(book)[1] <= 1
    second = started(folder, *arguments)
    wait_for(lambda: done() > before, second)
    victims = workers(second.pid)
    os.kill(victims[0], signal.SIGKILL)
    _, err = second.communicate(timeout=120)
    assert second.returncode == 0, err
    assert f"{before} done before".encode() in err
    assert sorted(files(folder / "out")) == sorted(names)
    assert not list((folder / "out").rglob("*.part"))
    ends = [line["job"] for line in lines(book)[0] if line.get("status") == "ok"]
    assert sorted(ends) == sorted(names)
    assert semcorr("batch", "extract", "jobs.csv", "-o", "calm", *EXTRACT, *HERE).code == 0
    assert files(folder / "calm") == files(folder / "out")


def test_a_growing_manifest_is_followed_until_ctrl_c(folder):
    jobs = manifest(folder, "source,output", "0.png,a.png")
    batch = started(folder, "extract", "jobs.csv", "-o", "out", *EXTRACT, "--follow")
    wait_for((folder / "out" / "a.png").exists, batch)
    with jobs.open("a") as file:
        file.write("1.png,b.png\n2.png,c.png")
    wait_for((folder / "out" / "b.png").exists, batch)
    batch.send_signal(signal.SIGINT)
    _, err = batch.communicate(timeout=60)
    assert batch.returncode == 130, err
    assert b"the same command goes on" in err
    assert b"Traceback" not in err
    assert not (folder / "out" / "c.png").exists()  # half a line is no job
    assert (folder / "out" / "report.html").exists()


@pytest.fixture
def small_disk(folder: Path):
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", place]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_stops_it_and_with_room_it_goes_on(semcorr: Run, folder, small_disk):
    Pillow.fromarray(textured((200, 200))).save(folder / "big.png")
    rows = [f"big.png,{n}.png" for n in range(12)]
    manifest(folder, "source,output", *rows)
    command = ("batch", "extract", "jobs.csv", "-o", small_disk / "out", "--features", "sift", "--format", "png", *HERE)
    ran = semcorr(*command)
    assert ran.code == 6
    assert "the disk is full" in ran.err
    done = len(files(small_disk / "out"))
    assert 0 < done < 12
    assert not list(small_disk.rglob("*.part"))
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    _, last = events(semcorr(*command, "--json"))
    assert last["result"]["skipped"] >= done - 1  # the journal's own last line may not have found room
    assert (last["result"]["failed"], len(files(small_disk / "out"))) == (0, 12)
