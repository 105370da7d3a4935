"""Stable Diffusion as the `diffusion` method needs it: a local folder in diffusers' layout becomes networks."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from semcorr_cli.errors import InputError, MissingError

FOLDERS = ("unet", "vae", "scheduler", "text_encoder", "tokenizer")


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """What repaints.

    Attributes:
        unet: the denoiser, in the precision that was asked for.
        vae: between pixels and latents, in float32: half precision shifts colours.
        scheduler: its timesteps are used, not its steps.
        silence: what the text encoder makes of no words.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler: DDIMScheduler
    silence: Float[Tensor, "1 n c"]

    @property
    def device(self) -> torch.device:
        """Where the networks lie."""
        return self.silence.device

    @property
    def stride(self) -> int:
        """What the sides of a picture must be multiples of."""
        halvings = len(self.unet.config.block_out_channels) - 1 + len(self.vae.config.block_out_channels) - 1
        return int(2**halvings)


def load(folder: Path, device: torch.device, dtype: torch.dtype) -> Networks:
    """Reads networks; nothing is downloaded.

    Raises:
        MissingError: the folder, or one of its parts, is not there.
        InputError: the folder holds something else.
    """
    missing = [name for name in FOLDERS if not (folder / name).is_dir()]
    if missing:
        raise MissingError(
            f"{folder} is no folder of Stable Diffusion as diffusers saves it: {', '.join(missing)} missing",
            hint="semcorr models pull diffusion:sd15",
        )
    # Networks made in inference mode could not have gradients taken through them.
    with torch.inference_mode(False), torch.no_grad():
        try:
            unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True, torch_dtype=dtype)
            vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True)
            scheduler = DDIMScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
            encoder = CLIPTextModel.from_pretrained(folder / "text_encoder", local_files_only=True)
            tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{folder} cannot be read as Stable Diffusion: {reason}") from error
        words = tokenizer("", padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
        silence = encoder(words.input_ids).last_hidden_state
        for network in (unet, vae):
            network.to(device).eval().requires_grad_(False)
        return Networks(unet, vae, scheduler, silence.to(device, dtype))
