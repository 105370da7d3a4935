"""Everything with everything: python -m tests.benchmarks.batch_pairs FOLDER [--pictures 30] [--sample 6] [--part 24]

A batch matches each of some pictures with each other one, on two workers. Beside it: some of the pairs by single
commands, and a part of them by one worker and by two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEMCORR = [sys.executable, "-m", "semcorr_cli"]


def timed(*arguments: object, cache: Path) -> tuple[float, dict]:
    begun = time.monotonic()
    environment = {**os.environ, "SEMCORR_CACHE": str(cache)}
    environment.pop("OMP_NUM_THREADS", None)  # one worker has all cores, two share them
    command = [*SEMCORR, *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    return time.monotonic() - begun, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--sample", type=int, default=6)
    parser.add_argument("--part", type=int, default=24)
    arguments = parser.parse_args()
    found = sorted(arguments.folder.rglob("*.jpg"))
    chosen = found[:: max(1, len(found) // arguments.pictures)][: arguments.pictures]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        for number, path in enumerate(chosen):
            (folder / "pictures" / f"{number:02}.jpg").write_bytes(path.read_bytes())
        every = ("--source-dir", folder / "pictures", "--target-dir", folder / "pictures", "--pair", "all")
        every = ("batch", "match", *every, "--format", "json")

        pairs = len(chosen) * (len(chosen) - 1)
        parts = f"1/{max(1, pairs // arguments.part)}"
        seconds = {}
        for jobs in (1, 2):
            shard = ("--jobs", jobs, "--shard", parts)
            _, told = timed(*every, "-o", folder / f"part{jobs}", *shard, cache=folder / f"cache{jobs}")
            seconds[jobs] = told["result"]["seconds"]
            print(f"{told['result']['done']} pairs by {jobs} workers: {seconds[jobs]:.1f} s", flush=True)
        print(f"two workers against one: {seconds[1] / seconds[2]:.2f} times as fast", flush=True)

        step = max(1, len(chosen) // arguments.sample)
        single = []
        for first, second in zip(chosen[::step], chosen[1::step], strict=False):
            single.append(timed("match", first, second, cache=folder / "single")[0])
        mean = sum(single) / len(single)
        print(f"{len(single)} single commands: {mean:.2f} s each", flush=True)

        taken, told = timed(*every, "-o", folder / "all", "--jobs", 2, cache=folder / "all-cache")
        result = told["result"]
        print(f"{result['done']} of {pairs} pairs in {taken:.0f} s, {result['described']} pictures described")
        print(f"a batch against single commands: {mean * pairs / taken:.1f} times as fast")


if __name__ == "__main__":
    main()
