"""Time of the core, step by step: python -m tests.benchmarks.core_steps CALTECH_KPS [--count 24] [--cells 60]

Pairs are matched with everything on, from grids of 60 cells along the longer side. Describing pictures and drawing them
for it is shown apart: it belongs to the features. Times are of processors and of the wall clock, the median of the
pairs, on as many threads as torch takes.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from semcorr_cli.core import resample
from semcorr_cli.datasets import spair
from semcorr_cli.io import images
from semcorr_cli.matchers import field, foreground, nearest, relation, smooth, unfold
from semcorr_cli.session import Session, SessionOptions
from semcorr_cli.settings import Settings

FEATURES = ("describe pictures", "draw pictures")


class Clock:
    """Adds up what named steps take, those within others taken off them."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self._inner = [(0.0, 0.0)]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            self._inner.append((0.0, 0.0))
            try:
                return function(*args, **named)
            finally:
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                inner = self._inner.pop()
                self.wall[name] += wall - inner[0]
                self.cpu[name] += cpu - inner[1]
                self.calls[name] += 1
                outer = self._inner.pop()
                self._inner.append((outer[0] + wall, outer[1] + cpu))

        return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--features", default="builtin")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--cells", type=int, default=60)
    arguments = parser.parse_args()
    pairs = list(spair.read(arguments.folder))
    pairs = pairs[:: max(1, len(pairs) // arguments.count)][: arguments.count]
    options = SessionOptions(features=arguments.features, max_side=8 * arguments.cells, cache=False)
    session = Session(options, Settings.from_environment())
    clock = Clock()
    for room, name, step in (
        (nearest, "match", "nearest neighbours both ways"),
        (smooth, "fit", "robust splines"),
        (unfold, "unfold", "warps without folds"),
        (smooth, "mirrored_share", "swapped sides"),
        (foreground, "estimate", "masks"),
        (relation, "relate", "poses at a glance"),
        (relation, "mutual", "pictures on their side"),
        (resample, "draw", FEATURES[1]),
    ):
        setattr(room, name, clock.timed(step, getattr(room, name)))
    session.describe = clock.timed(FEATURES[0], session.describe)  # type: ignore[method-assign]
    field.correspond = clock.timed("everything else", field.correspond)
    rows: list[dict[str, tuple[float, float, int]]] = []
    for pair in pairs:
        source, target = images.load(str(pair.source)), images.load(str(pair.target))
        clock.wall.clear(), clock.cpu.clear(), clock.calls.clear()
        session.correspond(source, target)
        rows.append({name: (clock.wall[name], clock.cpu[name], clock.calls[name]) for name in clock.wall})
    names = sorted({name for row in rows for name in row}, key=lambda name: (name in FEATURES, name))
    print(f"{len(rows)} pairs, grids of {arguments.cells} cells, {torch.get_num_threads()} threads; medians in seconds")
    print(f"{'step':32} {'wall':>7} {'processor':>10} {'calls':>6}")
    for name in names:
        wall, cpu, calls = (float(np.median([row.get(name, (0, 0, 0))[k] for row in rows])) for k in range(3))
        print(f"{name:32} {wall:7.3f} {cpu:10.3f} {calls:6.0f}")
    for k, kind in ((0, "wall"), (1, "processor")):
        core = [sum(row[name][k] for name in row if name not in FEATURES) for row in rows]
        print(f"core, all but features, {kind}: median {np.median(core):.3f} s, worst {max(core):.3f} s")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
