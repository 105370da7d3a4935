"""Stable Diffusion and DINO side by side: the one knows the layout, the other the parts (Zhang et al. 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import UsageError
from semcorr_cli.extractors import fusion
from semcorr_cli.extractors.base import Extractor
from semcorr_cli.extractors.diffusion import Diffusion
from semcorr_cli.extractors.dino import Dino
from semcorr_cli.extractors.options import HybridOptions


class Hybrid(Extractor):
    """Both halves' layers in one stack, on DINO's grid; α weighs the halves."""

    options: HybridOptions

    def load(self, weights: Mapping[str, Path]) -> None:
        """Builds the halves."""
        o = self.options
        if o.diffusion.frame != o.dino.frame:
            raise UsageError("both halves of the hybrid features must frame pictures alike", hint="pad, fit or squash")
        if not 0 <= o.weight <= 1:
            raise UsageError(f"weight {o.weight} is not between 0 and 1")
        own = (self.device, self.dtype, self.seed, self.remember)
        self._diffusion = Diffusion(self.spec, o.diffusion, _only(weights, "diffusion", "unet"), *own)
        self._dino = Dino(self.spec, o.dino, _only(weights, "dino"), *own)
        self.adapts = (*o.diffusion.layers, "dino")

    @cached_property
    def recipe(self) -> str:
        """The recipes of the halves: α and joint components come after what is cached."""
        return f"{self._diffusion.recipe} + {self._dino.recipe}"

    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns the layers of both halves."""
        both = zip(self._diffusion.describe(images), self._dino.describe(images), strict=True)
        return [_joined(diffusion, dino) for diffusion, dino in both]

    def combine(self, stacks: Sequence[FeatureStack]) -> list[FeatureMap]:
        """Returns the halves, each of unit length and weighed, side by side."""
        o = self.options.diffusion
        maps = fusion.states(stacks, o.layers, o.pca)
        weight = self.options.weight
        return [
            stack.finished(fusion.halves(data, stack.resized("dino"), weight))
            for stack, data in zip(stacks, maps, strict=True)
        ]


def _only(weights: Mapping[str, Path], *roles: str) -> dict[str, Path]:
    return {role: weights[role] for role in roles}


def _joined(diffusion: FeatureStack, dino: FeatureStack) -> FeatureStack:
    return replace(dino, layers={**diffusion.layers, **dino.layers})
