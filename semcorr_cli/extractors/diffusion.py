"""Stable Diffusion features: states of the U-Net's decoder, through diffusers.

DIFT (Tang et al. 2023) adds noise and averages passes; sd-dino (Zhang et al. 2023) takes three layers at little noise,
through overlapping crops; CleanDIFT (Stracke et al. 2025) is a U-Net trained further so that one pass without noise
says as much. ODISE's captioner, which sd-dino and GeoAware-SC ran beside the U-Net, is not part of this: the prompt is
empty or the user's.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import UsageError
from semcorr_cli.extractors import fusion
from semcorr_cli.extractors.base import Extractor, fingerprint, patiently
from semcorr_cli.extractors.frame import Framed, framed, together
from semcorr_cli.extractors.options import DiffusionOptions
from semcorr_cli.extractors.pipeline import PARTS, Pipeline

STATES = {
    "s5": "up_blocks.0.resnets.1",
    "s4": "up_blocks.1.attentions.1",
    "us6": "up_blocks.1",
    "s3": "up_blocks.2.attentions.1",
    "us9": "up_blocks.2",
}
"""Modules of the U-Net whose output each decoder state is: s3 to s5 as sd-dino names them, us6 and us9 as CleanDIFT
does (DIFT's `up_ft_index` 1 and 2)."""

STRIDE = 16
"""Working pixels a cell of the grid of descriptors."""

LATENT = 8
"""Working pixels a latent."""

CROP = 512
"""Side in working pixels of the overlapping crops."""

SHARED_SEED = 42
"""Seed of the noise that all pictures share when the user's is 0: the one that sd-dino used."""

PASSES = 8
"""Latents at most that the U-Net sees together."""

NOISES = ("none", "own", "shared")


class Diffusion(Extractor):
    """Decoder states of a Stable Diffusion U-Net, run no further than the last one that is wanted."""

    options: DiffusionOptions

    def load(self, weights: Mapping[str, Path]) -> None:
        """Takes note of the folders.

        Raises:
            UsageError: a layer, a kind of noise or a step that there is not.
        """
        o = self.options
        for name, known in ((o.noise, NOISES), *((layer, tuple(STATES)) for layer in o.layers)):
            if name not in known:
                raise UsageError(f"{name!r} is none of {', '.join(known)}")
        if not 0 <= o.timestep < 1000:
            raise UsageError(f"timestep {o.timestep} is not between 0 and 999")
        if o.ensemble < 1 or not o.layers:
            raise UsageError("Stable Diffusion features need one pass and one layer at least")
        self._folder, self._unet = weights["diffusion"], weights["unet"]

    @cached_property
    def recipe(self) -> str:
        """The options, the seed and the weights."""
        parts = [self._unet, *(self._folder / name for name in PARTS)]
        return f"{super().recipe} seed {self.seed} {fingerprint(*(part for part in parts if part.exists()))}"

    @torch.inference_mode()
    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the decoder states of each picture."""
        o = self.options
        frames = [framed(image, o.side, STRIDE, o.frame) for image in images]
        layers = together(frames, self._cropped if o.crops else self._whole)
        return [frame.stack(own) for frame, own in zip(frames, layers, strict=True)]

    def combine(self, stacks: Sequence[FeatureStack]) -> list[FeatureMap]:
        """Returns the layers one behind the other, by their joint principal components if asked for."""
        maps = fusion.states(stacks, self.options.layers, self.options.pca)
        return [stack.finished(data) for stack, data in zip(stacks, maps, strict=True)]

    def _whole(self, frames: Sequence[Framed]) -> list[dict[str, Float[Tensor, "_ _ _"]]]:
        """Returns the states of frames of one size."""
        states = self._states(torch.stack([frame.rgb for frame in frames]))
        return [{name: state[n].contiguous() for name, state in states.items()} for n in range(len(frames))]

    def _cropped(self, frames: Sequence[Framed]) -> list[dict[str, Float[Tensor, "_ _ _"]]]:
        """Returns the states averaged over overlapping crops, as ODISE's backbone slides over large pictures."""
        h, w = frames[0].rgb.shape[1:]
        size = min(CROP, h, w)
        places = list(product(_starts(h, size), _starts(w, size)))
        crops = [frame.rgb[:, top : top + size, left : left + size] for frame in frames for top, left in places]
        layers: list[dict[str, Tensor]] = [{} for _ in frames]
        for name, states in self._states(torch.stack(crops)).items():
            channels, cells = states.shape[1], states.shape[-1]
            for own, parts in zip(layers, states.split(len(places)), strict=True):
                total = torch.zeros(channels, -(-h * cells // size), -(-w * cells // size), device=self.device)
                count = torch.zeros(total.shape[1:], device=self.device)
                for state, (top, left) in zip(parts, places, strict=True):
                    rows, columns = (slice(at * cells // size, at * cells // size + cells) for at in (top, left))
                    total[:, rows, columns] += state
                    count[rows, columns] += 1
                own[name] = total / count
        return layers

    def _states(self, pictures: Float[Tensor, "b 3 h w"]) -> dict[str, Float[Tensor, "b _ _ _"]]:
        """Returns the states of pictures of one size, each averaged over its ensemble."""
        o, pipeline = self.options, self._pipeline
        shape = (o.ensemble, pipeline.channels, pictures.shape[2] // LATENT, pictures.shape[3] // LATENT)
        means, deviations = pipeline.encoded(pictures)
        latents, noises = [], []
        for picture, mean, deviation in zip(pictures, means, deviations, strict=True):
            drawn, noise = self.draws(picture, shape)
            latents.append(mean + deviation * drawn if o.sampled else mean.expand(shape))
            noises.append(noise)
        start = torch.cat(latents)
        if o.noise != "none":
            start = pipeline.noised(start, torch.cat(noises), o.timestep)

        def run(chunk: int) -> dict[str, Float[Tensor, "b _ _ _"]]:
            parts = [pipeline.states(part, o.timestep, o.prompt, o.freeu) for part in start.split(chunk)]
            joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
            return {name: state.unflatten(0, (-1, o.ensemble)).mean(dim=1) for name, state in joined.items()}

        return patiently(run, min(len(start), PASSES), f"{self.spec.name} at {o.side} pixels")

    def draws(
        self, picture: Float[Tensor, "3 h w"], shape: tuple[int, int, int, int]
    ) -> tuple[Float[Tensor, "e c h2 w2"], Float[Tensor, "e c h2 w2"]]:
        """Returns what is random about a picture at working size: draws for its latents, and the noise.

        They are drawn on the CPU, the same for every device, from the user's seed and the picture's content; shared
        noise from the seed alone.
        """
        content = hashlib.sha256(picture.numpy().tobytes()).digest()
        own = torch.Generator().manual_seed(int.from_bytes(content[:6], "big") + self.seed)
        drawn = torch.randn(shape, generator=own)
        if self.options.noise == "shared":
            shared = torch.Generator().manual_seed(SHARED_SEED + self.seed)
            return drawn, torch.randn((1, *shape[1:]), generator=shared).expand(shape)
        return drawn, torch.randn(shape, generator=own)

    @cached_property
    def _pipeline(self) -> Pipeline:
        modules = {name: STATES[name] for name in self.options.layers}
        return Pipeline(self._folder, self._unet, modules, self.device, self.dtype, self.remember)


def _starts(length: int, size: int) -> list[int]:
    """Returns where crops start along a side: one after the other, the last one pushed back into the picture."""
    return sorted({min(start, length - size) for start in range(0, length, size)})
