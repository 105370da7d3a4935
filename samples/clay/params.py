"""Parameters of a picture: frozen dataclasses of numbers, so that any two can be mixed and any one drawn at random.

A field is a float, a tuple of floats, or another such dataclass. That is all `mix` and `draw` need to know.
"""

from dataclasses import field, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

Params = TypeVar("Params")


def span(default: Any, spread: float | tuple[float, float] = 0.0) -> Any:
    """Gives a field its default and the range a random draw may take.

    Args:
        default: A float, or a tuple of floats.
        spread: Either half the width of the range around the default (for each item of a tuple), or (low, high).
    """
    return field(default=default, metadata={"spread": spread})


def mix(a: Params, b: Params, share: float) -> Params:
    """Lies at `share` of the way from `a` (0) to `b` (1), in every number."""
    if is_dataclass(a):
        return type(a)(**{f.name: mix(getattr(a, f.name), getattr(b, f.name), share) for f in fields(a)})
    if isinstance(a, tuple):
        return tuple(mix(x, y, share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]
    return (1.0 - share) * a + share * b  # type: ignore[operator,return-value]


def draw(kind: type[Params], rng: np.random.Generator) -> Params:
    """Draws every field of a parameter class that has a spread uniformly from its range."""
    values = {}
    for f in fields(kind):  # type: ignore[arg-type]
        spread = f.metadata.get("spread", 0.0)
        if spread:
            middle = np.asarray(f.default)
            low, high = spread if isinstance(spread, tuple) else (middle - spread, middle + spread)
            drawn = rng.uniform(low, high, middle.shape)
            values[f.name] = tuple(map(float, drawn)) if middle.shape else float(drawn)
    return kind(**values)


def rgb(code: str) -> tuple[float, float, float]:
    """Reads a colour like "#e07b39" (sRGB) as linear light, the only colour space inside this package."""
    value = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return tuple(map(float, linear))  # type: ignore[return-value]
