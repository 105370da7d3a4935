"""PF-WILLOW and PF-PASCAL (Ham et al. 2016, 2018), as the field uses them: pairs and points in comma-separated files.

PF-WILLOW   PF-dataset/CLASS/NAME.png                 ten classes such as car(S)
            test_pairs.csv or test_pairs_pf.csv       two pictures, then ten x and ten y of each
PF-PASCAL   PF-dataset-PASCAL/JPEGImages/NAME.jpg
            PF-dataset-PASCAL/Annotations/CLASS/NAME.mat    kps (n, 2), NaN where hidden; bbox
            SPLIT_pairs_pf_pascal.csv or SPLIT_pairs.csv    two pictures, the class from 1, then x; and y; of each, or,
                                                            in the training split, whether the pair is mirrored

A folder may be the one that holds these or the first folder in it. Points are taken as their files say, which for those
made by MATLAB the field does too.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core import coords
from semcorr_cli.datasets import Box, Pairs, TruePair
from semcorr_cli.errors import InputError, MissingError

WILLOW_SPLITS = ("test",)
PASCAL_SPLITS = ("test", "val", "trn")

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Classes of PASCAL VOC, as PF-PASCAL numbers them."""

WILLOW_POINTS = 10

Row = tuple[int, list[str]]
"""The line a row stands in, and its columns."""


def read_willow(root: Path, split: str = "test") -> Pairs[Row]:
    """Returns the pairs of PF-WILLOW.

    Raises:
        InputError: the folder is not in this layout; when a pair is read, its line is damaged.
    """
    path, rows = _listed(root, [f"{split}_pairs.csv", f"{split}_pairs_pf.csv"], "PF-WILLOW")

    def pair(row: Row) -> TruePair:
        line, columns = row
        if len(columns) != 2 + 4 * WILLOW_POINTS:
            raise InputError(f"{path}, line {line}: {len(columns)} columns, not {2 + 4 * WILLOW_POINTS}")
        numbers = [_number(text, path, line) for text in columns[2:]]
        sides = [numbers[: 2 * WILLOW_POINTS], numbers[2 * WILLOW_POINTS :]]
        points = [torch.tensor(side).reshape(2, WILLOW_POINTS).T for side in sides]
        return _pair(root, row, points, category=PurePosixPath(columns[0]).parent.name, box=None)

    return Pairs(rows, pair)


def read_pascal(root: Path, split: str = "test", *, boxes: bool = False) -> Pairs[Row]:
    """Returns the pairs of PF-PASCAL. Mirrored repeats in the list of the training split are passed over.

    Args:
        root: where it lies.
        split: one of `PASCAL_SPLITS`.
        boxes: read the boxes, which are in .mat files.

    Raises:
        InputError: the folder is not in this layout; when a pair is read, a file or line is damaged.
        MissingError: points or boxes are in .mat files, and there is no scipy.
    """
    name = "train" if split == "trn" else split
    names = [f"{part}_pairs{ending}.csv" for ending in ("_pf_pascal", "") for part in dict.fromkeys((name, split))]
    path, rows = _listed(root, names, "PF-PASCAL")

    def pair(row: Row) -> TruePair:
        line, columns = row
        category = _class(columns, path, line)
        places = [_annotation(root, category, picture) for picture in columns[:2]]
        if len(columns) == 7:
            texts = [[_number(text, path, line) for text in column.split(";") if text] for column in columns[3:]]
            if len({len(text) for text in texts}) != 1:
                raise InputError(f"{path}, line {line}: the numbers of x and y differ")
            points = [torch.tensor(texts[:2]).T, torch.tensor(texts[2:]).T]
        else:
            points = _common([_matrix(place, "kps") for place in places])
        return _pair(root, row, points, category=category, box=_box(places[1]) if boxes else None)

    return Pairs([row for row in rows if len(row[1]) != 4 or row[1][3].strip() in ("0", "0.0")], pair)


def _listed(root: Path, names: Sequence[str], what: str) -> tuple[Path, list[Row]]:
    """Returns a list of pairs without its heading."""
    places = [root / name for name in names] + sorted(found for name in names for found in root.glob(f"*/{name}"))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise InputError(f"{root} is not in {what}'s layout: there is no {' or '.join(map(str, places[: len(names)]))}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, columns) for columns in reader if columns]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} is not a list of pairs: {error}") from None
    if rows and not any(text.lower().endswith((".png", ".jpg", ".jpeg")) for text in rows[0][1][:2]):
        rows = rows[1:]
    if not rows:
        raise InputError(f"{path} lists no pairs")
    if min(len(columns) for _, columns in rows) < 4:
        raise InputError(f"{path} is not a list of pairs of {what}: it has too few columns")
    return path, rows


def _pair(root: Path, row: Row, points: Sequence[Float[Tensor, "n 2"]], *, category: str, box: Box | None) -> TruePair:
    line, columns = row
    pictures = [_picture(root, name) for name in columns[:2]]
    return TruePair(
        name=f"{line:05}-{pictures[0].stem}-{pictures[1].stem}",
        category=category,
        source=pictures[0],
        target=pictures[1],
        source_points=coords.from_centre_origin(points[0].float()),
        target_points=coords.from_centre_origin(points[1].float()),
        target_box=box,
    )


def _picture(root: Path, name: str) -> Path:
    """Returns where a picture lies; lists name it as seen from the folder above the first one."""
    parts = PurePosixPath(name.strip()).parts
    places = [root.joinpath(*parts), root.parent.joinpath(*parts), root.joinpath(*parts[1:])]
    return next((place for place in places if place.is_file()), places[0])


def _annotation(root: Path, category: str, picture: str) -> Path:
    place = Path("Annotations") / category / f"{PurePosixPath(picture.strip()).stem}.mat"
    inner = root / "PF-dataset-PASCAL" / place
    return inner if inner.is_file() else root / place


def _class(columns: list[str], path: Path, line: int) -> str:
    number = _number(columns[2], path, line)
    if number not in range(1, len(CLASSES) + 1):
        raise InputError(f"{path}, line {line}: {columns[2]} is no class from 1 to {len(CLASSES)}")
    return CLASSES[int(number) - 1]


def _number(text: str, path: Path, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: {text!r} is no number")
    return value


def _common(points: Sequence[Float[Tensor, "_ 2"]]) -> list[Float[Tensor, "n 2"]]:
    """Returns the points that both pictures show; hidden ones are NaN, and may be left out at the end."""
    count = min(len(side) for side in points)
    seen = torch.stack([side[:count].isfinite().all(dim=1) for side in points]).all(dim=0)
    return [side[:count][seen] for side in points]


def _box(place: Path) -> Box:
    values = _matrix(place, "bbox").flatten()
    if len(values) < 4:
        raise InputError(f"{place}: bbox has {len(values)} numbers")
    left, top, right, bottom = values[:4].tolist()
    return left, top, right, bottom


def _matrix(place: Path, key: str) -> Tensor:
    try:
        from scipy.io import loadmat
    except ImportError:
        raise MissingError(f"{place} can be read by scipy alone, which is not here", hint="pip install scipy") from None
    try:
        found = torch.from_numpy(loadmat(place)[key].astype("float64"))
    except Exception as error:  # the parser lets through whatever damaged files lead it to
        raise InputError(f"{place} is no annotation of PF-PASCAL: {error!r}") from None
    if found.ndim != 2 or (key == "kps" and found.shape[1] != 2):
        raise InputError(f"{place}: {key} has the shape {tuple(found.shape)}")
    return found
