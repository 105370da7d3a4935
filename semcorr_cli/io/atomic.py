"""Outputs appear whole or not at all: written beside their place, then moved into it."""

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from semcorr_cli.errors import DiskFullError, OutputError

OVERWRITE_HINT = "choose another -o, or add --overwrite"


def check(path: Path, *, overwrite: bool) -> None:
    """Refuses, before any work is done, an output that could not be written afterwards.

    Raises:
        OutputError: the output exists and may not be replaced, or its folder is missing or not writable.
    """
    folder = path.parent
    with reported(path):  # names that are too long for the file system, for one
        if not folder.is_dir():
            raise OutputError(f"cannot write {path}: there is no folder {folder}", hint=f"mkdir -p {folder}")
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists already", hint=OVERWRITE_HINT)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: the folder {folder} is not writable")


@contextlib.contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary path in the same folder; on success it becomes `path`, on any failure it is removed.

    Raises:
        OutputError: the file cannot be written, or appeared meanwhile and may not be replaced.
    """
    check(path, overwrite=overwrite)
    with reported(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with reported(path):
            _settle(temporary)
            if overwrite:
                temporary.replace(path)
            else:
                _move_without_replacing(temporary, path)
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary folder beside `path`; on success it becomes `path`, on any failure it is removed.

    Raises:
        OutputError: the folder cannot be written, or exists with something in it and may not be replaced.
    """
    empty = path.is_dir() and not any(path.iterdir())
    check(path, overwrite=overwrite or empty)
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path} is a file, not a folder for frames", hint="give -o a new folder, or a film's suffix")
    with reported(path):
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        with reported(path):
            if path.exists():
                _clear(path)
            temporary.rename(path)
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(path: Path) -> None:
    """Removes what killed writers of an output have left beside it."""
    with contextlib.suppress(OSError):
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Removes a folder that holds frames and nothing else: `--overwrite` must not become `rm -r` of somebody's home."""
    strangers = [
        entry for entry in folder.iterdir() if entry.is_dir() or not entry.stem.removeprefix("frame_").isdigit()
    ]
    if strangers:
        raise OutputError(
            f"{folder} holds more than frames ({strangers[0].name}) and is left alone", hint="choose another folder"
        )
    shutil.rmtree(folder)


def _settle(temporary: Path) -> None:
    """Forces the content to disk and gives the file the permissions that a plain `open` would have given it."""
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    temporary.chmod(0o666 & ~_umask())


def settle_folder(folder: Path) -> None:
    """Forces a folder's entries to disk, where the system can: a new file is then there after a power cut too."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _move_without_replacing(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise OutputError(f"{path} appeared while it was being made", hint=OVERWRITE_HINT) from None
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists():  # a file system without hard links: the check and the move cannot be one step
            raise OutputError(f"{path} appeared while it was being made", hint=OVERWRITE_HINT) from None
        temporary.replace(path)


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turns whatever the system says about a path that is written to into an OutputError."""
    try:
        yield
    except OSError as error:
        raise _explained(path, error) from error


def _explained(path: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"cannot write {path}: the disk is full", hint="free some space or write elsewhere")
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path}: {reason[:1].lower()}{reason[1:]}")
