"""Two folders instead of a manifest: their pictures, paired; sub-folders are mirrored."""

import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path, PurePath, PurePosixPath

from semcorr_cli.batch.manifest import Row
from semcorr_cli.errors import InputError, UsageError

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
"""Suffixes of what counts as a picture in a folder; a manifest may name anything."""


def pictures(folder: str) -> list[str]:
    """Returns a folder's pictures and those of its sub-folders, sorted, relative to it; hidden ones are left out.

    Raises:
        InputError: there is no such folder, or it cannot be read.
    """

    def fail(error: OSError) -> None:
        raise InputError(f"cannot read the folder {folder}: {error.strerror or error}") from error

    found = []
    for place, below, names in os.walk(folder, onerror=fail, followlinks=True):
        inside = PurePath(place).relative_to(folder)
        above = {os.path.realpath(Path(folder, *inside.parts[:count])) for count in range(len(inside.parts) + 1)}
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".")
            and os.path.realpath(Path(place, name)) not in above  # a link that leads in circles
        )
        found += [
            (inside / name).as_posix()
            for name in names
            if not name.startswith(".") and PurePath(name).suffix.lower() in PICTURES
        ]
    return sorted(found)


def paired(source: str, target: str | None, pairing: str, suffix: str, warn: Callable[[str], None]) -> Iterator[Row]:
    """Yields a row for each pair of pictures.

    Args:
        source: folder of the first pictures.
        target: folder of the second ones; None for verbs that take one picture.
        pairing: "name" pairs files of the same name (suffixes aside), "zip" the first with the first and so on, "all"
            everything with everything but itself.
        suffix: of outputs.
        warn: told what has no counterpart.

    Raises:
        InputError: a folder that cannot be read, or has no pictures.
        UsageError: folders of different sizes cannot be zipped.
    """
    firsts, seconds = pictures(source), [] if target is None else pictures(target)
    for folder, names in [(source, firsts)] if target is None else [(source, firsts), (target, seconds)]:
        if not names:
            raise InputError(f"there are no pictures in {folder}")
    if target is None:
        pairs: Iterator[tuple[str, ...]] = ((name,) for name in firsts)
    elif pairing == "all":
        is_same = Path(source).resolve() == Path(target).resolve()
        pairs = (pair for pair in product(firsts, seconds) if not (is_same and pair[0] == pair[1]))
    elif pairing == "zip":
        if len(firsts) != len(seconds):
            raise UsageError(f"--pair zip: {source} has {len(firsts)} pictures, {target} has {len(seconds)}")
        pairs = zip(firsts, seconds, strict=True)
    else:
        pairs = iter(_by_name(source, firsts, target, seconds, warn))
    for number, pair in enumerate(pairs, start=1):
        values = {"source": str(Path(source) / pair[0]), "output": _output(pair, pairing, suffix)}
        if target is not None:
            values["target"] = str(Path(target) / pair[1])
        yield Row(number, values)


def _by_name(
    source: str, firsts: list[str], target: str, seconds: list[str], warn: Callable[[str], None]
) -> list[tuple[str, ...]]:
    def named(names: list[str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for name in names:
            groups.setdefault(str(PurePosixPath(name).with_suffix("")), []).append(name)
        return groups

    left, right = named(firsts), named(seconds)
    for folder, here, there, other in ((source, left, right, target), (target, right, left, source)):
        if alone := [name for key, names in here.items() if key not in there for name in names]:
            more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
            warn(f"{len(alone)} in {folder} without a namesake in {other}: {', '.join(alone[:3])}{more}")
    pairs: list[tuple[str, ...]] = [pair for key in left if key in right for pair in product(left[key], right[key])]
    if not pairs:
        raise InputError(f"no picture in {source} has the name of one in {target}", hint="--pair all, or --pair zip")
    return pairs


def _output(pair: tuple[str, ...], pairing: str, suffix: str) -> str:
    """Returns a pair's output: the source's path, or for everything with everything a folder a source."""
    first = PurePosixPath(pair[0]).with_suffix("")
    if pairing == "all" and len(pair) == 2:
        return f"{first / PurePosixPath(pair[1]).with_suffix('')}{suffix}"
    return f"{first}{suffix}"
