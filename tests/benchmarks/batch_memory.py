"""Memory of workers over thousands of pairs: python -m tests.benchmarks.batch_memory [--pairs 2000]

Tiny pairs of ever new sizes are matched by two workers that are never replaced; the resident memory of each is compared
when all of them together have done 200 pairs, and when they have done all. (Nothing of the tests is imported: checking
shapes at run time, as they do, keeps memory of its own.)
"""

import argparse
import tempfile
from itertools import product
from pathlib import Path

from PIL import Image as Pillow

from semcorr_cli.batch.dispatch import dispatch
from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.local import LocalEngine
from semcorr_cli.batch.worker import Order, Task
from semcorr_cli.cli.jobs import version

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.jpg"))

OPTIONS = {"features": "sift", "max_side": "32", "flip": "never"}
EARLY = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(60):
            with Pillow.open(SAMPLES[number % len(SAMPLES)]) as sample:
                sample.resize((64 + number % 7, 40 + number)).save(folder / f"{number}.png")
        pairs = [(f"{a}.png", f"{b}.png") for a, b in product(range(60), range(60)) if a != b][: arguments.pairs]
        tasks = (Task(Job(f"{k}.png", pair, OPTIONS, k)) for k, pair in enumerate(pairs))
        entry = "semcorr_cli.cli.runner:open_runner"
        order = Order(entry, "warp", version(), OPTIONS, folder, folder / "out", threads=1)
        held: dict[int, list[int]] = {}
        early: list[float] = []
        engine = LocalEngine(order, ["cpu"], 2, lifetime=0)
        for count, record in enumerate(dispatch(engine, tasks, lambda: False), start=1):
            assert record["status"] == "ok", record["envelope"]["errors"]
            held.setdefault(record["process"]["id"], []).append(record["process"]["memory"])
            if count in (EARLY, arguments.pairs):
                now = [series[-1] / 2**20 for series in held.values()]
                print(f"after {count} pairs: {', '.join(f'{value:.0f} MiB' for value in now)}", flush=True)
                early = early or now
        print(f"growth: {max(b / a for a, b in zip(early, now, strict=True)) - 1:+.1%} at most")


if __name__ == "__main__":
    main()
