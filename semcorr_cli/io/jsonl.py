"""A file of JSON objects, one a line, appended and forced to disk: what is written is never lost nor changed.

A process that is killed while it writes leaves half a line at the end: it is passed over, and the next line starts
afresh.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from semcorr_cli.io import atomic


class Lines:
    """A file that is open for appending.

    Attributes:
        path: the file.
        is_new: there was nothing in it.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made if it is not there.

        Raises:
            OutputError: it cannot be written.
        """
        self.path = path
        with atomic.reported(path):
            was_there = path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            size = os.fstat(self._file).st_size
            if size and os.pread(self._file, 1, size - 1) != b"\n":
                os.write(self._file, b"\n")
            if not was_there:
                atomic.settle_folder(path.parent)
        self.is_new = not size

    def append(self, line: dict[str, Any]) -> None:
        """Adds a line, which is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        content = memoryview((json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n").encode())
        with atomic.reported(self.path):
            while content:
                content = content[os.write(self._file, content) :]
            os.fsync(self._file)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yields a file's lines; what is no JSON object, like half a line, is passed over."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            try:
                content = json.loads(line)
            except ValueError:
                continue
            if isinstance(content, dict):
                yield content
