"""The dissolve of a morph: how much of each picture every place shows at every moment.

Where both pictures' edges lie on each other, colours dissolve all the way. Where they clash, half of each would be seen
twice (ghosting); there the pictures change over faster, about the middle of the way, and until then, and from then on,
the one that is seen takes on the broad colours of the mix. These are the two bands of Burt & Adelson's (1983)
multiresolution blending that matter, each with a time of its own.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords, light
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.resample import Reader
from semcorr_cli.core.warp import Lines, Warp
from semcorr_cli.effects.placement import Placement
from semcorr_cli.effects.pyramid import Bands
from semcorr_cli.effects.ramp import Tone
from semcorr_cli.effects.shape import depth

FEATHER = 0.07
"""How far beyond its frame a picture, mirrored at its edge, fades out in favour of the other; a share of its side."""

LOOK_SIDE = 192
"""Longer side of the copies on which edges are compared."""

WINDOW = 0.035
"""Radius within which edges are compared, a share of the longer side."""

FAINT = 2e-4
"""Edge energy, in squared sRGB steps a pixel, below which nobody sees a ghost."""

QUICKEST = 0.7
"""Share of the way in which detail that clashes changes over."""

BAND_PACE = 0.35
"""Share of the way in which the finest band changes over where it clashes, when bands are mixed one by one."""

BROAD_SIDE = 64
"""Longer side of the copies that hold the pictures' broad colours."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one picture adds to a frame: gain · colours + lift · alpha, and share · alpha.

    Attributes:
        share: of the picture, over the frame.
        gain: of its colours, its share included.
        lift: what is added to them, its share included.
    """

    share: Lines
    gain: Lines
    lift: Lines

    def rows(self, planes: Float[Tensor, "ch h w"], top: int) -> Float[Tensor, "ch h w"]:
        """Returns what the picture adds to some rows of the frame.

        Args:
            planes: its linear premultiplied planes in these rows.
            top: the first row.
        """
        rows = top, top + planes.shape[1]
        pixels = planes.permute(1, 2, 0)
        gain, lift = self.gain.rows(*rows), self.lift.rows(*rows)
        if planes.shape[0] == 3:
            return lift.addcmul_(gain, pixels).permute(2, 0, 1)
        alpha = pixels[..., 3:]
        colours = lift.mul_(alpha).addcmul_(gain, pixels[..., :3])
        return torch.cat([colours, self.share.rows(*rows) * alpha], dim=-1).permute(2, 0, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How two pictures make a frame: the sum of what each adds.

    Attributes:
        parts: what each adds.
        lift: the sum of their lifts, all that is added where both are opaque.
    """

    parts: tuple[Part, Part]
    lift: Lines

    def rows(
        self, first: Float[Tensor, "ch h w"], second: Float[Tensor, "ch h w"], top: int
    ) -> Float[Tensor, "ch h w"]:
        """Returns some rows of the frame.

        Args:
            first: the first picture's linear premultiplied planes in these rows.
            second: the second picture's.
            top: the first row.
        """
        if first.shape[0] == 4:
            return self.parts[0].rows(first, top) + self.parts[1].rows(second, top)
        rows = top, top + first.shape[1]
        result = self.lift.rows(*rows)
        for part, planes in zip(self.parts, (first, second), strict=True):
            result.addcmul_(part.gain.rows(*rows), planes.permute(1, 2, 0))
        return result.permute(2, 0, 1)


class Dissolve:
    """Knows where two pictures clash, and times the dissolve by it."""

    def __init__(self, readers: tuple[Reader, Reader], maps: tuple[Warp, Warp], place: Placement, frame_hw: Hw) -> None:
        """Compares the edges of the two pictures.

        Args:
            readers: of the pictures' linear planes.
            maps: from the frame into both pictures, at the end of the way.
            place: where the second picture lies in the frame.
            frame_hw: size of the frame.
        """
        self._place = place
        self._frame_hw = frame_hw
        first, second = (low(reader, map_, LOOK_SIDE) for reader, map_ in zip(readers, maps, strict=True))
        self._clash = clash(first[:3], second[:3])
        self._broad = [low(reader, Warp.identity(reader.hw, reader.hw), BROAD_SIDE) for reader in readers]

    def mix(self, maps: tuple[Warp, Warp], share: float, tones: tuple[Tone, Tone] | None = None) -> Mix:
        """Returns how the pictures are mixed at a moment; where one picture ends, the other takes over.

        Args:
            maps: from the frame into both pictures, at this moment.
            share: of the second picture, where nothing clashes.
            tones: what is done to the pictures' colours before they are mixed.
        """
        clashing = self._read(self._clash, maps[1].nodes)
        pace = 1 - (1 - QUICKEST) * clashing
        fine = ((share - 0.5) / pace + 0.5).clamp(0, 1)
        fine = torch.lerp(fine, fine * fine * (3 - 2 * fine), clashing)
        fine = within(maps, fine)[..., None]
        shares = 1 - fine, fine
        both = zip(shares, self._tints(maps, share, clashing, tones), strict=True)
        tints = [own * tint_ for own, tint_ in both]
        hw = maps[0].target_hw
        first, second = (
            Part(*(Lines(nodes, hw) for nodes in (own, tint_[..., :3], tint_[..., 3:])))
            for own, tint_ in zip(shares, tints, strict=True)
        )
        return Mix((first, second), Lines(tints[0][..., 3:] + tints[1][..., 3:], hw))

    def bands(self, maps: tuple[Warp, Warp], share: float) -> Bands:
        """Returns how the pictures' bands are mixed at a moment.

        Where they clash, fine detail comes from one picture at a time.

        Args:
            maps: from the frame into both pictures, at this moment.
            share: of the second picture, where nothing clashes.
        """
        clashing = self._read(self._clash, maps[1].nodes)
        broad = torch.full_like(clashing, share)
        fine = ((broad - 0.5) / BAND_PACE + 0.5).clamp(0, 1)
        fine = torch.lerp(broad, fine * fine * (3 - 2 * fine), clashing)
        shares = torch.stack([within(maps, broad), within(maps, fine)], dim=-1)
        hw = maps[0].target_hw
        planes = Lines(shares, hw).rows(0, hw[0]).permute(2, 0, 1)
        return Bands(planes[:1], planes[1:])

    def _read(self, plane: Float[Tensor, "h w"], nodes: Float[Tensor, "r c 2"]) -> Float[Tensor, "r c"]:
        unit = coords.pixels_to_unit(self._place.to_frame(nodes), self._frame_hw)[None]
        read: Tensor = functional.grid_sample(plane[None, None], unit, padding_mode="border", align_corners=False)
        return read[0, 0]

    def _tints(
        self,
        maps: tuple[Warp, Warp],
        share: float,
        clashing: Float[Tensor, "r c"],
        tones: tuple[Tone, Tone] | None,
    ) -> tuple[Float[Tensor, "r c 6"], Float[Tensor, "r c 6"]]:
        """Returns gain and lift of each picture at the maps' nodes."""
        first, second = (broadly(planes, map_) for planes, map_ in zip(self._broad, maps, strict=True))
        # Where one picture ends its mirrored rim is not seen, but its colours are, or the frame would have a border.
        clashing = 1 - (1 - clashing) * reach(maps[0]) * reach(maps[1])
        if tones is not None:
            first, second = tones[0].apply(first), tones[1].apply(second)
        if first.shape[0] == 4:
            clashing = clashing * torch.minimum(first[3], second[3])
            first, second = (planes[:3] / planes[3:].clamp_min(1e-3) for planes in (first, second))
        change = clashing * (second - first)
        gains = tint(first, share * change), tint(second, (share - 1) * change)
        return gains[0].permute(1, 2, 0), gains[1].permute(1, 2, 0)


def tint(colours: Float[Tensor, "3 r c"], change: Float[Tensor, "3 r c"]) -> Float[Tensor, "6 r c"]:
    """Returns gain and lift that change broad colours by so much and keep every value within [0, 1].

    What is to become darker is multiplied, what is to become lighter is multiplied in its distance from white.
    """
    down, up = change.clamp(max=0) / colours.clamp_min(1e-3), change.clamp_min(0) / (1 - colours).clamp_min(1e-3)
    down, up = down.clamp_min(-1), up.clamp(max=1)
    return torch.cat([1 + down - up, up])


def low(reader: Reader, map_: Warp, longer: int) -> Float[Tensor, "c u v"]:
    """Returns what a picture looks like through a map, on a small copy of the frame."""
    scale = min(1.0, longer / max(map_.target_hw))
    hw = (max(1, round(map_.target_hw[0] * scale)), max(1, round(map_.target_hw[1] * scale)))
    return reader.read(replace(map_, target_hw=hw))


def broadly(planes: Float[Tensor, "ch u v"], map_: Warp) -> Float[Tensor, "ch r c"]:
    """Returns the colours of a picture's small copy where a map's nodes lie."""
    at = coords.pixels_to_unit(map_.nodes, map_.source_hw)[None]
    read: Tensor = functional.grid_sample(planes[None], at, padding_mode="reflection", align_corners=False)
    return read[0].clamp(0, 1)


def clash(first: Float[Tensor, "c h w"], second: Float[Tensor, "c h w"]) -> Float[Tensor, "h w"]:
    """Returns how far the edges of two pictures miss each other: 0 where they coincide or there are none, up to 1.

    Within a window, edges that coincide have a correlation equal to the geometric mean of their energies
    (Cauchy-Schwarz); what is missing to that is the share of edges that would be seen twice.
    """
    one, two = (_edges(light.to_srgb(planes.clamp(0, 1)).mean(dim=0)) for planes in (first, second))
    energies = torch.stack([(one * one).sum(dim=0), (two * two).sum(dim=0), (one * two).sum(dim=0)])
    side = max(first.shape[1:])
    sigma = max(WINDOW * side, 0.5)
    reach = min(2 * round(3 * sigma) + 1, 2 * (min(first.shape[1:]) // 2) - 1)
    own, other, common = gaussian_blur2d(energies[None], max(reach, 1), (sigma, sigma), border_type="replicate")[0]
    mean = (own * other).clamp_min(0).sqrt()
    missing: Tensor = (mean - common.clamp_min(0)) / (mean + FAINT)
    return missing.clamp(0, 1)


def within(maps: tuple[Warp, Warp], share: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Returns the second picture's share where one of the pictures ends: there the other takes over."""
    first, second = (reach(map_).clamp_min(1e-3) for map_ in maps)
    return share * second / ((1 - share) * first + share * second)


def reach(map_: Warp) -> Float[Tensor, "r c"]:
    """Returns how far a picture counts at a map's nodes: 1 inside it, falling to 0 in its mirrored rim."""
    return (1 + depth(map_.nodes, map_.source_hw) / (FEATHER * max(map_.source_hw))).clamp(0, 1)


def _edges(grey: Float[Tensor, "h w"]) -> Float[Tensor, "2 h w"]:
    padded = functional.pad(grey[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return torch.stack([padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]]) / 2
