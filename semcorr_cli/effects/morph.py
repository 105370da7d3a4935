"""`morph`: one picture becomes another; its parts travel to their counterparts while the colours dissolve.

Control points move from the first picture to the second. At every moment both pictures are warped to the shape in
between, each by a thin-plate spline from the moment's points to its own (one solve serves both), and are blended in
linear light. Wolberg, "Image morphing: a survey" (1998), sections 3 and 4.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from semcorr_cli.core import light, resample
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.image import Image
from semcorr_cli.core.matches import Matches
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.controls import Controls
from semcorr_cli.effects.dissolve import Dissolve
from semcorr_cli.effects.pace import EASINGS
from semcorr_cli.effects.placement import Placement
from semcorr_cli.effects.ramp import Ramp, Tone
from semcorr_cli.effects.shape import Shape

Pair = tuple[Float[Tensor, "c h w"], Float[Tensor, "c h w"]]
"""Linear premultiplied planes of the two pictures in the same rows of a frame."""


@dataclass(frozen=True, slots=True)
class MorphOptions:
    """How a morph looks.

    Attributes:
        shape_easing: curve of the motion; a name of `pace.EASINGS`.
        color_easing: curve of the dissolve.
        fit: how a picture of another shape than the frame is placed in it.
        path: how control points travel; one of `controls.PATHS`.
        blend: "dissolve", or "laplacian" for every band in its own time.
        color_transfer: both pictures take on the colours of the moment.
    """

    shape_easing: str = "smoothstep"
    color_easing: str = "smoothstep"
    fit: str = "auto"
    path: str = "arc"
    blend: str = "dissolve"
    color_transfer: bool = False


class Transition(ABC):
    """Anything that draws the moments between two pictures.

    Attributes:
        shape: where everything is at every moment.
        device: where frames are drawn.
    """

    shape: Shape
    device: torch.device

    @abstractmethod
    def frame(self, t: float) -> NDArray[np.uint8]:
        """Returns the frame at time t in [0, 1]: (h, w, 3), or (h, w, 4) when either picture has alpha."""

    @abstractmethod
    def small(self, t: float, longer: int) -> Float[Tensor, "c h w"]:
        """Returns a small copy of the frame at time t, `longer` pixels long at most: linear premultiplied planes."""


class Morph(Transition):
    """A prepared transition between two pictures; any moment of it can be drawn.

    Attributes:
        frame_hw: size of the frames.
        shape: where everything is at every moment.
        device: where frames are drawn.
    """

    def __init__(
        self,
        source: Image,
        target: Image,
        field: Correspondence | None,
        frame_hw: Hw,
        options: MorphOptions,
        by_hand: Matches | None = None,
        *,
        held: bool = True,
    ) -> None:
        """Prepares a transition.

        Args:
            source: the first picture.
            target: the second picture.
            field: the correspondence between the two; None where the points set by hand are all there is.
            frame_hw: size of the frames.
            options: how it looks.
            by_hand: point pairs that must meet exactly.
            held: what has no counterpart stays where it is; otherwise it goes along with what has one.
        """
        self.frame_hw = frame_hw
        self._options = options
        self._alpha = source.alpha is not None or target.alpha is not None
        self.device = source.rgb.device
        places = (Placement.of(source.hw, frame_hw, options.fit), Placement.of(target.hw, frame_hw, options.fit))
        controls = Controls.of(field, by_hand, places, frame_hw, held=held)
        count = 0 if by_hand is None else len(by_hand)
        self.shape = Shape(controls, places, (source.hw, target.hw), frame_hw, options.path, count)
        first, second = (
            resample.Reader(_linear_planes(image, self._alpha), beyond="reflection") for image in (source, target)
        )
        self._readers = (first, second)
        self._ramp = Ramp(source, target) if options.color_transfer else None
        self._dissolve = Dissolve(self._readers, self._maps(1.0), places[1], frame_hw)

    def frame(self, t: float) -> NDArray[np.uint8]:
        """Returns the frame at time t in [0, 1]: (h, w, 3), or (h, w, 4) when either picture has alpha."""
        result = torch.empty(*self.frame_hw, 4 if self._alpha else 3, dtype=torch.uint8, device=self.device)
        for rows, planes in self.strips(t):
            result[rows] = encoded(planes)
        return result.cpu().numpy()

    def strips(self, t: float) -> Iterator[tuple[slice, Float[Tensor, "c h w"]]]:
        """Yields the frame at time t in [0, 1] as linear premultiplied planes of consecutive rows."""
        maps, share = self._at(t)
        if share in (0.0, 1.0):
            which = int(share)
            yield from self._readers[which].strips(maps[which])
            return
        tones = self._tones(share)
        if self._options.blend == "laplacian":
            yield slice(0, self.frame_hw[0]), self._banded(maps, share, tones)
            return
        mix = self._dissolve.mix(maps, share, tones)
        second = self._readers[1].through(maps[1])
        for rows, planes in self._readers[0].strips(maps[0]):
            pair = self._toned((planes, second.rows(rows.start, rows.stop)), tones)
            yield rows, mix.rows(*pair, rows.start)

    def small(self, t: float, longer: int) -> Float[Tensor, "c h w"]:
        """Returns a small copy of the frame at time t, `longer` pixels long at most: linear premultiplied planes."""
        maps, share = self._at(t)
        scale = min(1.0, longer / max(self.frame_hw))
        hw = max(1, round(self.frame_hw[0] * scale)), max(1, round(self.frame_hw[1] * scale))
        maps = replace(maps[0], target_hw=hw), replace(maps[1], target_hw=hw)
        if share in (0.0, 1.0):
            return self._readers[int(share)].read(maps[int(share)])
        tones = self._tones(share)
        if self._options.blend == "laplacian":
            return self._banded(maps, share, tones)
        return self._dissolve.mix(maps, share, tones).rows(*self._toned(self._read(maps), tones), 0)

    def contributions(self, t: float) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "c h w"]]:
        """Returns what each picture adds to the frame at time t: linear premultiplied planes whose sum it is."""
        maps, share = self._at(t)
        tones = self._tones(share)
        first, second = self._toned(self._read(maps), tones)
        if self._options.blend == "laplacian":
            bands = self._dissolve.bands(maps, share)
            return first - bands.gathered(first), bands.gathered(second)
        parts = self._dissolve.mix(maps, share, tones).parts
        return parts[0].rows(first, 0), parts[1].rows(second, 0)

    def _banded(self, maps: tuple[Warp, Warp], share: float, tones: tuple[Tone, Tone] | None) -> Float[Tensor, "c h w"]:
        return self._dissolve.bands(maps, share).blend(*self._toned(self._read(maps), tones))

    def _at(self, t: float) -> tuple[tuple[Warp, Warp], float]:
        """Returns the maps from the frame at time t into both pictures, and the second picture's share."""
        return self._maps(EASINGS[self._options.shape_easing](t)), EASINGS[self._options.color_easing](t)

    def _read(self, maps: tuple[Warp, Warp]) -> Pair:
        first, second = (reader.read(map_) for reader, map_ in zip(self._readers, maps, strict=True))
        return first, second

    def _tones(self, share: float) -> tuple[Tone, Tone] | None:
        return None if self._ramp is None else self._ramp.at(share)

    @staticmethod
    def _toned(pair: Pair, tones: tuple[Tone, Tone] | None) -> Pair:
        return pair if tones is None else (tones[0].apply(pair[0]), tones[1].apply(pair[1]))

    def _maps(self, s: float) -> tuple[Warp, Warp]:
        first, second = self.shape.maps(s)
        return first.to(self.device), second.to(self.device)


def facing_one_way(
    pictures: list[Image], fields: list[Correspondence]
) -> tuple[list[Image], list[Correspondence], list[bool]]:
    """Mirrors pictures so that no transition has to turn one over, which would squeeze it through a line half-way.

    The first picture stays as it is.

    Args:
        pictures: of a film, in order.
        fields: the correspondence from each to the next.

    Returns:
        The pictures and fields, and which pictures were mirrored.
    """
    mirrored = [False]
    for field in fields:
        mirrored.append(mirrored[-1] != field.pose.mirrored)
    turned = []
    for field, first, second in zip(fields, mirrored[:-1], mirrored[1:], strict=True):
        field = field.source_mirrored() if first else field
        turned.append(field.target_mirrored() if second else field)
    shown = [picture.mirrored() if flip else picture for picture, flip in zip(pictures, mirrored, strict=True)]
    return shown, turned, mirrored


def _linear_planes(image: Image, alpha: bool) -> Float[Tensor, "c h w"]:
    linear = light.to_linear(image.rgb)
    if not alpha:
        return linear
    coverage = torch.ones_like(linear[:1]) if image.alpha is None else image.alpha
    return torch.cat([linear * coverage, coverage])


def encoded(planes: Float[Tensor, "c h w"]) -> Tensor:
    """Returns (h, w, c) 8-bit sRGB of linear premultiplied planes."""
    pixels = planes.permute(1, 2, 0)
    if planes.shape[0] == 3:
        return light.to_srgb_bytes(pixels)
    alpha = pixels[..., 3:]
    rgb = light.to_srgb_bytes(pixels[..., :3] / alpha.clamp_min(1e-6))
    return torch.cat([rgb, (alpha * 255 + 0.5).clamp(0, 255).to(torch.uint8)], dim=-1)
