"""Every failure a user can cause, with the exit code it ends in and a hint that says what to do next.

    SemcorrError                 exit 1   base class; raised bare only for our own bugs
    ├── UsageError               exit 2   options that contradict each other, malformed values
    ├── InputError               exit 3   a picture, points file or dataset that cannot be read
    ├── MissingError             exit 4   weights or an optional package that are not there
    ├── DeviceError              exit 5   a device that is absent, or memory that ran out
    ├── OutputError              exit 6   an output that exists or cannot be written
    │   └── DiskFullError        exit 6   no room left: a batch stops, rather than failing every job that is left
    ├── QualityError             exit 7   a result below --min-quality
    ├── BatchError               exit 7   a batch is through, and some of its jobs failed
    └── Interrupted              exit 130 Ctrl-C; exit 143 for SIGTERM

The codes are part of the stable interface: scripts may rely on them.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the `semcorr` command."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    MISSING = 4
    DEVICE = 5
    OUTPUT = 6
    QUALITY = 7
    INTERRUPTED = 130
    TERMINATED = 143


class SemcorrError(Exception):
    """A failure with one clear sentence, an exit code and, where there is one, a hint.

    Attributes:
        message: what went wrong, one sentence, naming the file or option.
        hint: what the user can type or change next; None when the message says it all.
        kind: short machine-readable name, stable, used in JSON.
    """

    exit_code: ExitCode = ExitCode.BUG
    kind: str = "bug"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def as_json(self) -> dict[str, str | int | None]:
        """Returns the error as an entry of the envelope's `errors` list."""
        return {"kind": self.kind, "exit_code": int(self.exit_code), "message": self.message, "hint": self.hint}


class UsageError(SemcorrError):
    """Options that contradict each other or have malformed values."""

    exit_code = ExitCode.USAGE
    kind = "usage"


class InputError(SemcorrError):
    """An input file that is missing, unreadable, truncated, too large or not what it claims to be."""

    exit_code = ExitCode.INPUT
    kind = "input"


class MissingError(SemcorrError):
    """Weights or an optional package that the request needs and that are not on this machine."""

    exit_code = ExitCode.MISSING
    kind = "missing"


class DeviceError(SemcorrError):
    """A device that was asked for and cannot be used, or memory that ran out."""

    exit_code = ExitCode.DEVICE
    kind = "device"


class OutputError(SemcorrError):
    """An output that exists already or cannot be written."""

    exit_code = ExitCode.OUTPUT
    kind = "output"


class DiskFullError(OutputError):
    """An output for which there is no room left on the disk."""

    kind = "disk-full"


class QualityError(SemcorrError):
    """A result whose verdict is below what `--min-quality` asks for."""

    exit_code = ExitCode.QUALITY
    kind = "quality"


class BatchError(SemcorrError):
    """A batch that is through, some of whose jobs failed."""

    exit_code = ExitCode.QUALITY
    kind = "batch"


class Interrupted(SemcorrError):
    """Ctrl-C or SIGTERM: everything unfinished has been cleared away, but for a preview that was asked to stay.

    Attributes:
        left: path of that preview; empty for none.
    """

    kind = "interrupted"

    def __init__(self, exit_code: ExitCode = ExitCode.INTERRUPTED, message: str = "", *, left: str = "") -> None:
        own = f"interrupted; the last preview is {left}" if left else "interrupted; nothing was left behind"
        super().__init__(message or own)
        self.exit_code = exit_code
        self.left = left
