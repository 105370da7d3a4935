"""A batch that is killed again and again loses nothing: python -m tests.benchmarks.batch_kill [--pairs 1000]

Tiny pairs are matched twice: once undisturbed; once by a batch that is killed (SIGKILL to it or to one of its workers)
at random moments, and started again each time it dies. Then everything is counted.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from PIL import Image as Pillow

from tests.conftest import textured

OPTIONS = ("--features", "sift", "--max-side", "32", "--flip", "never", "--jobs", "2", "-q")


def manifest(folder: Path, pairs: int) -> Path:
    """Writes tiny pictures, and a manifest of as many pairs of them."""
    count = next(n for n in range(2, 1000) if n * (n - 1) >= pairs)
    for number in range(count):
        Pillow.fromarray(textured((48, 64), number)).save(folder / f"{number}.png")
    chosen = [(a, b) for a in range(count) for b in range(count) if a != b][:pairs]
    rows = [f"{folder / f'{a}.png'},{folder / f'{b}.png'},{a}/{b}.csv" for a, b in chosen]
    path = folder / "pairs.csv"
    path.write_text("\n".join(["source,target,output", *rows]) + "\n")
    return path


def started(jobs: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "semcorr_cli", "batch", "match", jobs, "-o", out, *OPTIONS]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def workers(parent: int) -> list[int]:
    """Returns the processes that a batch has started and that work."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and b"spawn_main" in (place / "cmdline").read_bytes():
                    found.append(int(place.name))
            except (OSError, IndexError):
                continue
    return found


def lines(journal: Path) -> tuple[list[dict], int]:
    """Returns a journal's lines, and how many are torn; a torn line is the last one, or was when it was written."""
    whole, torn = [], 0
    for line in journal.read_bytes().splitlines() if journal.exists() else []:
        try:
            whole.append(json.loads(line))
        except ValueError:
            torn += 1
    return whole, torn


def finished(journal: Path) -> int:
    return sum(line.get("status") == "ok" for line in lines(journal)[0])


def killed(jobs: Path, out: Path, kills: int, pairs: int, rng: random.Random) -> Counter[str]:
    """Runs a batch to its end, killing it on the way."""
    moments = sorted(rng.randrange(pairs) for _ in range(kills))
    counts: Counter[str] = Counter()
    batch = started(jobs, out)
    for moment in moments:
        while batch.poll() is None and finished(out / "journal.jsonl") < moment:
            time.sleep(0.05)
        time.sleep(rng.random() / 2)
        living = workers(batch.pid)
        if living and rng.random() < 0.5:
            os.kill(rng.choice(living), signal.SIGKILL)
            counts["worker"] += 1
        else:
            batch.kill()
            batch.wait()
            counts["batch"] += 1
            _, torn = lines(out / "journal.jsonl")
            counts["torn lines after a kill"] += torn
            batch = started(jobs, out)
    counts["exit code"] = batch.wait()
    return counts


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.csv")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jobs = manifest(folder, arguments.pairs)
        begun = time.monotonic()
        assert started(jobs, folder / "calm").wait() == 0
        print(f"undisturbed: {arguments.pairs / (time.monotonic() - begun):.1f} pairs a second")
        counts = killed(jobs, folder / "killed", arguments.kills, arguments.pairs, random.Random(arguments.seed))
        print(f"killed: {dict(counts)}")
        calm, other = contents(folder / "calm"), contents(folder / "killed")
        print(f"outputs: {len(other)} of {arguments.pairs}, {sum(other.get(k) == v for k, v in calm.items())} the same")
        print(f"left behind: {len(list((folder / 'killed').rglob('*.part')))} temporary files")
        journal, torn = lines(folder / "killed" / "journal.jsonl")
        begins = Counter(line["job"] for line in journal if line.get("status") == "started")
        ends = Counter(line["job"] for line in journal if line.get("status") == "ok")
        failed = sum(line.get("status") == "failed" for line in journal)
        print(f"journal: {len(journal)} lines, {torn} torn, {failed} failures")
        print(
            f"begun more than once: {sum(n > 1 for n in begins.values())}, finished more than once: "
            f"{sum(n > 1 for n in ends.values())} (in flight at a kill of the batch: at most {2 * counts['batch']})"
        )


if __name__ == "__main__":
    main()
