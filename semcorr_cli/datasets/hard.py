"""Any data set made hard: one picture of every pair is changed in a known way, and its points are carried along.

The object is cut out round its points, mirrored or not, turned by up to ±45°, enlarged by ×½ to ×2, recoloured, and put
off the middle of another category's picture; or, for telling what poses alone cost, the whole picture is mirrored,
turned, scaled and moved in the same way and nothing else. The other picture of the pair stays as it is.

Points keep their names: the left eye of a mirrored face is still called the left one, and is where it now lies.
"""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.datasets import TruePair
from semcorr_cli.datasets.change import SIDE, Change

EXTENT = 0.5
"""Share of the changed picture that the points take up at enlargement 1."""

MARGIN = 0.18
"""What is cut out round the points on every side, as a share of their extent."""

TRIES = 200
"""Draws until enough points lie in the changed picture."""

GREYS = 0.15
"""Share of changed pictures without colour."""


Picture = tuple[str, Path]
"""A category, and where one of its pictures lies."""


class Changes(StrEnum):
    """What is done to a picture."""

    ALL = "all"
    SIMILARITY = "similarity"


def pictures(pairs: Iterable[TruePair]) -> list[Picture]:
    """Returns all pictures of a data set, in an order that does not depend on that of its pairs."""
    return sorted({(pair.category, path) for pair in pairs for path in (pair.source, pair.target)})


def harden(
    pairs: Iterable[TruePair], seed: int, *, among: Sequence[Picture], changes: Changes = Changes.ALL
) -> Iterator[TruePair]:
    """Yields every pair with one of its pictures changed; a pair whose points cannot be kept in sight is left out.

    What becomes of a pair depends on the seed, its name and `among` alone, not on the pairs beside it.

    Args:
        pairs: any of a data set's pairs.
        seed: the same seed changes a pair in the same way.
        among: `pictures` of the whole data set, whichever of its pairs are used: backgrounds are drawn from them.
        changes: everything, or the similarity alone, which is then the same one.
    """
    strangers: dict[str, list[Path]] = {}
    for pair in pairs:
        if pair.category not in strangers:
            strangers[pair.category] = [path for category, path in among if category != pair.category]
        made = _hardened(pair, seed, strangers[pair.category] or [pair.source])
        if made is not None:
            yield made if changes is Changes.ALL else _uncut(made)


def _hardened(pair: TruePair, seed: int, strangers: Sequence[Path]) -> TruePair | None:
    name = hashlib.sha256(f"{seed} {pair.name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(name[:8], "big") >> 1)
    on_target = bool(torch.rand((), generator=generator) < 0.5)
    points = pair.target_points if on_target else pair.source_points
    if len(points) < 2:
        return None
    for _ in range(TRIES):
        change = _draw(points, strangers, generator)
        carried = change.points(points)
        seen = ((carried > 2) & (carried < SIDE - 2)).all(dim=-1)
        if int(seen.sum()) >= max(min(3, len(points)), 0.6 * len(points)):
            return _changed(pair, change, carried, seen, on_target=on_target)
    return None


def _uncut(pair: TruePair) -> TruePair:
    """Returns a hard pair whose changed picture is all there, in its own colours."""

    def uncut(change: Change) -> Change:
        whole = torch.full((2,), math.inf)
        return replace(change, half=whole, background=None, colours=torch.eye(3), gamma=1.0, offset=0.0)

    if pair.source_change is not None:
        return replace(pair, source_change=uncut(pair.source_change))
    assert pair.target_change is not None
    return replace(pair, target_change=uncut(pair.target_change))


def _changed(pair: TruePair, change: Change, carried: Tensor, seen: Tensor, *, on_target: bool) -> TruePair:
    pair = replace(
        pair,
        name=f"{pair.name}:hard",
        source_points=pair.source_points[seen] if on_target else carried[seen],
        target_points=carried[seen] if on_target else pair.target_points[seen],
        ambiguous=None if pair.ambiguous is None else pair.ambiguous[seen],
    )
    if not on_target:
        return replace(pair, source_change=change)
    if pair.target_box is None:
        return replace(pair, target_change=change)
    left, top, right, bottom = pair.target_box
    middle = torch.tensor([[(left + right) / 2, (top + bottom) / 2]])
    x, y = change.points(middle)[0].tolist()
    across, down = change.scale * (right - left) / 2, change.scale * (bottom - top) / 2
    return replace(pair, target_change=change, target_box=(x - across, y - down, x + across, y + down))


def _draw(points: Float[Tensor, "n 2"], strangers: Sequence[Path], generator: torch.Generator) -> Change:
    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    low, high = points.amin(dim=0), points.amax(dim=0)
    extent = float((high - low).max().clamp_min(1))
    angle, enlargement = math.radians(between(-45, 45)), 2 ** between(-1, 1)
    mirrored = between(0, 1) < 0.5
    shrink = extent / (enlargement * EXTENT * SIDE)
    cosine, sine = math.cos(angle) * shrink, math.sin(angle) * shrink
    linear = torch.tensor([[cosine, sine], [-sine, cosine]])
    if mirrored:
        linear = linear @ torch.diag(torch.tensor([-1.0, 1.0]))
    gain = torch.tensor([between(0.6, 1.3) for _ in range(3)])
    mix = (
        torch.full((3, 3), 1 / 3) if between(0, 1) < GREYS else _hue_turn(between(-math.pi, math.pi), between(0.3, 1.5))
    )
    return Change(
        linear=linear,
        middle=SIDE * torch.tensor([between(0.25, 0.75), between(0.25, 0.75)]),
        centre=(low + high) / 2,
        half=((high - low) / 2 + MARGIN * extent).clamp_min(0.3 * extent),
        background=strangers[int(torch.randint(len(strangers), (1,), generator=generator))],
        colours=gain[:, None] * mix,
        gamma=math.exp(between(-0.5, 0.5)),
        offset=between(-0.1, 0.2),
        mirrored=mirrored,
    )


def _hue_turn(angle: float, saturation: float) -> Float[Tensor, "3 3"]:
    """Returns the matrix that turns colours about the grey axis and stretches them away from it."""
    grey = torch.full((3, 3), 1 / 3)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    return grey + saturation * (math.cos(angle) * (torch.eye(3) - grey) + math.sin(angle) * across)
