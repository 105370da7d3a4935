"""The commands of make.py: the gallery, random pairs, pictures in between, a sheet to look at."""

import argparse
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image

from clay.album import GALLERY_EFFORT, RANDOM_EFFORT, Album, ready
from clay.draws import draw_scene
from clay.gallery import GALLERY, KINDS, PAIRS
from clay.params import mix
from clay.picture import render
from clay.sheet import sheet

HERE = Path(__file__).resolve().parents[1]
Item = TypeVar("Item")
Made = TypeVar("Made")


def main(about: str) -> None:
    """Runs the command line; `about` opens its help."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these pictures: {', '.join(GALLERY)}")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: this one)")
    parser.add_argument("--size", type=int, help="longer side in pixels (default: each picture's own; random: 160)")
    parser.add_argument("--random", type=int, metavar="N", help="render N random pairs of every kind")
    parser.add_argument(
        "--kind", choices=list(KINDS), action="append", help="of random pairs, only this kind (repeatable)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of random pairs")
    parser.add_argument(
        "--between", nargs=2, metavar=("A", "B"), help="render the true in-between pictures of two pictures"
    )
    parser.add_argument("--frames", type=int, default=9, help="how many, both ends included")
    parser.add_argument("--preview", type=Path, metavar="FILE", help="draw a sheet of the folder's pairs, made before")
    parser.add_argument("--jobs", type=int, default=1, help="processes; the bytes do not depend on it")
    args = parser.parse_args()

    torch.set_num_threads(1)
    if args.out.resolve() == HERE and (args.random is not None or args.between or args.names or args.size):
        parser.error("only the whole folder as it is may be made in place: give --out DIR")
    unknown = sorted({*args.names, *(args.between or ())} - set(GALLERY))
    if unknown:
        parser.error(f"no such picture: {', '.join(unknown)}")

    if args.preview:
        Image.fromarray(sheet(args.out)).save(args.preview)
    elif args.random is not None:
        make_random(args.out, args.random, args.kind or list(KINDS), args.size or 160, args.seed, args.jobs)
    elif args.between:
        make_between(args.out, args.between[0], args.between[1], args.frames, args.size, args.jobs)
    else:
        make_gallery(args.out, args.names or list(GALLERY), args.size, args.jobs)


def make_gallery(out: Path, names: list[str], size: int | None, jobs: int) -> None:
    """Renders named pictures, and the truth of all pairs among them."""
    album = Album(out)
    album.extend(_spread(partial(_plate, out, size), names, jobs))
    pairs = [pair for pair in PAIRS if set(pair) <= set(names)]
    album.extend(_spread(partial(_pair, out, size), pairs, jobs))
    album.write_index()


def make_random(out: Path, count: int, kinds: list[str], size: int, seed: int, jobs: int) -> None:
    """Renders random pairs with their truth both ways; pair i of a kind is the same whatever else is made."""
    album = Album(out)
    work = [(kind, i) for i in range(count) for kind in kinds]
    album.extend(_spread(partial(_random_pair, out, size, seed), work, jobs))
    album.write_index()


def make_between(out: Path, one: str, two: str, frames: int, size: int | None, jobs: int) -> None:
    """Renders scenes mixed from two pictures' numbers, on the first one's canvas: 00.png is one, the last two."""
    if GALLERY[one].kind is not GALLERY[two].kind:
        raise SystemExit(f"{one} and {two} are of different kinds: nothing lies between them")
    out.mkdir(parents=True, exist_ok=True)
    _spread(partial(_frame, out, one, two, frames, size), range(frames), jobs)


def _sized(hw: tuple[int, int], size: int | None) -> tuple[int, int]:
    scale = 1.0 if size is None else size / max(hw)
    return round(hw[0] * scale), round(hw[1] * scale)


def _plate(out: Path, size: int | None, name: str) -> Album:
    plate = GALLERY[name]
    album = Album(out)
    album.add_picture(name, ready(plate.kind, plate.scene, _sized(plate.hw, size), GALLERY_EFFORT), GALLERY_EFFORT)
    return album


def _pair(out: Path, size: int | None, names: tuple[str, str]) -> Album:
    plates = [GALLERY[name] for name in names]
    source, target = (ready(p.kind, p.scene, _sized(p.hw, size), GALLERY_EFFORT) for p in plates)
    album = Album(out)
    album.add_pair(names[0], source, names[1], target)
    return album


def _random_pair(out: Path, size: int, seed: int, item: tuple[str, int]) -> Album:
    kind, number = KINDS[item[0]], item[1]
    rng = np.random.default_rng((seed, list(KINDS).index(kind.name), number))
    # Both look the same way, but half of all pairs the other way.
    side = float(rng.choice([-1.0, 1.0]))
    scenes = [draw_scene(kind, rng) for _ in range(2)]
    scenes = [replace(scene, view=replace(scene.view, azimuth=side * scene.view.azimuth)) for scene in scenes]
    shots = [ready(kind, scene, (size, size), RANDOM_EFFORT) for scene in scenes]
    names = [f"{kind.name}-{number:05d}-{end}" for end in "ab"]
    album = Album(out)
    for name, shot in zip(names, shots, strict=True):
        album.add_picture(name, shot, RANDOM_EFFORT)
    for i, j in ((0, 1), (1, 0)):
        album.add_pair(names[i], shots[i], names[j], shots[j])
    return album


def _frame(out: Path, one: str, two: str, frames: int, size: int | None, number: int) -> None:
    a, b = GALLERY[one], GALLERY[two]
    scene = mix(a.scene, b.scene, number / max(frames - 1, 1))
    picture, mask = render(
        ready(a.kind, scene, _sized(a.hw, size), GALLERY_EFFORT), GALLERY_EFFORT.coarse, GALLERY_EFFORT.fine
    )
    Image.fromarray(picture).save(out / f"{number:02d}.png", optimize=True)
    Image.fromarray(mask).save(out / f"{number:02d}.mask.png", optimize=True)


def _spread(work: Callable[[Item], Made], items: Iterable[Item], jobs: int) -> list[Made]:
    """Does the items in order, in one process or several."""
    if jobs == 1:
        return [work(item) for item in items]
    with ProcessPoolExecutor(jobs, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        return list(pool.map(work, items))
