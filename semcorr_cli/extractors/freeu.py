"""FreeU (Si et al. 2023) as the features of GeoAware-SC were made with it.

diffusers' own `enable_freeu` chooses the gains by the number of the decoder block; that code chose them by the number
of channels, at every output block, and the features it returned are the amplified ones.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

GAINS = {-1: (1.2, 0.9), 1: (1.4, 0.2)}
"""(gain of the first half of the channels, gain of the skip connection's low frequencies) by level: the index in the
U-Net's list of channels, whose last one is its deepest."""


def amplified(state: Float[Tensor, "b c h w"], channels: Sequence[int]) -> Float[Tensor, "b c h w"]:
    """Returns a decoder state with the first half of its channels amplified, where its level is.

    Args:
        state: hidden state of the decoder.
        channels: of the U-Net's levels, 320 640 1280 1280 in Stable Diffusion.
    """
    found = _gains(state.shape[1], channels)
    if found is None:
        return state
    half = state.shape[1] // 2
    return torch.cat([state[:, :half] * found[0], state[:, half:]], dim=1)


@contextmanager
def amplifying(unet: Any) -> Iterator[None]:
    """Makes a diffusers U-Net amplify its decoder's states and dampen its skip connections while it is open."""
    from diffusers.utils.torch_utils import fourier_filter

    channels = tuple(unet.config.block_out_channels)
    width = channels[-1]
    with ExitStack() as hooks:
        for block in unet.up_blocks:
            for resnet in getattr(block, "resnets", ()):
                if not hasattr(resnet, "in_channels"):
                    continue  # taken out, never run

                def hook(module: nn.Module, inputs: tuple[Any, ...], width: int = width) -> tuple[Any, ...]:
                    state, skip = inputs[0][:, :width], inputs[0][:, width:]
                    found = _gains(width, channels)
                    if found is not None:
                        skip = fourier_filter(skip, 1, found[1])
                    return torch.cat([amplified(state, channels), skip], dim=1), *inputs[1:]

                hooks.callback(resnet.register_forward_pre_hook(hook).remove)
                width = resnet.out_channels
        yield


def _gains(width: int, channels: Sequence[int]) -> tuple[float, float] | None:
    return next((gains for level, gains in GAINS.items() if channels[level] == width), None)
