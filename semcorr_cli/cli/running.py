"""Running a verb so that whatever happens becomes an error with an exit code."""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable

from semcorr_cli.cli.output import Output
from semcorr_cli.errors import DeviceError, Interrupted, OutputError, SemcorrError


def attempt(verb: Callable[[], None], out: Output) -> SemcorrError | None:
    """Runs a verb.

    Returns:
        None, or what went wrong; nothing but the end of the process gets past.
    """
    try:
        verb()
    except SemcorrError as failure:
        return failure
    except KeyboardInterrupt:
        return Interrupted()
    except BrokenPipeError:
        return OutputError("whoever reads stdout has gone away")
    except MemoryError:
        return DeviceError("out of memory", hint="a smaller --max-side, or smaller pictures")
    except Exception as failure:  # the last line of defence: everything above is expected, this is our bug
        return _out_of_memory(failure) or _bug(failure, out)
    return None


def calm(level: int) -> None:
    """Keeps libraries from logging and warning, below `-vv`."""
    if level < 2:
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")


def _out_of_memory(failure: Exception) -> SemcorrError | None:
    """Recognises the ways in which torch and OpenCV say that memory ran out."""
    text = str(failure)
    if type(failure).__name__ == "OutOfMemoryError" or "not enough memory" in text or "Insufficient memory" in text:
        return DeviceError("out of memory", hint="a smaller --max-side, or --device cpu")
    return None


def _bug(failure: Exception, out: Output) -> SemcorrError:
    if out.level >= 2:
        traceback.print_exception(failure, file=sys.stderr)
    detail = f"{type(failure).__name__}: {failure}".strip()
    hint = None if out.level >= 2 else "-vv shows where; `semcorr doctor --json` tells a bug report the rest"
    return SemcorrError(f"unexpected {detail}; this is a bug in semcorr", hint=hint)
