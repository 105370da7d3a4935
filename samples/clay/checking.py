"""How well a folder's maps agree with each other and with its keypoints, from the files alone."""

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from clay.codec import read_map

NEAR = 2.6


def main(about: str) -> None:
    """Runs the command line; `about` opens its help."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    folder = parser.parse_args().folder
    index = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    files = {(pair["source"], pair["target"]): folder / pair["map"] for pair in index["pairs"]}

    print("errors in pixels                            known   round trip                      keypoints")
    print("source      target       of object   median     95 %     99 %   > 1 px   number  median  largest")
    trips, points = [], []
    for (source, target), path in files.items():
        there = read_map(path)
        mask = np.asarray(Image.open(folder / "truth" / f"{Path(target).stem}.mask.png")) >= 128
        known = 100.0 * np.isfinite(there[..., 0]).sum() / mask.sum()
        trip = round_trip(there, read_map(files[target, source])) if (target, source) in files else np.array([np.nan])
        ends = (index["images"][name]["keypoints"] for name in (source, target))
        off = keypoint_errors(there, *ends)
        trips.append(trip)
        points.append(list(off.values()))
        worst = max(off, key=off.__getitem__)
        part = np.percentile(trip, [50, 95, 99])
        print(
            f"{Path(source).stem:11} {Path(target).stem:11} {known:8.1f} % {part[0]:8.3f} {part[1]:8.3f} {part[2]:8.3f}"
            f" {over(trip):6.2f} % {len(off):8} {np.median(points[-1]):7.2f} {off[worst]:8.2f} {worst}"
        )
    all_trips, all_points = np.concatenate(trips), np.concatenate(points)
    middle, far = np.nanpercentile(all_trips, [50, 99])
    print(f"all: round trip median {middle:.3f}, 99 % {far:.3f}, over 1 px {over(all_trips):.2f} %")
    middle, far = np.percentile(all_points, [50, 95])
    print(f"all: {len(all_points)} keypoints, median {middle:.2f}, 95 % {far:.2f}, largest {all_points.max():.2f}")


def over(trip: np.ndarray) -> float:
    """Share of round trips, in per cent, that end more than a pixel off."""
    return 100.0 * float((trip > 1.0).mean())


def round_trip(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Distances between target pixels and where they come back to, (n,), by bilinear reading of known pixels only."""
    known = np.isfinite(there[..., 0])
    y, x = np.nonzero(known)
    place = there[known] - 0.5
    corner = np.floor(place).astype(int)
    share = place - corner
    total = np.zeros_like(place)
    for dy in (0, 1):
        for dx in (0, 1):
            row = np.clip(corner[:, 1] + dy, 0, back.shape[0] - 1)
            column = np.clip(corner[:, 0] + dx, 0, back.shape[1] - 1)
            weight = (share[:, 0] if dx else 1.0 - share[:, 0]) * (share[:, 1] if dy else 1.0 - share[:, 1])
            total += back[row, column] * weight[:, None]
    off = np.hypot(*(total - np.stack((x, y), 1) - 0.5).T)
    return off[np.isfinite(off)]


def keypoint_errors(
    there: np.ndarray, source: dict[str, list[float] | None], target: dict[str, list[float] | None]
) -> dict[str, float]:
    """How far the map carries each keypoint seen in both pictures from where the source has it.

    Keypoints lie between pixels and often at an outline: the map there is the plane through the known pixels around.
    """
    errors = {}
    known = np.isfinite(there[..., 0])
    y, x = np.nonzero(known)
    for name, at in target.items():
        own = source[name]
        if at is None or own is None:
            continue
        away = np.hypot(x - at[0], y - at[1])
        if away.min() > 1.5:
            continue
        nearest = there[y[away.argmin()], x[away.argmin()]]
        # Pixels just across an outline belong to something else.
        close = (away < NEAR) & (np.hypot(*(there[y, x] - nearest).T) < 3.0 * NEAR)
        offset = np.stack((np.ones(close.sum()), x[close] - at[0], y[close] - at[1]), 1)
        trust = np.exp(-0.5 * away[close, None] ** 2)
        plane, *_ = np.linalg.lstsq(trust * offset, trust * (there[y[close], x[close]] - 0.5), rcond=0.05)
        errors[name] = float(np.hypot(*(plane[0] - own)))
    return errors
