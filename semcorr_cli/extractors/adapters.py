"""Adapters: small heads that were trained on top of frozen features to tell parts apart.

The aggregation network of Luo et al. ("Diffusion Hyperfeatures", 2023) as trained by Zhang et al. ("Telling Left from
Right", 2024, section 4) on four layers, and by Dünkel et al. ("Do It Yourself", 2025) on DINOv2 tokens alone: each
layer goes through a residual bottleneck, and the results are added up with weights that sum to 1.
"""

import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from semcorr_cli.errors import InputError, MissingError, UsageError

GROUPS = 32
"""Groups of every group normalisation."""

SCALARS = ("logit_scale", "self_logit_scale")
"""Temperatures of the losses, kept in the files; nothing here needs them."""


class Adapter(nn.Module):
    """Σᵢ softmax(mixing weights)ᵢ · bottleneckᵢ(layerᵢ)."""

    def __init__(self, widths: Sequence[tuple[int, int]], dim: int) -> None:
        """Builds the bottlenecks.

        Args:
            widths: (channels of the layer, channels inside its bottleneck) of each branch.
            dim: channels of the result.
        """
        super().__init__()
        self.channels = tuple(channels for channels, _ in widths)
        self.mixing_weights = nn.Parameter(torch.ones(len(widths)))
        self.bottleneck_layers = nn.ModuleList(
            nn.Sequential(_Bottleneck(channels, inner, dim)) for channels, inner in widths
        )
        for name in SCALARS:
            self.register_buffer(name, torch.zeros(()))

    @torch.inference_mode()
    def forward(self, layers: Sequence[Float[Tensor, "_ h w"]]) -> Float[Tensor, "d h w"]:
        """Returns the head's map, not normalised.

        Args:
            layers: one raw map a branch, all on one grid.

        Raises:
            UsageError: the maps do not have the channels that the head was trained on.
        """
        given = tuple(layer.shape[0] for layer in layers)
        if given != self.channels:
            wanted = ", ".join(map(str, self.channels))
            raise UsageError(
                f"the adapter takes layers of {wanted} channels; these features have {', '.join(map(str, given))}",
                hint="heads on DINOv2 go with --features dino, heads on four layers with --features hybrid:geoaware",
            )
        weights = self.mixing_weights.softmax(dim=0)
        parts = [block(layer[None])[0] for block, layer in zip(self.bottleneck_layers, layers, strict=True)]
        return torch.stack([weight * part for weight, part in zip(weights, parts, strict=True)]).sum(dim=0)


class _Conv(nn.Conv2d):
    """A convolution with the group normalisation that follows it, named as in the published files."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2, bias=False)
        self.norm = nn.GroupNorm(GROUPS, outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        normalised: Tensor = self.norm(super().forward(x))
        return normalised


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, inner: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _Conv(inputs, inner, 1)
        self.conv2 = _Conv(inner, inner, 3)
        self.conv3 = _Conv(inner, outputs, 1)
        self.shortcut = nn.Identity() if inputs == outputs else _Conv(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        y = self.conv2(self.conv1(x).relu()).relu()
        total: Tensor = self.conv3(y) + self.shortcut(x)
        return total.relu()


def load_adapter(path: Path) -> Adapter:
    """Reads a head from safetensors or from a file of torch that holds nothing but tensors.

    Raises:
        MissingError: there is no such file.
        InputError: the file holds something else.
    """
    state = _read(path)
    branches = sorted({int(found[1]) for key in state if (found := re.match(r"bottleneck_layers\.(\d+)\.", key))})
    try:
        firsts = [state[f"bottleneck_layers.{branch}.0.conv1.weight"] for branch in branches]
        dim = state["bottleneck_layers.0.0.conv3.weight"].shape[0]
        adapter = Adapter([(first.shape[1], first.shape[0]) for first in firsts], dim)
    except (KeyError, IndexError, ValueError):
        some = ", ".join(sorted(state)[:3])
        raise InputError(f"{path} holds no adapter: no bottleneck layers among its keys ({some}, …)") from None
    own = adapter.state_dict()
    misfits = {
        "are missing": [key for key in own if key not in state and key not in SCALARS],
        "are not known": [key for key in state if key not in own],
        "have other shapes": [key for key in own if key in state and own[key].shape != state[key].shape],
    }
    said = [f"{len(keys)} keys {word} ({', '.join(keys[:3])})" for word, keys in misfits.items() if keys]
    if said:
        raise InputError(f"{path} holds another kind of adapter: {'; '.join(said)}")
    adapter.load_state_dict({**own, **{key: value.float() for key, value in state.items()}})
    return adapter.eval()


def _read(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a file; no code in it is ever run."""
    if not path.is_file():
        raise MissingError(f"there is no adapter {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path} cannot be read as weights: {reason}") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no adapter: it is no table of tensors")
    return state
