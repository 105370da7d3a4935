"""What training runs share of their descent: rates along a cosine, what decays, and the mean of the weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def cosine(rate: float, step: int, steps: int, warmup: int) -> float:
    """Returns the rate of a step: it rises for `warmup` steps and falls along a cosine to a hundredth."""
    rise, fall = min(1.0, (step + 1) / warmup), 0.51 + 0.5 * math.cos(math.pi * step / steps)
    return rate * rise * fall


def decayed(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Returns an optimiser's groups in which matrices and kernels decay, and biases and norms do not."""
    listed = list(parameters)
    return [
        {"params": [p for p in listed if p.ndim > 1], "weight_decay": weight_decay, "pace": 1.0},
        {"params": [p for p in listed if p.ndim <= 1], "weight_decay": 0.0, "pace": 1.0},
    ]


def average_into(mean: nn.Module, network: nn.Module, keep: float) -> None:
    """Moves a running mean of a network's weights towards what they are; a share of `keep` stays."""
    old, now = mean.state_dict(), network.state_dict()
    keys = [key for key, value in old.items() if value.is_floating_point()]
    torch._foreach_lerp_([old[key] for key in keys], [now[key] for key in keys], 1 - keep)
