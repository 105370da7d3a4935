"""The journal: what a batch has begun and finished, one JSON object a line. Nothing is ever changed or removed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from semcorr_cli.errors import OutputError
from semcorr_cli.io import atomic
from semcorr_cli.io.jsonl import Lines, read

FORMAT = 1
"""Version of the lines."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The last that is known of a job.

    Attributes:
        status: "started", "ok" or "failed".
        recipe: digest of what the result depends on; empty while started.
        digest: of the output; empty unless ok.
        error: the first error of a failed job, as in the envelope.
        verdict: what the correspondence was called, if the verb has one.
        is_ours: whatever lies at the output's place, if anything does, was put there by this job.
    """

    status: str
    recipe: str = ""
    digest: str = ""
    error: dict[str, Any] | None = None
    verdict: str | None = None
    is_ours: bool = False


class Journal:
    """A journal that is open for appending.

    Attributes:
        path: the file.
        jobs: the last entry of each job, by output.
    """

    def __init__(self, path: Path, verb: str, others: Sequence[Path] = ()) -> None:
        """Reads what is there, and opens it.

        Args:
            path: the file.
            verb: that the batch is of.
            others: journals of shards of the batch; what this one says itself comes before what they say.

        Raises:
            OutputError: the file cannot be written, or belongs to a batch of another verb.
        """
        self.path = path
        self.jobs: dict[str, Entry] = {}
        with atomic.reported(path):
            for line in chain.from_iterable(map(read, (*others, path))):
                self._take(line, verb)
        self._lines = Lines(path)
        if self._lines.is_new:
            self.append({"journal": FORMAT, "verb": verb})

    def append(self, line: dict[str, Any]) -> None:
        """Adds a line, which is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        self._lines.append(line)
        self._take(line, "")

    def close(self) -> None:
        """Closes the file."""
        self._lines.close()

    def _take(self, line: dict[str, Any], verb: str) -> None:
        if verb and line.get("verb", verb) != verb:
            raise OutputError(
                f"{self.path.parent} holds a batch of {line['verb']}, not of {verb}", hint="give -o another folder"
            )
        if isinstance(name := line.get("job"), str) and isinstance(status := line.get("status"), str):
            self.jobs[name] = Entry(
                status,
                line.get("recipe", ""),
                line.get("digest", ""),
                line.get("error"),
                line.get("verdict"),
                line.get("ours") is True,
            )


def journals(folder: Path) -> list[Path]:
    """Returns the journals in a batch's folder: its own, and those of its shards."""
    return sorted(folder.glob("journal*.jsonl"))
