"""The log of an evaluation: each pair's result as soon as there is one, so that a killed run goes on."""

from pathlib import Path
from typing import Any

from semcorr_cli.errors import OutputError, UsageError
from semcorr_cli.evaluate.scores import Row
from semcorr_cli.io import atomic, jsonl

FORMAT = 1
"""Version of the lines."""

START = b'{"evaluation": '
"""What a log begins with, be it cut off in its first line."""


class Log:
    """A log that is open for appending.

    Attributes:
        rows: the results that are known, by name of the pair.
    """

    def __init__(self, path: Path, conditions: dict[str, Any]) -> None:
        """Reads what is there, and opens it.

        Args:
            path: the file; made if it is not there.
            conditions: what results depend on, as JSON has it.

        Raises:
            UsageError: the log holds results that were found under other conditions.
            OutputError: the file is something else, or cannot be written.
        """
        self.rows: dict[str, Row] = {}
        with atomic.reported(path):
            known = list(jsonl.read(path))
            start = b"" if known or not path.exists() else path.read_bytes()
        if not START.startswith(start[: len(START)]):
            raise OutputError(f"{path} is no log of an evaluation", hint="give --log another file")
        if known:
            _compare(path, known[0], conditions)
        for line in known[1:]:
            try:
                row = Row.from_json(line)
            except (KeyError, TypeError):
                raise OutputError(f"{path} holds a line that is no result: {str(line)[:80]}") from None
            self.rows[row.name] = row
        self._lines = jsonl.Lines(path)
        if not known:
            self._lines.append({"evaluation": FORMAT, "conditions": conditions})

    def append(self, row: Row) -> None:
        """Adds a result, which is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        self._lines.append(row.as_json())
        self.rows[row.name] = row

    def close(self) -> None:
        """Closes the file."""
        self._lines.close()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _compare(path: Path, first: dict[str, Any], conditions: dict[str, Any]) -> None:
    before = first.get("conditions")
    if first.get("evaluation") != FORMAT or not isinstance(before, dict):
        raise OutputError(f"{path} is no log of an evaluation", hint="give --log another file")
    changed = [
        f"{name} was {before.get(name)!r} and is {conditions.get(name)!r}"
        for name in conditions | before
        if before.get(name) != conditions.get(name)
    ]
    if changed:
        raise UsageError(f"{path} holds results found otherwise: {'; '.join(changed)}", hint="give --log another file")
