"""Writing trained weights: half-precision safetensors whose metadata say how to build the network around them."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from semcorr_cli.extractors.network import Trunk
from semcorr_cli.io import atomic

LEFT_OUT = ("classify.", "num_batches_tracked")
"""Parts of names of tensors that only training needs."""


def write_weights(network: Trunk, path: Path, about: Mapping[str, str] | None = None) -> None:
    """Writes a network in one move, in place of an older one.

    Args:
        network: the network; a run's averaged one.
        path: a `.safetensors` file.
        about: further metadata: licence, data, figures.

    Raises:
        ValueError: weights that half precision cannot hold.
        OutputError: the file cannot be written.
    """
    options = dataclasses.asdict(dataclasses.replace(network.options, classes=0))
    write_halved(network, path, {"network": json.dumps(options), **(about or {})})


def write_halved(network: nn.Module, path: Path, about: Mapping[str, str]) -> None:
    """Writes what using a network takes of its weights, in half precision and one move, in place of an older file.

    Args:
        network: any network.
        path: a `.safetensors` file.
        about: metadata.

    Raises:
        ValueError: weights that half precision cannot hold.
        OutputError: the file cannot be written.
    """
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in network.state_dict().items()
        if not any(part in key for part in LEFT_OUT)
    }
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise ValueError("weights that half precision cannot hold")
    content = save(state, dict(about))
    with atomic.replacing(path, overwrite=True) as draft:
        draft.write_bytes(content)
