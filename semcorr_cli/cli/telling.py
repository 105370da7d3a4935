"""What a batch says: a line for each job, the progress, the summary."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from semcorr_cli import __version__
from semcorr_cli.batch.jobs import Job
from semcorr_cli.batch.manifest import Mistake
from semcorr_cli.batch.run import Batch
from semcorr_cli.batch.worker import Record
from semcorr_cli.cli.output import SCHEMA, Output
from semcorr_cli.errors import BatchError


class Teller:
    """Is told each record, and tells people or scripts."""

    def __init__(self, batch: Batch, out: Output, advance: Callable[[int, str], None], total: int | None) -> None:
        """Starts the clock."""
        self._batch = batch
        self._out = out
        self._advance = advance
        self._total = total
        self._started = time.monotonic()
        self._before = 0

    def begin(self, plan: Sequence[Job | Mistake], todo: Sequence[Job | Mistake | None]) -> None:
        """Says how much there is to do; the clock starts here."""
        jobs = [item for item in plan if isinstance(item, Job)]
        pictures = len({path for job in jobs for path in job.inputs})
        summary = self._batch.summary
        before = f"; {summary.skipped:,} done before" if summary.skipped else ""
        if summary.kept:
            before += f", {summary.kept:,} failed before (--retry-failed tries them again)"
        if summary.changed:
            before += f"; {summary.changed:,} have changed since and are done again"
        count = sum(isinstance(item, Job) for item in todo)
        self._out.say(f"{len(jobs):,} jobs, {pictures:,} pictures{before}; {count:,} to do")
        self._started, self._before = time.monotonic(), summary.seen

    def __call__(self, record: Record) -> None:
        """Tells what became of a job."""
        out, summary = self._out, self._batch.summary
        envelope = record.get("envelope") or self._envelope(record)
        error = envelope["errors"][0] if envelope["errors"] else None
        for key in ("features", "device", "dtype"):
            out.run[key] = envelope["run"].get(key) or out.run.get(key)
        if out.as_json:
            out.line(envelope | {"job": {key: record.get(key) for key in ("job", "line", "status", "attempt")}})
        if error is not None and record["job"]:
            out.say(f"failed: {record['job']}: {error['message']}")
        elif error is None and record["status"] == "ok":
            out.note(f"{record['job']}")
        failed = f", {summary.failed:,} failed" if summary.failed else ""
        self._advance(summary.seen, f"{self._rate():.2g} a second{failed}")

    def sum_up(self) -> None:
        """Says what it came to."""
        batch, summary, out = self._batch, self._batch.summary, self._out
        seconds = time.monotonic() - self._started
        counts = asdict(summary) | {"pairs_per_second": round(self._rate(), 3), "seconds": round(seconds, 3)}
        out.result.update(
            jobs=self._total if self._total is not None else summary.seen,
            **counts,
            journal=str(batch.journal_path),
            report=str(batch.report_path),
        )
        parts = [f"{summary.done:,} done ({self._rate():.2g} a second)"]
        parts += [f"{summary.skipped:,} done before"] if summary.skipped else []
        if summary.failed:
            parts.append(f"{summary.failed:,} failed ({_listed(summary.reasons)})")
        parts += [_listed(summary.verdicts)] if summary.verdicts else []
        out.say(f"{'; '.join(parts)}; see {batch.report_path}")

    def judge(self) -> None:
        """Ends well or not.

        Raises:
            BatchError: some jobs failed.
        """
        summary = self._batch.summary
        if summary.failed:
            raise BatchError(
                f"{summary.failed:,} of {summary.seen:,} jobs failed ({_listed(summary.reasons)})",
                hint="--retry-failed, once what was wrong has been put right",
            )

    def _rate(self) -> float:
        return (self._batch.summary.seen - self._before) / max(time.monotonic() - self._started, 1e-3)

    def _envelope(self, record: Record) -> dict[str, Any]:
        """Returns the envelope of a job that was not run now."""
        error = record.get("error")
        return {
            "semcorr": __version__,
            "schema": SCHEMA,
            "command": self._batch.order.verb,
            "status": "skipped" if error is None else "error",
            "inputs": [],
            "outputs": [],
            "result": {},
            "run": {},
            "errors": [] if error is None else [error],
        }


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
