"""The parts of a Stable Diffusion pipeline that features need: encoder, noise schedule, most of the U-Net, prompt."""

from collections.abc import Collection, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from semcorr_cli import pretrained
from semcorr_cli.errors import MissingError
from semcorr_cli.extractors import freeu
from semcorr_cli.extractors.base import Remember, fingerprint
from semcorr_cli.extractors.taps import tapped

PARTS = ("vae", "scheduler", "text_encoder", "tokenizer")
"""Sub-folders of a pipeline that features depend on, besides the U-Net's."""


class Pipeline:
    """What stands between pictures and decoder states.

    Only what is run is brought to the device: no decoder of the VAE, no blocks of the U-Net after the last state that
    is wanted; the text encoder runs on the CPU, and only for prompts whose embedding is not yet known.

    Attributes:
        channels: of a latent.
    """

    def __init__(
        self,
        folder: Path,
        unet: Path,
        modules: Mapping[str, str],
        device: torch.device,
        dtype: torch.dtype,
        remember: Remember,
    ) -> None:
        """Loads encoder, schedule and U-Net.

        Args:
            folder: of a pipeline, as diffusers saves one.
            unet: folder of the U-Net, or a file of weights for the one whose configuration lies in `folder`.
            modules: paths within the U-Net by the name of the state that their output is.
            device: where encoder and U-Net run.
            dtype: in what precision.
            remember: keeps embeddings of prompts.

        Raises:
            MissingError: a part is not there.
            InputError: a part cannot be loaded.
        """
        from diffusers import AutoencoderKL, DDIMScheduler

        self._folder, self._device, self._dtype, self._remember = folder, device, dtype, remember
        vae = pretrained.part(AutoencoderKL, folder / "vae", torch_dtype=dtype, low_cpu_mem_usage=False)
        vae.decoder, vae.post_quant_conv = nn.Identity(), nn.Identity()
        self._vae = vae.to(device, memory_format=torch.channels_last).eval()
        self.channels: int = vae.config.latent_channels
        self._schedule: Tensor = pretrained.part(DDIMScheduler, folder / "scheduler").alphas_cumprod
        network = pretrained.unet(folder, unet, dtype, partial(_strip, paths=modules.values()))
        self._unet = network.to(device, memory_format=torch.channels_last).eval()
        self._taps = {name: network.get_submodule(path) for name, path in modules.items()}

    def encoded(
        self, pictures: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b c h2 w2"], Float[Tensor, "b c h2 w2"]]:
        """Returns means and deviations of the scaled latents of sRGB pictures in [0, 1], float32 on the CPU."""
        scale = self._vae.config.scaling_factor
        means, deviations = [], []
        for picture in pictures:  # one by one: alone as in a batch, and at full size the encoder's memory is the peak
            given = (2 * picture[None] - 1).to(self._device, self._dtype)
            found = self._vae.encode(given).latent_dist
            means.append(found.mean.float().cpu() * scale)
            deviations.append(found.std.float().cpu() * scale)
        return torch.cat(means), torch.cat(deviations)

    def noised(
        self, latents: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"], timestep: int
    ) -> Float[Tensor, "b c h w"]:
        """Returns √ᾱ · latents + √(1 − ᾱ) · noise, the forward process (Ho et al. 2020, equation 4)."""
        share = self._schedule[timestep]
        return share.sqrt() * latents + (1 - share).sqrt() * noise

    def states(
        self, latents: Float[Tensor, "b c h w"], timestep: int, prompt: str, amplify: bool
    ) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Returns the wanted states of the U-Net, float32, in one pass that ends with the last of them."""
        given = latents.to(self._device, self._dtype, memory_format=torch.channels_last)
        words = self._embedding(prompt).to(self._device, self._dtype).expand(len(latents), -1, -1)
        with freeu.amplifying(self._unet) if amplify else nullcontext():
            found = tapped(lambda: self._unet(given, timestep, encoder_hidden_states=words), self._taps)
        if amplify:
            found = {
                name: freeu.amplified(state, self._unet.config.block_out_channels) for name, state in found.items()
            }
        return {name: state.float() for name, state in found.items()}

    def _embedding(self, prompt: str) -> Float[Tensor, "1 n d"]:
        """Returns the text encoder's last hidden states for a prompt, remembered so that it is rarely loaded."""
        encoder, tokenizer = self._folder / "text_encoder", self._folder / "tokenizer"
        for place in (encoder, tokenizer):
            if not place.is_dir():
                raise MissingError(f"there is no {place}, which says what the U-Net is told of the prompt")
        return self._remember(
            f"prompt {fingerprint(encoder, tokenizer)} {prompt!r}",
            lambda: pretrained.embedding(encoder, tokenizer, prompt),
        )


def _strip(network: Any, paths: Collection[str]) -> None:
    """Takes out of a U-Net everything that runs after the modules at `paths`, all of them in its decoder."""
    places = [path.split(".") for path in paths]
    last = max(int(place[1]) for place in places)
    for block in range(last + 1, len(network.up_blocks)):
        network.up_blocks[block] = nn.Identity()
    inner = [place[3:] for place in places if int(place[1]) == last]
    if all(inner):  # no state is the whole block's
        kept = 1 + max(int(number) for (number,) in inner)
        for kind, first in (("resnets", kept), ("attentions", kept), ("upsamplers", 0)):
            members = getattr(network.up_blocks[last], kind, None) or []
            for number in range(first, len(members)):
                members[number] = nn.Identity()
    for name in ("conv_norm_out", "conv_act", "conv_out"):
        setattr(network, name, nn.Identity())
