"""Random views of pictures, with the position in the picture that every cell of a view shows.

A view is sampled through a known map from its pixels to the picture's. Two views of one picture therefore come with
exact dense truth, and two views of alike pictures with as much truth as is known between the pictures.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional

from semcorr_cli.extractors.network import STRIDE
from semcorr_cli.training.colour import degrade, recolour, uniform
from semcorr_cli.training.pictures import Pictures


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """How far views go.

    Attributes:
        zoom: bounds of the picture's longer side over the view's.
        turn: degrees that half of the views turn by at most.
        small_turn: degrees that the other half turns by at most.
        stretch: spread of the logarithm of the change of the aspect ratio.
        shear: largest shear.
        shift: largest shift of the picture's middle, in sides of the view.
        elastic: largest spread of a smooth random displacement, in sides of the picture.
        ellipse: chance of an elliptic cut-out rather than the whole picture.
        outline: chance that a rendered object is cut out along its mask.
        replicate: chance that the picture's border rather than another picture is the background.
        plain: chance that the other background is plain.
        cutout: chance of a hole.
        colour: strength of the changes of colour.
        mild: share of views that are changed less.
        mild_strength: how much less.
    """

    zoom: tuple[float, float] = (0.65, 1.8)
    turn: float = 45.0
    small_turn: float = 12.0
    stretch: float = 0.15
    shear: float = 0.12
    shift: float = 0.18
    elastic: float = 0.03
    ellipse: float = 0.35
    outline: float = 0.6
    replicate: float = 0.15
    plain: float = 0.15
    cutout: float = 0.25
    colour: float = 1.0
    mild: float = 0.4
    mild_strength: float = 0.35


BACKGROUND = ViewOptions(zoom=(1.3, 3.0), turn=180, small_turn=20, stretch=0.3, elastic=0, shift=0.2)
"""Views that stand behind others: large and at any angle."""


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Views and what their cells show.

    Attributes:
        images: (b, 3, h, w) in [0, 1].
        at: (b, n, 2) relative position in the picture of every cell.
        valid: (b, n) whether the cell shows the picture rather than a background.
        cell: (b,) size of a cell, in longer sides of the picture.
    """

    images: Tensor
    at: Tensor
    valid: Tensor
    cell: Tensor


def make(pictures: Pictures, index: Tensor, mirror: Tensor, hw: tuple[int, int], o: ViewOptions, g: Generator) -> Views:
    """Draws a view of each picture.

    Args:
        pictures: where from.
        index: (b,) which.
        mirror: (b,) whether to mirror it.
        hw: size of the views, multiples of the stride.
        o: how far to go.
        g: source of chance.
    """
    b, size = len(index), pictures.hw[index].flip(1).view(-1, 1, 1, 2)
    k = torch.where(torch.rand(b, generator=g) < o.mild, o.mild_strength, 1.0)
    xy, cell = _maps(pictures.hw[index], mirror, hw, o, g, k)
    at = xy / size
    inside = ((at - 0.5).abs().amax(-1) <= 0.5).float()
    mask = _edges(at, o, g, k)
    border = (torch.rand(b, 1, 1, generator=g) < o.replicate).float()
    mask, seen = torch.lerp(mask, torch.ones(()), border), torch.lerp(mask * inside, inside, border)
    hole = _holes(b, hw, o, g, k)
    mask, seen = mask * (1 - hole), seen * (1 - hole)
    if pictures.exact is not None:
        outline = _outlines(pictures, index, xy, o, g)
        mask, seen = mask * outline, seen * outline
    front = _sample(pictures.fetch(index), torch.minimum(xy, size - 0.5).clamp(min=0.5))
    if o.colour:
        front = recolour(front, o.colour * k, g)
    images = torch.lerp(_backgrounds(pictures, b, hw, o, g), front, mask[:, None])
    if o.colour:
        images = degrade(images, g)
    return Views(
        images=images,
        at=functional.avg_pool2d(at.permute(0, 3, 1, 2), STRIDE).flatten(2).transpose(1, 2),
        valid=functional.avg_pool2d(seen[:, None], STRIDE).flatten(1) > 0.6,
        cell=cell,
    )


def _sample(canvases: Tensor, xy: Tensor) -> Tensor:
    return functional.grid_sample(canvases, xy / canvases.shape[-1] * 2 - 1, align_corners=False, padding_mode="border")


def _maps(
    sizes: Tensor, mirror: Tensor, hw: tuple[int, int], o: ViewOptions, g: Generator, k: Tensor
) -> tuple[Tensor, Tensor]:
    """Draws maps from pixels of views to pixels of pictures, (b, h, w, 2), and the size of a cell in pictures."""
    b, (h, w) = len(sizes), hw
    longer = sizes.amax(1)
    zoom = torch.exp(uniform(g, (b,), math.log(o.zoom[0]), math.log(o.zoom[1])) * k) * max(hw) / longer
    far = (torch.rand(b, generator=g) < 0.5).float()
    angle = torch.deg2rad(uniform(g, (b,), -1, 1) * (far * o.turn + (1 - far) * o.small_turn) * k)
    stretch = torch.exp(torch.randn(b, generator=g).clamp(-2, 2) * o.stretch / 2 * k)
    shear = uniform(g, (b,), -o.shear, o.shear) * k
    one, none = torch.ones(b), torch.zeros(b)
    turned = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(b, 2, 2)
    sheared = torch.stack([one, shear, none, one], 1).view(b, 2, 2)
    scaled = torch.diag_embed(torch.stack([torch.where(mirror, -stretch, stretch), 1 / stretch], 1))
    back = torch.linalg.inv(turned @ sheared @ scaled * zoom.view(b, 1, 1))
    middle = sizes.flip(1) * (0.5 + uniform(g, (b, 2), -0.12, 0.12))
    place = torch.tensor([w, h]) * (0.5 + uniform(g, (b, 2), -o.shift, o.shift) * k[:, None])
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    pixels = torch.stack([x, y], -1).view(1, -1, 2) - place[:, None]
    xy = (pixels @ back.transpose(1, 2) + middle[:, None]).view(b, h, w, 2)
    if o.elastic:
        noise = torch.randn(b, 2, 4, 4, generator=g) * (uniform(g, (b,), 0, o.elastic) * longer).view(b, 1, 1, 1)
        xy = xy + functional.interpolate(noise, hw, mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    return xy, STRIDE / (zoom * longer)


def _edges(at: Tensor, o: ViewOptions, g: Generator, k: Tensor) -> Tensor:
    """Returns soft masks (b, h, w) of pictures, or of ellipses or rounded squares in them."""
    b = len(at)
    edge = ((0.5 - (at - 0.5).abs()).amin(-1) / uniform(g, (b, 1, 1), 0.005, 0.06) + 0.5).clamp(0, 1)
    middle, radius = 0.5 + uniform(g, (b, 1, 1, 2), -0.05, 0.05), uniform(g, (b, 1, 1, 2), 0.40, 0.62)
    e = ((at - middle) / radius).square()
    e = torch.where(torch.rand(b, 1, 1, generator=g) < 0.5, e.sum(-1), e.square().sum(-1).sqrt()).sqrt()
    oval = ((1 - e) / uniform(g, (b, 1, 1), 0.02, 0.25) + 0.5).clamp(0, 1)
    return edge * torch.where(torch.rand(b, 1, 1, generator=g) < o.ellipse * k.view(b, 1, 1), oval, 1.0)


def _holes(b: int, hw: tuple[int, int], o: ViewOptions, g: Generator, k: Tensor) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(0, 1, hw[0]), torch.linspace(0, 1, hw[1]), indexing="ij")
    cy, cx = uniform(g, (b, 1, 1), 0, 1), uniform(g, (b, 1, 1), 0, 1)
    ry, rx = uniform(g, (b, 1, 1), 0.05, 0.18), uniform(g, (b, 1, 1), 0.05, 0.18)
    drawn = torch.rand(b, 1, 1, generator=g) < o.cutout * k.view(b, 1, 1)
    return (((y - cy).abs() < ry) & ((x - cx).abs() < rx) & drawn).float()


def _outlines(pictures: Pictures, index: Tensor, xy: Tensor, o: ViewOptions, g: Generator) -> Tensor:
    """Returns masks of rendered objects for some of the rendered pictures, one elsewhere."""
    out = torch.ones(xy.shape[:3])
    cut = torch.rand(len(index), generator=g) < o.outline
    if pictures.exact is not None:
        rows = pictures.exact.row[index]
        if len(i := ((rows >= 0) & cut).nonzero()[:, 0]):
            alpha = torch.from_numpy(pictures.exact.alpha[rows[i].numpy()])[:, None].float() / 255
            grid = xy[i] / pictures.side * 2 - 1
            out[i] = functional.grid_sample(alpha, grid, align_corners=False, padding_mode="zeros")[:, 0]
    return out


def _backgrounds(pictures: Pictures, b: int, hw: tuple[int, int], o: ViewOptions, g: Generator) -> Tensor:
    """Draws large views of other pictures, reflected at their borders, or plain colours."""
    index = torch.randint(len(pictures.hw), (b,), generator=g)
    mirror = torch.rand(b, generator=g) < 0.5
    xy, _ = _maps(pictures.hw[index], mirror, hw, BACKGROUND, g, torch.ones(b))
    size = pictures.hw[index].flip(1).view(b, 1, 1, 2)
    other = _sample(pictures.fetch(index), torch.minimum(xy.abs(), 2 * size - xy.abs()).clamp(min=0))
    shade = functional.interpolate(torch.randn(b, 3, 2, 2, generator=g), hw, mode="bilinear")
    flat = torch.rand(b, 3, 1, 1, generator=g) + 0.3 * shade
    flat = torch.where(torch.rand(b, 1, 1, 1, generator=g) < 0.4, 1.0, flat.clamp(0, 1))
    return torch.where(torch.rand(b, 1, 1, 1, generator=g) < o.plain, flat, other)
