"""A folder of pictures with their truth: pictures, masks, dense maps, and pairs.json to tie them together."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from clay.codec import write_map
from clay.gallery import KINDS
from clay.kind import Kind, Scene
from clay.picture import Shot, render, stand
from clay.skin import Skin, make_skin
from clay.truth import dense, keypoints, sighted


@dataclass(frozen=True)
class Effort:
    """How finely to work: samples a pixel and side everywhere and at edges, and the size of the skin's triangles."""

    coarse: int
    fine: int
    step: float


GALLERY_EFFORT = Effort(2, 4, 0.012)
RANDOM_EFFORT = Effort(1, 2, 0.02)


@lru_cache(maxsize=8)
def skin_of(kind_name: str, step: float) -> Skin:
    """The shared skin of a kind, made once a process."""
    kind = KINDS[kind_name]
    return make_skin(kind.build(kind.shape()), step)


def ready(kind: Kind, scene: Scene, hw: tuple[int, int], effort: Effort) -> Shot:
    return stand(kind, scene, skin_of(kind.name, effort.step), hw)


@dataclass
class Album:
    """What pairs.json will say; pictures are written as they are added."""

    folder: Path
    images: dict[str, dict[str, object]] = field(default_factory=dict)
    pairs: list[dict[str, str]] = field(default_factory=list)

    def add_picture(self, name: str, shot: Shot, effort: Effort) -> None:
        picture, mask = render(shot, effort.coarse, effort.fine)
        save_picture(self.folder / f"{name}.jpg", picture)
        (self.folder / "truth").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(self.folder / "truth" / f"{name}.mask.png", optimize=True)
        points = keypoints(shot, shot.kind.keypoints)
        self.images[f"{name}.jpg"] = {
            "category": shot.kind.name,
            "hw": list(shot.camera.hw),
            "box": _box(mask),
            "keypoints": {key: None if xy is None else [round(v - 0.5, 2) for v in xy] for key, xy in points.items()},
        }

    def add_pair(self, source_name: str, source: Shot, target_name: str, target: Shot) -> None:
        path = f"truth/{source_name}--{target_name}.npz"
        write_map(self.folder / path, dense(source, target, sighted(target)), source.camera.hw)
        self.pairs.append({"source": f"{source_name}.jpg", "target": f"{target_name}.jpg", "map": path})

    def extend(self, others: Iterable["Album"]) -> None:
        for other in others:
            self.images.update(other.images)
            self.pairs.extend(other.pairs)

    def write_index(self) -> None:
        """Writes pairs.json, one image and one pair a line."""
        images = ",\n".join(f"    {json.dumps(name)}: {json.dumps(about)}" for name, about in self.images.items())
        pairs = ",\n".join(f"    {json.dumps(pair)}" for pair in self.pairs)
        text = f'{{\n  "images": {{\n{images}\n  }},\n  "pairs": [\n{pairs}\n  ]\n}}\n'
        (self.folder / "pairs.json").write_text(text, encoding="utf-8")


def save_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=92, subsampling=0, optimize=True)


def _box(mask: np.ndarray) -> list[float]:
    """The mask's box, x0, y0, x1, y1, as outlines of pixels whose centres are whole numbers."""
    rows, columns = (np.flatnonzero((mask >= 128).any(axis)) for axis in (1, 0))
    return [float(v) for v in (columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5)]
