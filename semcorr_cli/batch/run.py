"""A batch from beginning to end: what is done is skipped, the rest is dispatched, everything is written down."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

from semcorr_cli.batch import report
from semcorr_cli.batch.dispatch import Engine, dispatch
from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.journal import Entry, Journal, journals
from semcorr_cli.batch.lock import FolderLock
from semcorr_cli.batch.manifest import Mistake
from semcorr_cli.batch.recipe import Digests, recipe
from semcorr_cli.batch.worker import Order, Record, Task
from semcorr_cli.errors import DiskFullError, UsageError

AHEAD = 16
"""Pictures that are described together, where that is faster."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Every `count`-th job, from the `number`-th on."""

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Reads `3/16`.

        Raises:
            ValueError: it is none.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text!r} is no shard")
        return cls(int(match[1]), int(match[2]))

    @property
    def suffix(self) -> str:
        """What the names of the shard's own files have before their suffix."""
        return "" if self.count == 1 else f".{self.number}-of-{self.count}"


@dataclass(slots=True)
class Summary:
    """What a batch has come to.

    Attributes:
        done: jobs that were done now.
        skipped: jobs that were done before, and still are as they were left.
        failed: jobs that failed, now or before.
        kept: of these, the jobs that failed before and were not tried again.
        changed: jobs whose inputs, options or output are no longer those that were written down, done again.
        reasons: failures by kind.
        verdicts: of jobs that are done, by what their correspondence was called.
        described: pictures that had to be described.
        retried: jobs whose worker died once.
        memory: most bytes that a worker held.
    """

    done: int = 0
    skipped: int = 0
    failed: int = 0
    kept: int = 0
    changed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    verdicts: dict[str, int] = field(default_factory=dict)
    described: int = 0
    retried: int = 0
    memory: int = 0

    @property
    def seen(self) -> int:
        """Jobs whose end is known."""
        return self.done + self.skipped + self.failed

    def count(self, entry: Entry, *, is_new: bool) -> None:
        """Counts a job's end."""
        if entry.status == "ok":
            self.done, self.skipped = self.done + is_new, self.skipped + (not is_new)
            if entry.verdict:
                self.verdicts[entry.verdict] = self.verdicts.get(entry.verdict, 0) + 1
        else:
            self.failed, self.kept = self.failed + 1, self.kept + (not is_new)
            kind = (entry.error or {}).get("kind", "bug")
            self.reasons[kind] = self.reasons.get(kind, 0) + 1


@dataclass(frozen=True, slots=True)
class Switches:
    """How a batch goes about its jobs.

    Attributes:
        shard: which of them.
        retry_failed: jobs that failed before are tried again.
        overwrite: outputs that the journal does not know may be replaced.
    """

    shard: Shard = Shard()
    retry_failed: bool = False
    overwrite: bool = False


class Batch:
    """Jobs of one verb, and the folder in which their results and what is known of them lie.

    A context: inside, the folder is this process's own, and nobody else's.
    """

    def __init__(self, order: Order, switches: Switches) -> None:
        """Names what is to be done; nothing is touched yet."""
        self.order = order
        self.switches = switches
        self.summary = Summary()
        self.mistakes: list[Mistake] = []
        self.journal_path = order.folder / f"journal{switches.shard.suffix}.jsonl"
        self.report_path = order.folder / f"report{switches.shard.suffix}.html"
        self._lock = FolderLock(order.folder, switches.shard.number, switches.shard.count)
        self._digests = Digests()
        self._named: set[str] = set()

    def __enter__(self) -> "Batch":
        """Locks the folder and opens the journal.

        Raises:
            OutputError: the folder cannot be written, another batch is at it, or it holds one of another verb.
        """
        self._lock.acquire()
        try:
            others = [path for path in journals(self.order.folder) if path != self.journal_path]
            self._journal = Journal(self.journal_path, self.order.verb, others)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the journal and unlocks the folder."""
        self._journal.close()
        self._lock.release()

    def settled(self, job: Job) -> Entry | None:
        """Returns what became of a job if that still holds: same recipe and, if it is done, the same output."""
        entry = self._journal.jobs.get(job.output)
        if entry is None or entry.status == "started" or (entry.status == "failed" and self.switches.retry_failed):
            return None
        order = self.order
        holds = entry.recipe == recipe(order.verb, order.version, job, order.root, self._digests)
        if entry.status == "ok":
            holds = holds and self._digests.of(order.folder / job.output) == entry.digest
            self.summary.changed += not holds
        return entry if holds else None

    def run(
        self,
        plan: Iterable[Job | Mistake | None],
        engine: Engine,
        asked: Callable[[], bool],
        tell: Callable[[Record], None],
    ) -> None:
        """Does what there is to do.

        Args:
            plan: jobs that are not settled, mistakes, and None while a growing manifest has nothing new.
            engine: has the workers.
            asked: tells whether to stop.
            tell: called with each record as soon as it is written down.

        Raises:
            SemcorrError: the disk is full, or no job could succeed.
        """
        with closing(dispatch(engine, self._tasks(iter(plan), tell), asked)) as records:
            for record in records:
                self._take(record)
                tell(record)

    def skip(self, job: Job, entry: Entry) -> Record:
        """Counts a settled job; returns a record of it."""
        self.summary.count(entry, is_new=False)
        status = "skipped" if entry.status == "ok" else "failed"
        return {"job": job.output, "line": job.line, "status": status, "error": entry.error}

    def note(self, mistakes: Iterable[Job | Mistake | None], tell: Callable[[Record], None]) -> None:
        """Writes mistakes down, where there is nothing else to do."""
        for item in mistakes:
            if isinstance(item, Mistake):
                tell(self._mistaken(item))

    def write_report(self) -> None:
        """Writes the report of all that has been written down: in a shard's journal, or in those of all shards too."""
        own = [self.journal_path]
        others = [] if self.switches.shard.count > 1 else journals(self.order.folder)
        report.write(
            self.report_path, [path for path in others if path not in own] + own, self.order.verb, self.mistakes
        )

    def _tasks(self, plan: Iterator[Job | Mistake | None], tell: Callable[[Record], None]) -> Iterator[Task | None]:
        """Yields tasks, each written down as started before."""
        coming: list[Job | Mistake | None] = []
        while True:
            while len(coming) < AHEAD and (not coming or coming[-1] is not None):
                item = next(plan, _OVER)
                if item is _OVER:
                    break
                coming.append(item)  # type: ignore[arg-type]
            if not coming:
                return
            item = coming.pop(0)
            if item is None:
                yield None
            elif isinstance(item, Mistake):
                tell(self._mistaken(item))
            else:
                jobs = [item, *(job for job in coming if isinstance(job, Job))]
                known = self._journal.jobs.get(item.output)
                was_ours = known is not None and known.is_ours
                is_ours = was_ours or not self._is_there(item.output)
                self._journal.append({"job": item.output, "status": "started", "ours": is_ours})
                yield Task(
                    item,
                    overwrite=self.switches.overwrite or was_ours,
                    is_ours=is_ours,
                    is_again=known is not None,
                    ahead=self._ahead(jobs),
                )

    def _ahead(self, jobs: list[Job]) -> tuple[str, ...]:
        """Returns pictures of the first jobs, if one of the very first's has not been named yet."""
        if all(path in self._named for path in jobs[0].inputs):
            return ()
        pictures = [path for path in dict.fromkeys(p for job in jobs for p in job.inputs) if path not in self._named]
        self._named.update(pictures[:AHEAD])
        return tuple(pictures[:AHEAD])

    def _is_there(self, output: str) -> bool:
        return os.path.lexists(self.order.folder / output)

    def _mistaken(self, mistake: Mistake) -> Record:
        """Writes a line that asks for nonsense down as failed."""
        error = UsageError(str(mistake)).as_json()
        self.mistakes.append(mistake)
        self._journal.append({"line": mistake.line, "status": "failed", "error": error})
        self.summary.count(Entry("failed", error=error), is_new=True)
        return {"job": "", "line": mistake.line, "status": "failed", "error": error}

    def _take(self, record: Record) -> None:
        """Writes a record down and counts it.

        Raises:
            DiskFullError: the job found no room: it stays to be done.
        """
        envelope = record["envelope"]
        error = envelope["errors"][0] if envelope["errors"] else None
        if error is not None and error["kind"] == DiskFullError.kind:
            raise DiskFullError(error["message"], hint="free some space; the same command goes on")
        before = self._journal.jobs[record["job"]]
        quality = envelope["result"].get("quality", {})
        line = {
            "job": record["job"],
            "line": record["line"],
            "status": record["status"],
            "recipe": record["recipe"],
            "digest": record["digest"],
            "attempt": record["attempt"],
            "inputs": [entry["path"] for entry in envelope["inputs"]],
            "verdict": quality.get("verdict"),
            "probability": quality.get("probability"),
            "seconds": envelope["run"]["seconds"],
            "error": error,
            "thumbnail": record["thumbnail"],
            # A job that failed may have left what it made before, but nothing that was not its own.
            "ours": record["status"] == "ok" or (before.is_ours and self._is_there(record["job"])),
        }
        self._journal.append(line)
        self.summary.count(self._journal.jobs[record["job"]], is_new=True)
        self.summary.described += record["described"]
        self.summary.retried += record["attempt"] > 1
        self.summary.memory = max(self.summary.memory, record["process"].get("memory") or 0)


_OVER = object()
