"""Manifests: csv, tsv or JSON Lines, one job a line, with every mistake by its line number."""

import contextlib
import csv
import json
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from semcorr_cli.errors import InputError, UsageError

KINDS = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
"""Suffixes of manifests."""

LONGEST = 1 << 20
"""Bytes of a line at most: what is longer is no manifest."""

PIECE = 1 << 16
"""Bytes read at once."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line that says something; values are text, or whatever JSON holds."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a line."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


def read(
    path: str, keys: Collection[str], stdin: BinaryIO, *, asked: Callable[[], bool] | None = None
) -> Iterator[Row | Mistake | None]:
    """Reads a manifest.

    Args:
        path: the file, or `-` for stdin, whose kind is told from its first line.
        keys: names that columns may have.
        stdin: what `-` reads.
        asked: for a manifest that grows: tells when to stop reading; None reads to the end.

    Yields:
        Rows and mistakes; None whenever a growing manifest has nothing new.

    Raises:
        InputError: the file cannot be read.
        UsageError: a suffix that tells no kind, or a header that names other columns.
    """
    kind = "" if path == "-" else KINDS.get(Path(path).suffix.lower(), "")
    if not kind and path != "-":
        raise UsageError(f"{path} has no suffix of a manifest", hint=f"known: {' '.join(KINDS)}, or - for stdin")
    try:
        with contextlib.ExitStack() as opened:
            stream = stdin if path == "-" else opened.enter_context(Path(path).open("rb"))
            if asked is None:
                pieces: Iterator[bytes | None] = iter(lambda: stream.read(PIECE), b"")
            else:
                pieces = _arriving(stream, asked) if path == "-" else _growing(stream, asked)
            yield from _rows(_lines(pieces), kind, keys)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the manifest {path}: {getattr(error, 'strerror', None) or error}") from error


def _growing(stream: BinaryIO, asked: Callable[[], bool]) -> Iterator[bytes | None]:
    """Yields what is appended to a file, None while there is nothing new, until it is asked to stop."""
    while not asked():
        yield stream.read(PIECE) or None


def _arriving(stream: BinaryIO, asked: Callable[[], bool]) -> Iterator[bytes | None]:
    """Yields what comes through a pipe, None while there is nothing new, until it ends."""
    pieces: queue.Queue[bytes] = queue.Queue(maxsize=64)

    def fetch() -> None:
        while piece := os.read(stream.fileno(), PIECE):
            pieces.put(piece)
        pieces.put(b"")

    threading.Thread(target=fetch, daemon=True).start()  # reading blocks, and the batch goes on meanwhile
    while not asked():
        try:
            piece = pieces.get_nowait()
        except queue.Empty:
            yield None
            continue
        if not piece:
            return
        yield piece


def _lines(pieces: Iterator[bytes | None]) -> Iterator[bytes | None]:
    """Yields lines without their ends, the last one whether it has an end or not; Nones are passed on."""
    begun = b""
    for piece in pieces:
        if piece is None:
            yield None
            continue
        *whole, begun = (begun + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in whole)
        if len(begun) > LONGEST:
            raise ValueError(f"a line of more than {LONGEST} bytes")
    if begun:
        yield begun


def _rows(lines: Iterator[bytes | None], kind: str, keys: Collection[str]) -> Iterator[Row | Mistake | None]:
    header: list[str] = []
    number = 0
    for line in lines:
        if line is None:
            yield None
            continue
        number += 1
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            yield Mistake(number, f"not UTF-8 (byte {error.start + 1})")
            continue
        if not text.strip():
            continue
        kind = kind or _sniffed(text)
        try:
            if kind == "jsonl":
                yield Row(number, _json_object(text))
            elif header:
                yield Row(number, _named(_cells(text, kind), header))
            else:
                header = _header(_cells(text, kind), keys)
        except ValueError as error:
            if kind != "jsonl" and not header:
                raise UsageError(
                    f"line {number} of the manifest must name the columns: {error}", hint=f"known: {' '.join(keys)}"
                ) from None
            yield Mistake(number, str(error))


def _sniffed(text: str) -> str:
    if text.lstrip().startswith("{"):
        return "jsonl"
    return "tsv" if "\t" in text else "csv"


def _cells(text: str, kind: str) -> list[str]:
    try:
        (cells,) = csv.reader([text], delimiter="\t" if kind == "tsv" else ",", strict=True)
    except csv.Error as error:
        raise ValueError(f"not {kind}: {error}") from None
    return [cell.strip() for cell in cells]


def _header(names: list[str], keys: Collection[str]) -> list[str]:
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]!r} is there twice")
    if unknown := [name for name in names if name.replace("_", "-") not in {key.replace("_", "-") for key in keys}]:
        raise ValueError(f"{unknown[0][:60]!r} is no column")
    return names


def _named(cells: list[str], header: list[str]) -> dict[str, Any]:
    if len(cells) > len(header):
        raise ValueError(f"{len(cells)} cells, but the first line names {len(header)} columns")
    return dict(zip(header, cells, strict=False))


def _json_object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, object_pairs_hook=_without_twins, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} (column {error.colno})") from None
    except RecursionError:
        raise ValueError("not JSON for people: nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]!r} is given twice")
    return dict(pairs)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
