"""The networks of the package: a small residual trunk whose strides are fused into one map of descriptors."""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional

from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.extractors.base import working_hw

STRIDE = 8
"""Pixels of the picture per cell of the map."""

BACKGROUND = 0.5
"""Grey that stands behind transparent pictures."""


AnyTrunk = TypeVar("AnyTrunk", bound="Trunk")


@dataclasses.dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Sizes of the network.

    Attributes:
        stem: channels at stride 2.
        widths: channels at strides 4, 8, 16 and 32.
        depths: residual blocks at strides 4, 8, 16 and 32.
        attention: attention blocks at strides 16 and 32.
        heads: attention heads.
        fuse: channels where the strides are fused.
        dim: channels of a descriptor.
        classes: outputs of the auxiliary classifier; 0 for none. Shipped weights have none.
    """

    stem: int = 24
    widths: tuple[int, int, int, int] = (48, 96, 224, 320)
    depths: tuple[int, int, int, int] = (1, 2, 3, 1)
    attention: tuple[int, int] = (1, 1)
    heads: int = 8
    fuse: int = 128
    dim: int = 128
    classes: int = 0


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation (running statistics once trained), and a rectifier where asked."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, act: bool = True) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(outputs)]
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class Residual(nn.Module):
    """Basic residual block (He et al. 2016); where it strides, by 4 × 4 kernels, which keep cells centred."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 4 if stride > 1 else 3, stride)
        self.second = ConvNorm(outputs, outputs, 3, act=False)
        self.stride = stride
        self.shortcut = ConvNorm(inputs, outputs, 1, act=False) if inputs != outputs or stride > 1 else None
        nn.init.zeros_(self.second[1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output; odd sides are padded before striding."""
        if self.stride > 1 and (x.shape[-1] % 2 or x.shape[-2] % 2):
            x = functional.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), mode="replicate")
        y = self.second(self.first(x))
        if self.stride > 1:
            x = functional.avg_pool2d(x, self.stride)
        if self.shortcut is not None:
            x = self.shortcut(x)
        return functional.relu(x + y, inplace=True)


class Attention(nn.Module):
    """Self-attention among all cells, with a depthwise convolution in place of a position code (Chu et al. 2021)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 2 * dim), nn.Linear(2 * dim, dim)
        for layer in (self.out, self.down):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Returns the block's output, of the input's shape."""
        b, c, h, w = x.shape
        x = x + self.position(x)
        t = x.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm1(t)).view(b, h * w, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        t = t + self.out(mixed.transpose(1, 2).reshape(b, h * w, c))
        t = t + self.down(functional.gelu(self.up(self.norm2(t))))
        out: Tensor = t.transpose(1, 2).reshape(b, c, h, w)
        return out


class Trunk(nn.Module):
    """Residual trunk to stride 32 with attention at the coarse strides."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.options = o = options
        # Three colours and two channels of locally normalised brightness.
        self.stem = nn.Sequential(ConvNorm(5, o.stem, 4, 2), ConvNorm(o.stem, o.widths[0], 4, 2))
        stages, width = [], o.widths[0]
        for level, (outputs, depth) in enumerate(zip(o.widths, o.depths, strict=True)):
            blocks: list[nn.Module] = []
            for i in range(depth):
                blocks.append(Residual(width, outputs, 2 if i == 0 and level > 0 else 1))
                width = outputs
            if level >= 2:
                blocks += [Attention(width, o.heads) for _ in range(o.attention[level - 2])]
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def early(self, images: Tensor) -> Tensor:
        """Returns maps (b, c, h/4, w/4) of what is next to one another."""
        x: Tensor = self.stages[0](self.stem(inputs(images)))
        return x

    def later(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Returns maps at strides 8, 16 and 32."""
        x8 = self.stages[1](x)
        x16 = self.stages[2](x8)
        return x8, x16, self.stages[3](x16)


class DescriptorNet(Trunk):
    """A trunk, fused top-down to stride 8 (Lin et al. 2017)."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__(options)
        o = options
        self.lateral = nn.ModuleList([nn.Conv2d(channels, o.fuse, 1) for channels in o.widths[1:]])
        self.smooth16 = Residual(o.fuse, o.fuse)
        self.smooth8 = Residual(o.fuse, o.fuse)
        self.project = nn.Conv2d(o.fuse, o.dim, 1)
        self.classify = nn.Linear(o.widths[3], o.classes) if o.classes else None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Returns descriptors before normalisation (b, dim, h/8, w/8), and one vector for each picture."""
        x8, x16, x32 = self.later(self.early(images))
        f16 = self.lateral[1](x16) + twice(self.lateral[2](x32), x16)
        f8 = self.lateral[0](x8) + twice(self.smooth16(f16), x8)
        return self.project(self.smooth8(f8)), x32.mean((2, 3))

    def describe(self, images: Tensor) -> Tensor:
        """Maps sRGB pictures (b, 3, h, w) in [0, 1], sides multiples of 8, to unit descriptors (b, dim, h/8, w/8)."""
        return functional.normalize(self(images)[0].float(), dim=1)


def inputs(images: Tensor) -> Tensor:
    """Returns what the network sees: colours, and brightness relative to its surroundings of 24 and about 100 px."""
    grey = images.mean(1, keepdim=True)
    layers = [(images - 0.45) * 4.0]
    stats = functional.avg_pool2d(torch.cat([grey, grey.square()], 1), STRIDE)
    for rounds, size in ((1, 3), (2, 7)):
        local = stats
        for _ in range(rounds):
            local = functional.avg_pool2d(local, size, 1, size // 2, count_include_pad=False)
        wide = functional.interpolate(local, scale_factor=STRIDE, mode="bilinear", align_corners=False)
        mean, square = wide.split(1, 1)
        layers.append((grey - mean) / ((square - mean.square()).clamp(min=0) + 0.02**2).sqrt())
    return torch.cat(layers, 1).contiguous(memory_format=torch.channels_last)


def twice(x: Tensor, like: Tensor) -> Tensor:
    """Upsamples by two, anchored at the top-left corner, and crops to the size of `like`."""
    y = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    return y[..., : like.shape[-2], : like.shape[-1]]


def prepared(image: Image, side: int, stride: int = STRIDE) -> Float[Tensor, "1 3 h w"]:
    """Returns a picture as networks want it: no alpha, its longer side about `side`, sides multiples of the stride."""
    h, w = working_hw(image.hw, side, stride)
    rgb = image.over(BACKGROUND)[None]
    return functional.interpolate(rgb, size=(h, w), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def load_network(path: Path) -> DescriptorNet:
    """Reads a network from safetensors whose metadata hold its options.

    Raises:
        InputError: the file does not hold such a network.
    """
    return load_trunk(path, DescriptorNet)


def load_trunk(path: Path, kind: type[AnyTrunk]) -> AnyTrunk:
    """Does so for a network of another kind."""
    try:
        with safe_open(path, "pt") as file:
            fields: dict[str, Any] = json.loads((file.metadata() or {})["network"])
            state = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118 (no mapping)
        known: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
        options = NetworkOptions(**known)
        network = kind(options)
        missing, surplus = network.load_state_dict(state, strict=False)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} does not hold weights of the built-in network: {error}") from None
    # Batch normalisation's counters of batches are not kept.
    if surplus or any(not key.endswith("num_batches_tracked") for key in missing):
        raise InputError(f"{path} holds weights of another network: {[*missing, *surplus][:3]}")
    return network.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload, no-any-return]
