"""Where a result goes: a file, a folder, or stdout."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from semcorr_cli.cli import output
from semcorr_cli.cli.options import ArtefactOptions
from semcorr_cli.errors import UsageError
from semcorr_cli.io import atomic


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that was checked before any work began.

    Attributes:
        path: the file or folder; None for stdout.
        suffix: what decides the format, with its dot; empty for a folder.
        overwrite: an existing output may be replaced.
    """

    path: Path | None
    suffix: str
    overwrite: bool

    @property
    def name(self) -> str:
        """The place as the envelope names it."""
        return "-" if self.path is None else str(self.path)

    def deliver(self, content: bytes, hw: tuple[int, int] | None = None, notes: list[str] | None = None) -> None:
        """Writes an artefact that is complete, and records it."""
        if self.path is None:
            output.current().bytes(content)
        else:
            with atomic.replacing(self.path, overwrite=self.overwrite) as temporary:
                temporary.write_bytes(content)
        output.current().made(self.name, hw, notes or [])

    @contextmanager
    def streamed(self, hw: tuple[int, int]) -> Iterator[Path]:
        """Yields a path to write an artefact to piece by piece, and records it; for stdout it passes by the disk."""
        if self.path is not None:
            yield self.path
        else:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"result{self.suffix}"
                yield path
                output.current().bytes(path.read_bytes())
        output.current().made(self.name, hw)


def destination(options: ArtefactOptions, default: Path, known: tuple[str, ...]) -> Destination:
    """Returns where the options want the result, `default` if they do not say.

    Args:
        options: -o, --format and --overwrite.
        default: used without -o; its suffix is also the format that `-o -` writes without --format.
        known: suffixes that the verb can write; "" stands for a folder.

    Raises:
        UsageError: a suffix that the verb cannot write, or `-o -` where stdout is taken.
        OutputError: the output exists or its folder is not there.
    """
    if options.output == "-":
        suffix = f".{options.format.lstrip('.').lower()}" if options.format else default.suffix
        _check_suffix(suffix, known, "--format")
        output.current().artefact_to_stdout(binary=suffix not in (".json", ".csv"))
        return Destination(None, suffix, overwrite=False)
    if options.format is not None:
        raise UsageError("--format is for `-o -`; a file's suffix says what it holds")
    path = default if options.output is None else Path(options.output)
    suffix = path.suffix.lower()
    _check_suffix(suffix, known, str(path))
    is_empty_folder = not suffix and path.is_dir() and not any(path.iterdir())
    atomic.check(path, overwrite=options.overwrite or is_empty_folder)
    return Destination(path, suffix, options.overwrite)


def default_path(source: str, verb: str, suffix: str) -> Path:
    """Returns where a result goes when nobody said: into the current folder, named after the source."""
    return Path(f"{'stdin' if source == '-' else Path(source).stem}.{verb}{suffix}")


def _check_suffix(suffix: str, known: tuple[str, ...], what: str) -> None:
    if suffix not in known:
        names = " ".join(name or "(a folder)" for name in known)
        raise UsageError(f"{what}: cannot write {suffix or 'a file without suffix'}", hint=f"use one of: {names}")
