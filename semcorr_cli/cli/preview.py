"""Results before they are done: small ones, and a long method seen at work.

A progress bar, and a picture of how far it is, replaced every few seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from semcorr_cli.cli import output
from semcorr_cli.cli.destination import Destination
from semcorr_cli.errors import Interrupted, UsageError
from semcorr_cli.io import atomic

if TYPE_CHECKING:
    from semcorr_cli.core.image import Image

PREVIEW_SIDE = 480
"""Longer side of what `--preview` draws: small and fast, for trying options."""

Watch = Callable[[int, int, "Callable[[], Image]"], None]
"""Told after every step: steps done, steps in all, and what renders the picture so far."""


def reduced(hw: tuple[int, int], *, wanted: bool) -> tuple[int, int]:
    """Returns the size that is drawn: a preview's if one is wanted, and the picture is larger."""
    scale = min(1.0, PREVIEW_SIDE / max(hw)) if wanted else 1.0
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def preview_path(place: Destination, every: float | None, *, keep: bool) -> Path | None:
    """Returns where previews go: beside the output, `NAME.preview.SUFFIX`; None for no previews.

    Raises:
        UsageError: there is no place beside stdout, or nothing to keep.
        OutputError: something lies there already.
    """
    if every is None:
        if keep:
            raise UsageError("--keep-preview needs --preview-every", hint="--preview-every 5 --keep-preview")
        return None
    if place.path is None:
        raise UsageError("--preview-every writes beside the output, and stdout has no beside", hint="give -o a file")
    path = place.path.with_name(f"{place.path.stem}.preview{place.suffix}")
    atomic.check(path, overwrite=place.overwrite)
    return path


@contextmanager
def watching(path: Path | None, every: float, *, keep: bool) -> Iterator[Watch]:
    """Opens the progress bar and yields what a method reports its steps to.

    The preview goes when the work is done, and when it fails; an interrupted one stays if it is to be kept.
    """
    last, written = time.monotonic(), False
    with output.current().bar(100, "restyling") as advance:

        def watch(done: int, total: int, render: "Callable[[], Image]") -> None:
            nonlocal last, written
            advance(100 * done // total, f"step {done} of {total}")
            if path is None or time.monotonic() - last < every:
                return
            from semcorr_cli.io import images

            content, _ = images.encode(render(), images.output_format(path))
            with atomic.replacing(path, overwrite=True) as temporary:
                temporary.write_bytes(content)
            last, written = time.monotonic(), True

        try:
            yield watch
        except KeyboardInterrupt:
            if keep and written:
                written = False
                raise Interrupted(left=str(path)) from None
            raise
        finally:
            if written and path is not None:
                path.unlink(missing_ok=True)
