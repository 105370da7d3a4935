"""A kind of object, a scene with one, and a picture of it: everything that is rendered is said in these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clay.body import Body
from clay.camera import View
from clay.light import Light
from clay.stage import Stage
from clay.surface import Material, Surface

# A named place on the skin: the part, the height along its axis, the direction from there in the part's own frame.
Place = tuple[str, float, tuple[float, float, float]]
# The object's own left is at +x when it faces +z.
SIDES = (("left", 1.0), ("right", -1.0))


def both(name: str, part: str, h: float, way: tuple[float, float, float]) -> dict[str, Place]:
    """A place on a left part and its mirror image on the right one."""
    return {f"{side}_{name}": (f"{side}_{part}", h, (left * way[0], way[1], way[2])) for side, left in SIDES}


@dataclass(frozen=True)
class Kind:
    """What all objects of a kind share.

    Attributes:
        name: For file names and tables.
        shape: Class of the shape's numbers; its defaults are the kind's middle, on which the shared skin is made.
        build: Makes a body of a shape; always the same parts in the same order.
        paint: Tells a coat's material on a piece of skin.
        coat: Draws the numbers of a coat.
        keypoints: Named places on the skin.
        view: Draws a camera's stand.
        places: Shares in which random scenes are set in studio, meadow, room, street.
    """

    name: str
    shape: Callable[[], Any]
    build: Callable[[Any], Body]
    paint: Callable[[Any, Surface], Material]
    coat: Callable[[np.random.Generator], Any]
    keypoints: dict[str, Place]
    view: Callable[[np.random.Generator], View]
    places: tuple[float, float, float, float]


@dataclass(frozen=True)
class Scene:
    """All the numbers of one picture; two scenes of one kind can be mixed."""

    shape: Any
    coat: Any
    view: View
    light: Light
    stage: Stage


@dataclass(frozen=True)
class Plate:
    """A named picture of the gallery: its kind, height and width, and scene."""

    kind: Kind
    hw: tuple[int, int]
    scene: Scene
