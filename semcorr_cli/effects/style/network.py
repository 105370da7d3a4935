"""Stable Diffusion as the `diffusion` method needs it: a local folder in diffusers' layout becomes networks."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor

from semcorr_cli import pretrained
from semcorr_cli.errors import MissingError

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
        unet = pretrained.unet(folder, folder / "unet", dtype)
        vae = pretrained.part(AutoencoderKL, folder / "vae")
        scheduler = pretrained.part(DDIMScheduler, folder / "scheduler")
        silence = pretrained.embedding(folder / "text_encoder", folder / "tokenizer", "")
        for network in (unet, vae):
            network.to(device).eval().requires_grad_(False)
        return Networks(unet, vae, scheduler, silence.to(device, dtype))
