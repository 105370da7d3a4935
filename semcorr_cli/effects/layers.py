"""A morph of two masked pictures: the object travels, what lies behind it stays and dissolves in place.

The background is shown on a plate: the picture with its object filled in from around. The object has a spline of its
own, so that its motion does not shear the background, and its mask is its soft edge.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.core import resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.effects.morph import Morph, MorphOptions, Transition, encoded

PLATE_SIDE = 320
"""Longer side of the copy in which the place behind an object is filled."""

MARGIN = 0.012
"""How far around the mask is filled too, a share of the longer side: edges keep some of the object's colour."""

REACH = 5
"""Pixels of the copy that the filling looks at around each one."""


class Layers(Transition):
    """A prepared transition between two masked pictures; any moment of it can be drawn.

    Attributes:
        object: the transition of what is masked.
        behind: the transition of the plates.
    """

    def __init__(
        self,
        source: Image,
        target: Image,
        field: Correspondence | None,
        frame_hw: Hw,
        options: MorphOptions,
        by_hand: Matches | None = None,
    ) -> None:
        """Prepares a transition; see `Morph`. Both pictures have masks."""
        self.frame_hw = frame_hw
        self._whole = Morph(source, target, None, frame_hw, options)
        self.object = Morph(cut_out(source), cut_out(target), field, frame_hw, options, by_hand, held=False)
        self.behind = Morph(plate(source), plate(target), None, frame_hw, options)
        self.shape, self.device = self.object.shape, self.object.device

    def frame(self, t: float) -> NDArray[np.uint8]:
        """Returns the frame at time t in [0, 1]: (h, w, 3), or (h, w, 4) when either picture has alpha."""
        if t in (0.0, 1.0):  # the pictures themselves, without a seam between object and plate
            return self._whole.frame(t)
        strips = zip(self.object.strips(t), self.behind.strips(t), strict=True)
        drawn = [encoded(composed(front, back)) for (_, front), (_, back) in strips]
        return torch.cat(drawn).cpu().numpy()

    def small(self, t: float, longer: int) -> Float[Tensor, "c h w"]:
        """Returns a small copy of the frame at time t, `longer` pixels long at most: linear premultiplied planes."""
        if t in (0.0, 1.0):
            return self._whole.small(t, longer)
        return composed(self.object.small(t, longer), self.behind.small(t, longer))

    def contributions(self, t: float) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "c h w"]]:
        """Returns what each picture adds to the frame at time t: linear planes whose sum it is."""
        front, back = self.object.contributions(t), self.behind.contributions(t)
        clear = 1 - (front[0][3:] + front[1][3:]).clamp(0, 1)
        first, second = (a[:3] + clear * b[:3] for a, b in zip(front, back, strict=True))
        return first, second


def composed(front: Float[Tensor, "4 h w"], back: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Lays premultiplied planes over others."""
    return front[: back.shape[0]] + (1 - front[3:].clamp(0, 1)) * back


def cut_out(image: Image) -> Image:
    """Returns the object alone: what the mask shows."""
    return replace(image, alpha=image.visible(), mask=None)


def plate(image: Image) -> Image:
    """Returns the picture with the place of its object filled in from around (Telea 2004), smoothly, at low detail."""
    assert image.mask is not None
    h, w = image.hw
    small = resample.shrink(replace(image, alpha=None), PLATE_SIDE)
    assert small.mask is not None
    masked = (small.mask[0] > 1 / 64).cpu().numpy().astype(np.uint8)
    margin = 2 * max(1, round(MARGIN * max(small.hw))) + 1
    hole = cv2.dilate(masked, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
    if bool(hole.all()) or not hole.any():
        return replace(image, mask=None)
    rgb = np.ascontiguousarray((small.rgb * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).cpu().numpy())
    filled = cv2.inpaint(rgb, hole, REACH, cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(filled, (0, 0), 2.0)
    large = cv2.resize(soft, (w, h), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    edge = cv2.resize(hole.astype(np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
    fill, share = torch.from_numpy(large).permute(2, 0, 1).to(image.rgb), torch.from_numpy(edge)[None].to(image.rgb)
    return replace(image, rgb=torch.lerp(image.rgb, fill, share), mask=None)
