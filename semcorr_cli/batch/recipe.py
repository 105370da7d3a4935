"""Digests of files, and of all that a job's result depends on: what tells whether a finished job is still finished."""

import hashlib
import json
from pathlib import Path

from semcorr_cli.batch.jobs import Job, Value

MISSING = "missing"
"""Stands for the digest of what cannot be read."""

IMMATERIAL = {"cache", "offline"}
"""Options that change no result."""

LONGEST_NAME = 4096
"""Characters beyond which an option's value is surely no file."""

Stamp = tuple[int, int]


class Digests:
    """Digests of files; each is read once, until it changes."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Stamp, str]] = {}

    def of(self, path: Path) -> str:
        """Returns the SHA-256 of a file, or of a folder's names and files; `MISSING` for what cannot be read."""
        try:
            if path.is_dir():
                entries = [(entry.name, self.of(entry)) for entry in sorted(path.iterdir())]
                return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_size
            known = self._known.get(str(path))
            if known is None or known[0] != stamp:
                with path.open("rb") as file:
                    known = stamp, hashlib.file_digest(file, "sha256").hexdigest()
                self._known[str(path)] = known
            return known[1]
        except (OSError, ValueError):
            return MISSING


def recipe(verb: str, version: str, job: Job, root: Path, digests: Digests) -> str:
    """Returns a digest of all that a job's result depends on: verb, version, options, and what lies in its inputs.

    Args:
        verb: what is done.
        version: of everything that does it.
        job: inputs and options; where the inputs lie and where the output goes does not matter.
        root: folder that relative paths start from.
        digests: those of files.
    """

    def content(value: Value) -> object:
        if isinstance(value, tuple):
            return [content(part) for part in value]
        if isinstance(value, bool) or len(value) > LONGEST_NAME:
            return value
        name, separator, path = value.partition("=")  # NAME=PATH of --weights
        for prefix, candidate in ((f"{name}=", path), ("", value)) if separator else (("", value),):
            try:
                if candidate and (root / candidate).is_file():
                    return f"{prefix}{digests.of(root / candidate)}"
            except (OSError, ValueError):
                continue
        return value

    parts = {
        "verb": verb,
        "version": version,
        "format": Path(job.output).suffix.lower(),
        "inputs": [digests.of(root / path) for path in job.inputs],
        "options": {name: content(value) for name, value in sorted(job.options.items()) if name not in IMMATERIAL},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
