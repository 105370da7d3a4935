"""Random scenes of a kind."""

import colorsys
from dataclasses import replace

import numpy as np

from clay.kind import Kind, Scene
from clay.light import Light
from clay.params import draw
from clay.stage import Stage


def draw_scene(kind: Kind, rng: np.random.Generator) -> Scene:
    """Draws shape, coat, camera, light and place of one picture."""
    return Scene(
        draw(kind.shape, rng),  # type: ignore[arg-type]
        kind.coat(rng),
        kind.view(rng),
        draw(Light, rng),
        draw_stage(kind.places, rng),
    )


def draw_stage(chances: tuple[float, ...], rng: np.random.Generator) -> Stage:
    """Draws one place, its colours near those such a place has."""
    place = int(rng.choice(4, p=chances))
    share = tuple(float(i == place) for i in range(4))
    ground = _colour(rng, (0.0, 1.0), (0.05, 0.45), (0.25, 0.7))
    two = tuple(float(np.clip(c * rng.uniform(0.6, 1.5), 0.02, 0.8)) for c in ground)
    if place == 1:
        ground = _colour(rng, (0.1, 0.32), (0.3, 0.6), (0.35, 0.65))
        two = _colour(rng, (0.1, 0.32), (0.3, 0.6), (0.4, 0.8))
    wall = place in (0, 2)
    high = (
        _colour(rng, (0.0, 1.0), (0.1, 0.5), (0.25, 0.75))
        if wall
        else _colour(rng, (0.5, 0.64), (0.25, 0.6), (0.6, 0.9))
    )
    low = tuple(float(np.clip(c * rng.uniform(1.0, 1.8), 0.02, 0.85)) for c in high)
    if not wall:
        low = _colour(rng, (0.05, 0.6), (0.03, 0.15), (0.8, 0.95))
    far = _colour(rng, (0.0, 1.0), (0.1, 0.45), (0.3, 0.75))
    return replace(draw(Stage, rng), places=share, ground=ground, ground_two=two, high=high, low=low, far=far)


def _colour(
    rng: np.random.Generator, hue: tuple[float, float], saturation: tuple[float, float], value: tuple[float, float]
) -> tuple[float, float, float]:
    """Draws a colour by ranges of hue, saturation and (sRGB) value; returns linear light."""
    srgb = colorsys.hsv_to_rgb(*(float(rng.uniform(*bounds)) for bounds in (hue, saturation, value)))
    return tuple(c**2.2 for c in srgb)
