"""DINO features: tokens of DINOv2 (Oquab et al. 2023) and DINOv3 (Siméoni et al. 2025) through transformers.

The output of a block is taken by a hook, before the network's last normalisation: that is what sd-dino, GeoAware-SC and
DIY-SC work on, and what `hidden_states[-1]` has and has not been in different versions of transformers.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError, UsageError
from semcorr_cli.extractors.base import Extractor, fingerprint, patiently
from semcorr_cli.extractors.frame import Framed, framed, together
from semcorr_cli.extractors.options import DinoOptions
from semcorr_cli.extractors.taps import tapped

FAMILIES = ("dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext")
"""`model_type` of the configurations that are understood."""

FACETS = {"query": ("q_proj", "query"), "key": ("k_proj", "key"), "value": ("v_proj", "value")}
"""Names that versions of transformers give the projection of the attention that each facet is the output of."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the channels of ImageNet, on which the networks expect pictures to be normalised."""


class Dino(Extractor):
    """Tokens of a vision transformer's block, or a stage of a DINOv3 convolutional network, as they are."""

    options: DinoOptions
    adapts = ("dino",)

    def load(self, weights: Mapping[str, Path]) -> None:
        """Reads the configuration.

        Raises:
            InputError: the folder holds no such network, or one with patches of another size.
            UsageError: the network has no such layer or facet.
        """
        self._folder = weights["dino"]
        try:
            self._config: dict[str, Any] = json.loads((self._folder / "config.json").read_text(encoding="utf-8"))
            family = self._config["model_type"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self._folder} is no folder of a DINO network: {error}") from None
        if family not in FAMILIES:
            raise InputError(f"{self._folder} holds a {family}", hint=f"known: {', '.join(FAMILIES)}")
        self._convolutional = family == "dinov3_convnext"
        sides = self._config.get("hidden_sizes", ())
        stride = 4 * 2 ** (len(sides) - 1) if self._convolutional else self._config.get("patch_size", 14)
        if stride != self.options.stride:
            raise InputError(
                f"{self._folder} has patches of {stride} pixels, {self.spec.name} takes {self.options.stride}",
                hint=f"--feature-option stride={stride}, or the --features of its family",
            )
        facets = ("token",) if self._convolutional else ("token", *FACETS)
        if self.options.facet not in facets:
            raise UsageError(f"facet {self.options.facet!r} is none of {', '.join(facets)}")

    @cached_property
    def recipe(self) -> str:
        """The options and the weights."""
        return f"{super().recipe} {fingerprint(self._folder)}"

    @torch.inference_mode()
    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the tokens of each picture as the layer "dino"."""
        o = self.options
        frames = [framed(image, o.side, o.stride, o.frame) for image in images]
        layers = together(frames, self._layers)
        return [frame.stack({"dino": layer}) for frame, layer in zip(frames, layers, strict=True)]

    def combine(self, stacks: Sequence[FeatureStack]) -> list[FeatureMap]:
        """Returns the tokens as unit descriptors."""
        return [stack.finished(stack.resized("dino")) for stack in stacks]

    def _layers(self, frames: Sequence[Framed]) -> list[Float[Tensor, "c h w"]]:
        """Returns the tokens of frames of one size."""
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        pictures = (torch.stack([frame.rgb for frame in frames]) - mean) / deviation

        def run(chunk: int) -> Tensor:
            return torch.cat([self._tokens(part.to(self.device, self.dtype)) for part in pictures.split(chunk)])

        found = patiently(run, len(frames), f"{self.spec.name} at {self.options.side} pixels")
        if not self._convolutional:
            rows, columns = frames[0].grid_hw
            # What comes before the patches (class token, registers) differs by family; the patches are always last.
            found = found[:, -rows * columns :].mT.reshape(len(frames), -1, rows, columns)
        return [layer.contiguous() for layer in found]

    def _tokens(self, pictures: Float[Tensor, "b 3 h w"]) -> Tensor:
        network, tap = self._network
        return tapped(lambda: network(pixel_values=pictures), {"dino": tap})["dino"].float()

    @cached_property
    def _network(self) -> tuple[nn.Module, nn.Module]:
        """The network without the blocks that are not needed, and the module whose output is taken."""
        from transformers import AutoModel

        try:
            network: nn.Module = AutoModel.from_pretrained(self._folder, dtype=self.dtype, local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{self._folder} cannot be loaded as a DINO network: {reason}") from None
        blocks = _blocks(network, self._config, self._convolutional)
        layer = self.options.layer + (len(blocks) if self.options.layer < 0 else 0)
        if not 0 <= layer < len(blocks):
            raise UsageError(f"layer {self.options.layer}: {self._folder} has {len(blocks)} blocks, from 0")
        for later in range(layer + 1, len(blocks)):
            blocks[later] = nn.Identity()
        block = blocks[layer]
        if self.options.facet != "token":
            names = FACETS[self.options.facet]
            block = next(module for path, module in block.named_modules() if path.split(".")[-1] in names)
        return network.to(self.device).eval(), block


def _blocks(network: nn.Module, config: Mapping[str, Any], convolutional: bool) -> nn.ModuleList:
    """Returns the network's blocks in order, wherever the version of transformers keeps them."""
    name, count = ("stages", len(config["hidden_sizes"])) if convolutional else ("layer", config["num_hidden_layers"])
    return next(
        module
        for path, module in network.named_modules()
        if isinstance(module, nn.ModuleList) and path.split(".")[-1] == name and len(module) == count
    )
