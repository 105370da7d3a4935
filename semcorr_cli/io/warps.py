"""Matches, points and warps on disk: JSON, CSV, NPZ and Middlebury .flo.

Files put (0, 0) at the first pixel's centre, as OpenCV and annotations do; the translation happens here, nowhere else.
"""

import csv
import io
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.errors import InputError, UsageError
from semcorr_cli.io.images import name_of, read_bytes

FORMATS = (".json", ".csv", ".npz", ".flo")
"""Suffixes that correspondences are written in."""

FLO_MAGIC = b"PIEH"
ROWS = 256
"""Rows of a warp written at once."""


def matches_as_json(matches: Matches) -> list[dict[str, Any]]:
    """Returns the matches as the envelope's `matches`."""
    source = coords.to_centre_origin(matches.source).tolist()
    target = coords.to_centre_origin(matches.target).tolist()
    rows = zip(source, target, matches.score.tolist(), strict=True)
    return [{"source": _rounded(s), "target": _rounded(t), "score": round(score, 4)} for s, t, score in rows]


def points_as_json(
    source: Float[Tensor, "n 2"], target: Float[Tensor, "n 2"], confidence: Float[Tensor, " n"]
) -> list[dict[str, Any]]:
    """Returns queried points as the envelope's `points`."""
    rows = zip(
        coords.to_centre_origin(source).tolist(),
        coords.to_centre_origin(target).tolist(),
        confidence.tolist(),
        strict=True,
    )
    return [{"source": _rounded(s), "target": _rounded(t), "confidence": round(c, 4)} for s, t, c in rows]


def encode(field: Correspondence, matches: Matches, result: dict[str, Any], suffix: str) -> bytes:
    """Returns a correspondence as the bytes of a file.

    Args:
        field: the correspondence.
        matches: the rows to write, for the formats that hold matches.
        result: what a JSON file holds.
        suffix: one of `FORMATS`. `.flo` and the arrays `map` and `confidence` of `.npz` lie on the target's canvas and
            say where to read in the source; a `.flo` value is that position minus the pixel's own.
    """
    if suffix == ".json":
        return (json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()
    if suffix == ".csv":
        return _csv(matches)
    if suffix == ".flo":
        return _flo(field.warp)
    return _npz(field.warp, matches)


def encode_points(field: Correspondence, count: int) -> bytes:
    """Returns pairs of points for people to edit and for `read_pairs` to read: JSON, one pair a line.

    They are the places of confident matches that lie well apart, carried by the smooth map, so that they do not
    contradict each other.

    Args:
        field: the correspondence.
        count: pairs at most.
    """
    spread = field.matches.spread(count)
    carried = replace(spread, source=field.warp.at(spread.target))
    size = coords.wh(carried.source_hw, carried.source)
    pairs = matches_as_json(carried[((carried.source >= 0) & (carried.source <= size)).all(dim=-1)])
    lines = ",\n".join(json.dumps(pair) for pair in pairs)
    return f'{{"matches": [\n{lines}\n]}}\n'.encode()


def read_points(text: str, hw: Hw, what: str) -> Float[Tensor, "n 2"]:
    """Reads points of a picture: "x,y x,y …", or the path of a JSON or CSV file (or - for stdin) that holds them.

    A JSON file holds a list of [x, y]; a CSV file two columns, with or without a header.

    Raises:
        UsageError: the text is neither points nor an existing file.
        InputError: a file that holds something else, or a point outside the picture.
    """
    inline = _inline_points(text)
    if inline is not None:
        rows, place = inline, "point"
    elif text == "-" or _names_a_file(text):
        rows, place = _file_points(text), f"{name_of(text)}: row"
    else:
        raise UsageError(f"--points {text[:60]!r} is neither points nor a file", hint='--points "120,80 200,95"')
    for number, (x, y) in enumerate(rows, start=1):
        if not _lies_in(x, y, hw):
            raise InputError(f"{place} {number} ({x:g}, {y:g}) lies outside {what} ({hw[1]}×{hw[0]} pixels)")
    if not rows:
        raise InputError("--points names no point")
    return coords.from_centre_origin(torch.tensor(rows, dtype=torch.float32))


def read_pairs(path: str, source_hw: Hw, target_hw: Hw) -> Matches:
    """Reads point pairs set by hand, each to be met exactly.

    A JSON file holds a list of {"source": [x, y], "target": [x, y]}, or an object with such a list as "matches" (what
    `semcorr match -o m.json` writes); a CSV file four columns source_x, source_y, target_x, target_y.

    Raises:
        InputError: there is no such file, it holds something else or nothing, or a point lies outside its picture.
    """
    content = _text(path)
    is_json = content.lstrip().startswith(("[", "{"))
    rows = _json_pairs(path, content) if is_json else _csv_rows(path, content, 4)
    if not rows:
        raise InputError(f"{name_of(path)} names no pair of points")
    for number, (xs, ys, xt, yt) in enumerate(rows, start=1):
        for x, y, hw, what in ((xs, ys, source_hw, "source"), (xt, yt, target_hw, "target")):
            if not _lies_in(x, y, hw):
                line = f"line {_entry_line(content, number)}: " if is_json else ""
                raise InputError(
                    f"{name_of(path)}: {line}pair {number}: ({x:g}, {y:g}) lies outside the {what}"
                    f" ({hw[1]}×{hw[0]} pixels)"
                )
    values = coords.from_centre_origin(torch.tensor(rows, dtype=torch.float32).reshape(-1, 2, 2))
    return Matches(values[:, 0], values[:, 1], torch.ones(len(rows)), source_hw, target_hw)


def _inline_points(text: str) -> list[tuple[float, float]] | None:
    rows = []
    for word in text.split():
        parts = word.split(",")
        try:
            x, y = (float(part) for part in parts)
        except ValueError:
            return None
        rows.append((x, y))
    return rows or None


def _names_a_file(text: str) -> bool:
    try:
        return bool(text) and Path(text).exists()
    except OSError:  # too long for a name
        return False


def _file_points(path: str) -> list[tuple[float, float]]:
    content = _text(path)
    if not content.lstrip().startswith(("[", "{")):
        return [(row[0], row[1]) for row in _csv_rows(path, content, 2)]
    rows = []
    for number, entry in enumerate(_json_list(path, content), start=1):
        try:
            x, y = entry
            rows.append((float(x), float(y)))
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"{name_of(path)}: entry {number} is not [x, y]: {json.dumps(entry)[:60]}") from None
    return rows


def _text(path: str) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name_of(path)} is not a text file with points") from None


def _csv_rows(path: str, content: str, columns: int) -> list[list[float]]:
    """Returns the leading numbers of every line; a first line without any number is a header, # starts a comment."""
    rows = []
    header = False
    for number, row in enumerate(_csv_lines(path, content), start=1):
        if not row or row[0].lstrip().startswith("#"):
            continue
        try:
            rows.append([float(row[column]) for column in range(columns)])
        except (ValueError, IndexError):
            if rows or header or any(map(_is_number, row)):
                raise InputError(
                    f"{name_of(path)}: line {number} does not hold {columns} numbers: {','.join(row)[:60]!r}"
                ) from None
            header = True
    return rows


def _csv_lines(path: str, content: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(content))
    except csv.Error as error:
        raise InputError(f"{name_of(path)} is not a text file with points: {error}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json_list(path: str, content: str) -> list[Any]:
    try:
        data = json.loads(content)
    except json.JSONDecodeError as error:
        raise InputError(f"{name_of(path)}: line {error.lineno}: {error.msg}") from None
    if isinstance(data, dict):
        data = data.get("matches", data.get("points"))
    if not isinstance(data, list):
        raise InputError(f"{name_of(path)} holds no list of points")
    return data


def _json_pairs(path: str, content: str) -> list[list[float]]:
    rows = []
    for number, entry in enumerate(_json_list(path, content), start=1):
        try:
            (xs, ys), (xt, yt) = entry["source"], entry["target"]
            rows.append([float(xs), float(ys), float(xt), float(yt)])
        except (TypeError, ValueError, KeyError, OverflowError):
            line = _entry_line(content, number)
            raise InputError(
                f'{name_of(path)}: line {line}: entry {number} is not {{"source": [x, y], "target": [x, y]}}',
                hint=f"it reads {json.dumps(entry)[:60]}",
            ) from None
    return rows


def _entry_line(content: str, number: int) -> int:
    """Returns the line on which an entry of a JSON list begins, counted from 1 like the entries."""
    decoder = json.JSONDecoder()
    named = re.search(r'"(?:matches|points)"\s*:\s*\[', content)
    at = named.end() if content.lstrip().startswith("{") and named else content.index("[") + 1
    for _ in range(number):
        at += len(content[at:]) - len(content[at:].lstrip(" \t\r\n,"))
        begin = at
        _, at = decoder.raw_decode(content, at)
    return content.count("\n", 0, begin) + 1


def _lies_in(x: float, y: float, hw: Hw) -> bool:
    return -0.5 <= x <= hw[1] - 0.5 and -0.5 <= y <= hw[0] - 0.5


def _rounded(point: list[float]) -> list[float]:
    return [round(value, 3) for value in point]


def _csv(matches: Matches) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source_x", "source_y", "target_x", "target_y", "score"])
    for row in matches_as_json(matches):
        writer.writerow([*row["source"], *row["target"], row["score"]])
    return text.getvalue().encode()


def _npz(warp: Warp, matches: Matches) -> bytes:
    h = warp.target_hw[0]
    target = io.BytesIO()
    np.savez(
        target,
        source=coords.to_centre_origin(matches.source).numpy(),
        target=coords.to_centre_origin(matches.target).numpy(),
        score=matches.score.numpy(),
        map=coords.to_centre_origin(warp.rows(0, h)).cpu().numpy(),
        confidence=warp.confidence_rows(0, h).cpu().numpy(),
        source_hw=np.array(warp.source_hw),
        target_hw=np.array(warp.target_hw),
    )
    return target.getvalue()


def _flo(warp: Warp) -> bytes:
    h, w = warp.target_hw
    parts = [FLO_MAGIC, struct.pack("<ii", w, h)]
    for top in range(0, h, ROWS):
        bottom = min(top + ROWS, h)
        own = coords.pixel_centres((bottom - top, w), top=top, device=warp.nodes.device)
        parts.append((warp.rows(top, bottom) - own).cpu().numpy().astype("<f4").tobytes())
    return b"".join(parts)
