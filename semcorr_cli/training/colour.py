"""Random changes of light and colour, each picture by its own draw."""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

GREY = torch.tensor([0.299, 0.587, 0.114])


def uniform(g: Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    """Draws evenly between two bounds."""
    return torch.rand(shape, generator=g) * (high - low) + low


def recolour(x: Tensor, strength: Tensor, g: Generator) -> Tensor:
    """Applies a gamma and one affine map of RGB: hue, saturation, grey, gains, contrast, offset, negative.

    Args:
        x: (b, 3, h, w) pictures in [0, 1].
        strength: (b,) how far to go.
        g: source of chance.
    """
    b, _, h, w = x.shape

    def draw(low: float, high: float, chance: float, n: int = 1) -> Tensor:
        return uniform(g, (b, n), low, high) * strength[:, None] * (torch.rand(b, 1, generator=g) < chance)

    def rare(chance: float) -> Tensor:
        return (torch.rand(b, 1, 1, generator=g) < chance * strength.view(b, 1, 1)).float()

    x = x.clamp(1e-3, 1).pow(torch.exp(draw(-0.45, 0.45, 0.7)).view(b, 1, 1, 1))
    mean = (x[:, :, ::4, ::4].mean((2, 3)) @ GREY).view(b, 1, 1)
    grey = GREY.expand(3, 3)
    # Hue turns about the grey axis (Rodrigues' formula).
    angle = (draw(-0.5, 0.5, 0.6) + draw(-3.14, 3.14, 0.12)).view(b, 1, 1)
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    third = torch.full((3, 3), 1 / 3)
    hue = third + angle.cos() * (torch.eye(3) - third) + angle.sin() * axis
    saturation = torch.exp(draw(-0.8, 0.5, 0.7)).view(b, 1, 1)
    drained = rare(0.12)
    m = (saturation * torch.eye(3) + (1 - saturation) * grey) @ hue
    m = (1 - drained) * m + drained * grey
    gain = torch.exp(draw(-0.25, 0.25, 0.6, 3)) * torch.exp(draw(-0.5, 0.5, 0.12, 3))
    scale = torch.exp(draw(-0.6, 0.4, 0.7)).view(b, 1, 1) * (1 - 2 * rare(0.03))
    m = scale * gain.unsqueeze(2) * m
    offset = mean * (1 - scale) + draw(-0.18, 0.18, 0.7).view(b, 1, 1)
    return torch.baddbmm(offset.expand(b, 3, 1), m, x.reshape(b, 3, h * w)).view(b, 3, h, w).clamp_(0, 1)


def degrade(x: Tensor, g: Generator) -> Tensor:
    """Adds uneven light, blur or sharpening, and noise, each to a part of the pictures, in place."""
    b, _, h, w = x.shape

    def some(chance: float) -> Tensor:
        return (torch.rand(b, generator=g) < chance).nonzero()[:, 0]

    if len(i := some(0.25)):
        light = torch.randn(len(i), 1, 3, 3, generator=g) * 0.35
        x[i] *= functional.interpolate(light, (h, w), mode="bicubic", align_corners=True).exp_()
    for chance, size in ((0.2, 3), (0.1, 5)):
        if len(i := some(chance)):
            r = size // 2
            soft = functional.avg_pool2d(functional.pad(x[i], (r, r, r, r), mode="replicate"), size, 1)
            x[i] = torch.lerp(x[i], soft, uniform(g, (len(i), 1, 1, 1), -0.6, 1.0))
    if len(i := some(0.25)):
        x[i] += torch.randn((len(i), 3, h, w), generator=g) * uniform(g, (len(i), 1, 1, 1), 0, 0.06)
    return x.clamp_(0, 1)
