"""Whose folder it is: one batch's, or that of the shards of one batch.

The locks are the system's, held through an open file: they end with their owner, however it ends.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from semcorr_cli.errors import OutputError
from semcorr_cli.io import atomic

PATIENCE = 1.0
"""Seconds for which a lock is tried: others hold it for a moment when they look whether it is free."""


class FolderLock:
    """A folder's lock; shards of one count hold theirs side by side, everything else is alone."""

    def __init__(self, folder: Path, number: int, count: int) -> None:
        """Names the folder and the shard; nothing is touched yet."""
        self._folder = folder
        self._shards = f"-of-{count}.lock"
        self._own = folder / (".batch.lock" if count == 1 else f".batch.{number}{self._shards}")
        self._lock = FileLock(self._own)

    def acquire(self) -> None:
        """Locks the folder, which is made if it is not there.

        Raises:
            OutputError: the folder cannot be written, or another batch is at it.
        """
        with atomic.reported(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=PATIENCE)
                for other in self._strangers():
                    with FileLock(other).acquire(timeout=PATIENCE):
                        pass
            except BaseException as error:
                self._lock.release()
                if isinstance(error, Timeout):
                    raise OutputError(
                        f"another batch is writing to {self._folder}", hint="wait for it, or give -o another folder"
                    ) from None
                raise

    def release(self) -> None:
        """Unlocks the folder."""
        self._lock.release()

    def _strangers(self) -> list[Path]:
        """Returns the locks of batches that cannot be at the folder together with this one."""
        found = [path for path in self._folder.glob(".batch*.lock") if path != self._own]
        is_shard = self._own.name.endswith(self._shards)
        return [path for path in found if not (is_shard and path.name.endswith(self._shards))]
