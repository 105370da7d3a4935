"""Everything with everything: python -m tests.benchmarks.batch_pairs FOLDER [--pictures 30] [--rounds 12] [--turn 8]

A batch of two workers matches each of some pictures with each other one. In each round, after a share of its jobs, it
is stopped (SIGSTOP) while others have their turn: a batch of one worker on the same jobs, for some seconds; and one
pair by a single command, with nothing in its cache and again with everything there. What else goes on on the machine
slows all of them alike, and rounds are compared one by one. Workers have a thread each; their rates are also given
without the time for which the system let those threads wait for a core.
"""

import argparse
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.batch_kill import workers

SEMCORR = [sys.executable, "-m", "semcorr_cli"]


def spawned(out: Path, *arguments: object, cache: Path) -> subprocess.Popen[bytes]:
    """Starts a command whose JSON goes to a file, in a group of processes of its own."""
    environment = {**os.environ, "SEMCORR_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    if "batch" not in arguments:
        del environment["OMP_NUM_THREADS"]  # a single command has all cores
    command = [*SEMCORR, *map(str, arguments), "--json"]
    with out.open("wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)


def processor_seconds() -> float:
    """Returns the processor time of the processes that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Turns:
    """A batch that runs only while it has its turn.

    Attributes:
        process: the batch.
        said: file of its JSON.
        seconds: that its turns have taken, from its first finished job on.
        waited: seconds of these for which its workers waited for a core, on average.
        done: jobs that it has finished after the first one.
    """

    def __init__(self, out: Path, *arguments: object, cache: Path) -> None:
        self._journal = (out / "journal.jsonl", 0)
        self.said = out.with_suffix(".json")
        self.process = spawned(self.said, *arguments, "-q", "-o", out, cache=cache)
        self.seconds = self.waited = self.done = 0.0
        while not self._finished():  # until workers are there, and the first job is done
            assert self.process.poll() is None
            time.sleep(0.02)
        self._signal(signal.SIGSTOP)

    def turn(self, jobs: float, seconds: float) -> float:
        """Lets it go on for so many jobs, or seconds, or to its end; returns the jobs it did in a second."""
        self._signal(signal.SIGCONT)
        begun, done, taken, before = time.monotonic(), 0, 0.0, self._waits()
        while done < jobs and taken < seconds and self.process.poll() is None:
            time.sleep(0.02)
            done += self._finished()
            taken = time.monotonic() - begun
        waits = [wait - before[worker] for worker, wait in self._waits().items() if worker in before]
        self._signal(signal.SIGSTOP)
        self.waited += sum(waits) / max(1, len(waits))
        self.seconds += taken
        self.done += done
        return done / max(taken, 0.02)

    def end(self) -> None:
        """Kills it, wherever it is."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: int) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    @property
    def undisturbed(self) -> float:
        """Jobs in a second, without the time for which its workers waited for a core."""
        return self.done / (self.seconds - self.waited)

    def _waits(self) -> dict[int, float]:
        """Returns the seconds for which each worker's thread has waited for a core so far."""
        found = {}
        for worker in workers(self.process.pid):
            with contextlib.suppress(OSError):
                found[worker] = int(Path(f"/proc/{worker}/task/{worker}/schedstat").read_text().split()[1]) / 1e9
        return found

    def _finished(self) -> int:
        """Counts the jobs that have been finished since it was last asked."""
        path, place = self._journal
        if not path.exists():
            return 0
        with path.open("rb") as file:
            file.seek(place)
            new = file.read()
        new = new[: new.rfind(b"\n") + 1]
        self._journal = path, place + len(new)
        return new.count(b'"status": "ok"')


def single(first: Path, second: Path, cache: Path) -> tuple[float, float]:
    """Returns the seconds that a single command takes, and those of processor time."""
    begun, before = time.monotonic(), processor_seconds()
    assert spawned(cache.with_suffix(".json"), "match", first, second, cache=cache).wait() == 0
    return time.monotonic() - begun, processor_seconds() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--turn", type=float, default=8, help="seconds of a turn of the batch of one worker")
    arguments = parser.parse_args()
    found = sorted(arguments.folder.rglob("*.jpg"))
    chosen = found[:: max(1, len(found) // arguments.pictures)][: arguments.pictures]
    pairs = len(chosen) * (len(chosen) - 1)
    rounds: list[tuple[float, ...]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        for number, path in enumerate(chosen):
            (folder / "pictures" / f"{number:02}.jpg").write_bytes(path.read_bytes())
        every = ("--source-dir", folder / "pictures", "--target-dir", folder / "pictures", "--pair", "all")
        every = ("batch", "match", *every, "--format", "json")
        one = Turns(folder / "one", *every, "--jobs", 1, cache=folder / "cache-one")
        two = Turns(folder / "two", *every, "--jobs", 2, cache=folder / "cache-two")
        try:
            for number in range(arguments.rounds):
                fast = two.turn(pairs / arguments.rounds, float("inf"))
                slow = one.turn(float("inf"), arguments.turn)
                pair = chosen[number % len(chosen)], chosen[(number + 1) % len(chosen)]
                cold, warm = (single(*pair, folder / f"single{number}") for _ in range(2))
                rounds.append((fast, slow, *cold, *warm))
                print(
                    f"round {number + 1}: two workers {fast:.2f}, one worker {slow:.2f} pairs a second; "
                    f"single commands {cold[0]:.1f} s, {warm[0]:.1f} s again (load {os.getloadavg()[0]:.1f})",
                    flush=True,
                )
            before = processor_seconds()
            two.turn(float("inf"), float("inf"))
            assert two.process.wait() == 0
            used = processor_seconds() - before
            result = json.loads(two.said.read_text().splitlines()[-1])["result"]
        finally:
            one.end()
            two.end()
    print(f"{result['done']} of {pairs} pairs, {result['described']} pictures described, {two.seconds:.0f} s")
    ratio = statistics.median(row[0] / row[1] for row in rounds)
    whole = (two.done / two.seconds) / (one.done / one.seconds)
    print(f"two workers against one: {ratio:.2f} times as fast (median of rounds), {whole:.2f} in all")
    print(
        f"without waiting for cores: {two.undisturbed:.2f} and {one.undisturbed:.2f} pairs a second, "
        f"{two.undisturbed / one.undisturbed:.2f} times as fast"
    )
    for what, wall, processor in (("nothing cached", 2, 3), ("features cached", 4, 5)):
        ratio = statistics.median(row[wall] * row[0] for row in rounds)
        alone = statistics.median(row[processor] for row in rounds)
        print(
            f"a batch against single commands, {what}: {ratio:.1f} times as fast (median of rounds); "
            f"{used / pairs:.2f} s of processor time a pair against {alone:.2f} s"
        )


if __name__ == "__main__":
    main()
