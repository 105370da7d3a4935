"""Parts of a Stable Diffusion pipeline read from a folder as diffusers saves one, never from the network.

Features and repainting need different parts of it, and find out in the same words what is missing or damaged.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from torch import Tensor

from semcorr_cli.errors import InputError, MissingError

WEIGHTS = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
    "diffusion_pytorch_model.bin",
)
"""Names that diffusers gives to files of weights."""


def part(kind: Any, folder: Path, **options: Any) -> Any:
    """Returns a part of a pipeline from its folder, never from the network.

    Raises:
        MissingError: there is no such folder.
        InputError: it holds something else.
    """
    if not folder.is_dir():
        raise MissingError(f"there is no folder {folder}")
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be loaded as a {kind.__name__}: {_first_line(error)}") from None


def unet(folder: Path, place: Path, dtype: torch.dtype, strip: Callable[[Any], None] | None = None) -> Any:
    """Returns a U-Net; weights of what `strip` takes out of it are not even read.

    Args:
        folder: of the pipeline, for the configuration of a U-Net that is a file.
        place: folder as diffusers saves one, or file of weights.
        dtype: of its weights.
        strip: takes out what is not wanted, before anything is read.

    Raises:
        MissingError: the configuration or the weights are not there.
        InputError: they do not fit each other, or cannot be read.
    """
    from diffusers import UNet2DConditionModel

    kind: Any = UNet2DConditionModel
    config = place if place.is_dir() else folder / "unet"
    file = next((place / name for name in WEIGHTS if (place / name).is_file()), place / WEIGHTS[0])
    file = file if place.is_dir() else place
    for needed in (config / "config.json", file):
        if not needed.is_file():
            raise MissingError(f"there is no {needed}")
    try:
        with torch.device("meta"):
            network = kind.from_config(kind.load_config(config, local_files_only=True))
        with _weights_of(file) as (keys, read):
            own = set(network.state_dict())
            if own != keys:
                raise InputError(
                    f"{file} holds no U-Net like that of {config}: "
                    f"{len(own - keys)} keys are missing, {len(keys - own)} are not known",
                    hint="files in the layout of diffusers are read, such as cleandift_sd21_unet.safetensors",
                )
            if strip is not None:
                strip(network)
            network.load_state_dict({key: read(key).to(dtype) for key in network.state_dict()}, assign=True)
    except (OSError, SafetensorError, ValueError, RuntimeError, TypeError) as error:
        raise InputError(f"{file} cannot be loaded as the U-Net of {config}: {_first_line(error)}") from None
    return network


@contextmanager
def _weights_of(path: Path) -> Iterator[tuple[set[str], Callable[[str], Tensor]]]:
    """Opens a file of weights: its keys, and what reads one of its tensors; no code in it is ever run."""
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            yield set(file.keys()), file.get_tensor
    else:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        yield set(state), state.__getitem__


def embedding(encoder: Path, tokenizer: Path, prompt: str) -> Float[Tensor, "1 n d"]:
    """Returns a text encoder's last hidden states for a prompt, in float32 on the CPU."""
    from transformers import CLIPTextModel, CLIPTokenizer

    tokens = part(CLIPTokenizer, tokenizer)
    given = tokens(
        prompt, padding="max_length", max_length=tokens.model_max_length, truncation=True, return_tensors="pt"
    )
    return part(CLIPTextModel, encoder).eval()(given.input_ids)[0].float()  # type: ignore[no-any-return]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
