"""Reading a picture through a warp: bicubic or bilinear, antialiased where it shrinks, in strips of rows."""

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core import coords, processor
from semcorr_cli.core.coords import Hw
from semcorr_cli.core.image import Image
from semcorr_cli.core.warp import Lines, Warp

STRIP_PIXELS = 1 << 17
"""Canvas pixels read at once on a processor: what is done to a strip finds it in the cache."""

STRIP_PIXELS_APART = 1 << 22
"""Canvas pixels read at once on other devices, which want much to do; bounds the working memory all the same."""

MAX_LEVELS = 8
"""Halvings of a picture at most kept for antialiasing."""


SOFT_START = 0.4
"""Halvings up to which nothing is skipped that the eye would miss: reading 1.3 pixels apart does not alias visibly."""

PIECE = 512
"""Columns of a canvas for which a piece of a picture is put under its cover at once."""

SUPPORT = 2
"""Pixels on each side of a position that bicubic reading looks at."""

LARGEST_SIDE, MOST_CHANNELS = 1 << 15, 4
"""What OpenCV, the faster reader on processors, can take."""


class Reader:
    """Reads one picture through any number of warps.

    The picture is kept premultiplied, with halved copies made when a warp first shrinks it (Williams 1983); a pixel
    whose neighbours lie s source pixels apart is read from the two copies nearest to s.
    """

    def __init__(
        self,
        planes: Float[Tensor, "c h w"],
        *,
        cover: Float[Tensor, "1 h w"] | None = None,
        mode: str = "bicubic",
        beyond: str = "border",
    ) -> None:
        """Prepares planes in [0, 1]; colours must be premultiplied (see `premultiplied`), or come with their cover.

        Args:
            planes: what to read.
            cover: what planes are still to be multiplied by, and is read behind them: where it can be, a piece at a
                time, so that there need not be a second copy of a large picture. For `beyond` "border" alone.
            mode: "bicubic" or "bilinear".
            beyond: what lies outside the picture: "border" repeats its rim, "reflection" mirrors the picture.
        """
        self.hw: Hw = (planes.shape[1], planes.shape[2])
        self._wh = planes.new_tensor([self.hw[1], self.hw[0]])
        self._count = len(planes) if cover is None else len(planes) + 1
        self._parts = None if cover is None else (planes, cover)
        self._levels = {0: _by_pixel(planes)} if cover is None else {}
        self._halving = threading.Lock()  # frames are drawn by several threads
        self._mode = mode
        self._beyond = beyond

    def strips(self, warp: Warp) -> Iterator[tuple[slice, Float[Tensor, "c h w"]]]:
        """Yields (rows, planes) for consecutive rows of the canvas."""
        reading = self.through(warp)
        for rows in strips(warp.target_hw, self._wh):
            yield rows, reading.rows(rows.start, rows.stop)

    def read(self, warp: Warp) -> Float[Tensor, "c h w"]:
        """Returns the planes of the whole canvas."""
        return self.through(warp).rows(0, warp.target_hw[0])

    def through(self, warp: Warp) -> "Reading":
        """Returns what reads any rows of the canvas through one warp."""
        return Reading(self, warp)

    def positions(self, level: int, warp: Warp) -> "Positions":
        """Returns where to read in one halved copy, as what reads there wants it told."""
        hw, nodes = self._hw_of(level), warp.nodes
        # OpenCV goes astray further from the picture than one reflection.
        is_near = bool(nodes.min() > -min(self.hw) and (nodes.flatten(0, 1).amax(dim=0) < 2 * self._wh).all())
        fits = self._count <= MOST_CHANNELS and max(hw) < LARGEST_SIDE
        if processor.holds(self._wh) and fits and is_near:
            scale = coords.wh(hw, self._wh) / self._wh
            return Positions(Lines(coords.to_centre_origin(nodes * scale), warp.target_hw), by_opencv=True)
        return Positions(Lines(coords.pixels_to_unit(nodes, self.hw), warp.target_hw), by_opencv=False)

    def sample(
        self, level: int, positions: "Positions", top: int, bottom: int, columns: slice
    ) -> Float[Tensor, "c h w"]:
        """Returns planes of one halved copy for a block of a canvas."""
        at = positions.lines.rows(top, bottom, columns)
        if positions.by_opencv:
            if level > 0 or self._parts is None:
                return self._remapped(self._level(level), at)
            # In blocks: what a whole row reads lies far apart.
            return torch.cat([self._remapped(*self._piece(block)) for block in at.split(PIECE, dim=1)], dim=2)
        read = functional.grid_sample(
            self._level(level)[None], at[None], mode=self._mode, padding_mode=self._beyond, align_corners=False
        )
        return read[0].clamp_(0, 1)

    def _remapped(self, planes: Float[Tensor, "c u v"], at: Float[Tensor, "h w 2"]) -> Float[Tensor, "c h w"]:
        """Reads as `grid_sample` does, through OpenCV, which takes a third of the time."""
        read = cv2.remap(  # type: ignore[call-overload]
            planes.permute(1, 2, 0).numpy(),
            at.numpy(),
            None,  # an empty array, which the annotations ask for, is misread
            cv2.INTER_CUBIC if self._mode == "bicubic" else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE if self._beyond == "border" else cv2.BORDER_REFLECT,
        )
        return torch.from_numpy(read.reshape(*at.shape[:2], -1)).clamp_(0, 1).permute(2, 0, 1)

    def _level(self, level: int) -> Float[Tensor, "c h w"]:
        with self._halving:
            return self._halved(level)

    def _halved(self, level: int) -> Float[Tensor, "c h w"]:
        if level not in self._levels:
            if level <= 1 and self._parts is not None:
                self._levels[level] = _covered(*self._parts, self._hw_of(level))
            else:
                self._levels[level] = _by_pixel(_reduced(self._halved(level - 1), self._hw_of(level)))
        return self._levels[level]

    def _hw_of(self, level: int) -> Hw:
        h, w = self.hw
        for _ in range(level):
            h, w = max(1, round(h / 2)), max(1, round(w / 2))
        return h, w

    def _piece(self, at: Float[Tensor, "h w 2"]) -> tuple[Float[Tensor, "c u v"], Float[Tensor, "h w 2"]]:
        """Returns the piece of the picture, under its cover, that positions are read in, and where they lie in it."""
        assert self._parts is not None
        size = self._wh.long()
        low, high = (ends.floor().long() for ends in torch.aminmax(at.flatten(0, 1), dim=0))
        first = torch.minimum((low - SUPPORT).clamp_min(0), size - 1)
        last = torch.minimum((high + SUPPORT + 1).clamp_min(1), size)
        (left, top), (right, bottom) = first.tolist(), torch.maximum(last, first + 1).tolist()
        planes, cover = (part[:, top:bottom, left:right] for part in self._parts)
        return _by_pixel(torch.cat([planes * cover, cover])), at - first


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Where to read in a picture, for every pixel of a canvas.

    Attributes:
        lines: the positions: pixels with (0, 0) at the first one's centre for OpenCV, [−1, 1] otherwise.
        by_opencv: who reads.
    """

    lines: Lines
    by_opencv: bool


class Reading:
    """Reads one picture through one warp, any rows of the canvas at a time."""

    def __init__(self, reader: Reader, warp: Warp) -> None:
        """Looks where the warp shrinks the picture."""
        self._reader = reader
        self._warp = warp
        self._positions: dict[int, Positions] = {}
        level = halvings(warp)
        self._level = None if level is None else Lines(level[..., None], warp.target_hw)

    def rows(self, top: int, bottom: int) -> Float[Tensor, "c h w"]:
        """Returns planes for the canvas rows `top` to `bottom` (exclusive)."""
        if self._level is None:
            return self._sample(0, top, bottom)
        level = self._level.rows(top, bottom)[..., 0]
        first = int(level.min())
        result = self._sample(first, top, bottom)
        for k in range(first + 1, math.ceil(float(level.max())) + 1):
            box = _box(level > k - 1)
            if box is not None:
                share = (level[box] - (k - 1)).clamp_(0, 1)
                smaller = self._sample(k, top + box[0].start, top + box[0].stop, box[1])
                result[:, *box] = torch.lerp(result[:, *box], smaller, share)
        return result

    def _sample(self, level: int, top: int, bottom: int, columns: slice = slice(None)) -> Float[Tensor, "c h w"]:
        if level not in self._positions:
            self._positions[level] = self._reader.positions(level, self._warp)
        return self._reader.sample(level, self._positions[level], top, bottom, columns)


def strips(hw: Hw, planes: Tensor) -> Iterator[slice]:
    """Yields the rows of a canvas that are best drawn at once, where the planes of the picture lie."""
    pixels = STRIP_PIXELS if processor.holds(planes) else STRIP_PIXELS_APART
    step = max(1, pixels // hw[1])
    for top in range(0, hw[0], step):
        yield slice(top, min(top + step, hw[0]))


def halvings(warp: Warp) -> Float[Tensor, "r c"] | None:
    """Returns log₂ of the source pixels between neighbours at the warp's nodes; None where none are skipped.

    The spacing is the square root of the map's area ratio, the mean of the cells around. Below `SOFT_START` it counts
    as none, and sets in softly, so that neither places nor frames change from sharp to smooth at once.
    """
    cells = functional.pad(warp.determinants().mean(dim=-1).abs()[None], (1, 1, 1, 1), mode="replicate")
    ratio = functional.avg_pool2d(cells, 2, stride=1)[0]
    spacing = ratio * (warp.source_hw[0] * warp.source_hw[1] / (warp.target_hw[0] * warp.target_hw[1]))
    level = 0.5 * torch.log2(spacing.clamp_min(1e-12))
    if float(level.max()) < SOFT_START:
        return None
    level = torch.where(level < 1, (level - SOFT_START) / (1 - SOFT_START), level)
    return level.clamp(0, min(MAX_LEVELS, math.log2(max(min(warp.source_hw), 1))))


def _box(where: Bool[Tensor, "h w"]) -> tuple[slice, slice] | None:
    """Returns the rows and columns that hold all that is true; None when nothing is."""
    rows, columns = where.any(dim=1).nonzero(), where.any(dim=0).nonzero()
    if not len(rows):
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _by_pixel(planes: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Returns planes that lie pixel by pixel in memory: a pixel is read with all its channels."""
    return planes.permute(1, 2, 0).contiguous().permute(2, 0, 1)


def _reduced(planes: Float[Tensor, "c h w"], hw: Hw) -> Float[Tensor, "c u v"]:
    return planes if planes.shape[1:] == hw else functional.interpolate(planes[None], size=hw, mode="area")[0]


def _covered(planes: Float[Tensor, "c h w"], cover: Float[Tensor, "1 h w"], hw: Hw) -> Float[Tensor, "d u v"]:
    """Returns planes under their cover, and it, reduced by up to a half as `_reduced` would: some rows at a time."""
    made = planes.new_empty(*hw, len(planes) + 1).permute(2, 0, 1)
    height = planes.shape[1]
    for rows in strips(hw, planes):
        row = torch.arange(rows.start, rows.stop, device=planes.device)
        first, last = row * height // hw[0], -(-(row + 1) * height // hw[0]) - 1  # rows whose mean each is
        around = slice(int(first[0]), int(last[-1]) + 1)
        block = torch.cat([planes[:, around] * cover[:, around], cover[:, around]])
        sums = torch.zeros(len(block), len(row), block.shape[2], device=planes.device)
        for k in range(int((last - first).max()) + 1):
            is_one = (first + k <= last).to(sums)[:, None]
            sums.addcmul_(block.index_select(1, torch.minimum(first + k, last) - around.start), is_one)
        sums.div_((last - first + 1)[:, None])
        made[:, rows] = _reduced(sums, (len(row), hw[1]))
    return made


def premultiplied(image: Image) -> Float[Tensor, "c h w"]:
    """Returns three planes for an opaque picture, four (colours times alpha, alpha) for one with alpha."""
    return image.rgb if image.alpha is None else torch.cat([image.rgb * image.alpha, image.alpha])


def draw(image: Image, warp: Warp, *, mode: str = "bicubic") -> Image:
    """Returns the picture read through the warp, with its alpha and mask, if any; outside it the rim is repeated."""
    parts = [premultiplied(image)] if image.mask is None else [premultiplied(image), image.mask]
    reader = Reader(torch.cat(parts), mode=mode)
    planes = torch.empty(sum(part.shape[0] for part in parts), *warp.target_hw, device=image.rgb.device)
    for rows, strip in reader.strips(warp):
        planes[:, rows] = strip
    return _image_of(planes, image, digest="")


def inside(positions: Float[Tensor, "h w 2"], hw: Hw) -> Float[Tensor, "h w"]:
    """Returns 1 where positions lie inside a picture and 0 where outside, with a soft edge one pixel wide."""
    size = coords.wh(hw, positions)
    depth = torch.minimum(positions, size - positions).min(dim=-1).values
    return (depth + 0.5).clamp(0, 1)


def shrink(image: Image, longer: int) -> Image:
    """Returns the picture reduced so that its longer side is at most `longer`, or itself when it is small enough."""
    h, w = image.hw
    scale = longer / max(h, w)
    if scale >= 1:
        return image
    size = (max(1, round(h * scale)), max(1, round(w * scale)))
    alpha, mask = ([] if part is None else [part] for part in (image.alpha, image.mask))
    colours = (plane[None] if image.alpha is None else plane[None] * image.alpha for plane in image.rgb)
    # Plane by plane: the picture may be large, and one whose channels lie side by side would be copied as a whole.
    planes = torch.cat([_reduced(plane, size) for plane in itertools.chain(colours, alpha, mask)])
    return _image_of(planes, image, digest=f"{image.digest}:{longer}")


def _image_of(planes: Float[Tensor, "c h w"], like: Image, digest: str) -> Image:
    """Takes premultiplied planes apart: colours, then alpha and mask where `like` has them."""
    mask = None if like.mask is None else planes[-1:]
    if like.alpha is None:
        return replace(like, rgb=planes[:3], mask=mask, digest=digest)
    alpha = planes[3:4]
    return replace(like, rgb=(planes[:3] / alpha.clamp_min(1e-6)).clamp(0, 1), alpha=alpha, mask=mask, digest=digest)
