"""Colours that say where something lies, or how much of it there is; made to be told apart by everybody.

About one man in twelve sees red and green alike. What remains to them is lightness, and the way from blue to yellow: of
the two dimensions of a picture one is given to each. The third, from green to magenta, only repeats the second.
"""

import cv2
import numpy as np
import torch
from jaxtyping import Float
from kornia.color import lab_to_rgb
from torch import Tensor

LIGHTNESS, LIGHTER = 62.0, 26.0
"""CIE L* in the middle, and how much more at the top."""

YELLOWER, GREENER, PINKER = 52.0, 24.0, 20.0
"""CIE b* at the right edge, −a* at the top, and a* half-way between the sides, which would be grey."""


def wheel(places: Float[Tensor, "*grid 2"]) -> Float[Tensor, "*grid 3"]:
    """Returns the colour of relative places in a picture, (0, 0) top left, (1, 1) bottom right.

    Left is blue and right is yellow, the top is light and greenish and the bottom dark and magenta, the middle pink.
    """
    across, down = (2 * places.clamp(0, 1) - 1).reshape(-1, 2).unbind(-1)
    lab = torch.stack([LIGHTNESS - LIGHTER * down, GREENER * down + PINKER * (1 - across * across), YELLOWER * across])
    rgb: Tensor = lab_to_rgb(lab[None, :, None])[0, :, 0]
    return rgb.T.reshape(*places.shape[:-1], 3)


def heat(values: Float[Tensor, "h w"]) -> Float[Tensor, "h w 3"]:
    """Returns the colour of amounts in [0, 1]: cividis, made for the colour-blind (Nuñez, Anderton & Renslow 2018)."""
    codes = (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()
    return (
        torch.from_numpy(np.ascontiguousarray(cv2.applyColorMap(codes, cv2.COLORMAP_CIVIDIS)[..., ::-1])).float() / 255
    )


def rgb_bytes(colour: Float[Tensor, "3"]) -> tuple[int, int, int]:
    """Returns a colour as Pillow takes it."""
    red, green, blue = (colour * 255).round().int().tolist()
    return red, green, blue
