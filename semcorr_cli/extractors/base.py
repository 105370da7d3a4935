"""What every extractor is: a callable from a batch of pictures to feature maps, built from local files only."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import torch

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.extractors import ExtractorSpec
from semcorr_cli.extractors.options import ExtractorOptions


class Extractor(ABC):
    """Base class of extractors.

    Constructing one never downloads: whatever weights it needs are handed over as local paths.

    Attributes:
        spec: the row of the table it was built from.
        options: what it was told.
        device: where its networks run and its feature maps lie.
        dtype: precision of its networks; feature maps are float32 always.
    """

    def __init__(
        self,
        spec: ExtractorSpec,
        options: ExtractorOptions,
        weights: Sequence[Path],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.spec = spec
        self.options = options
        self.device = device
        self.dtype = dtype
        self.load(weights)

    def load(self, weights: Sequence[Path]) -> None:  # noqa: B027 (an extractor without weights has nothing to load)
        """Reads weights from local files, one for each of the spec's rows."""

    @abstractmethod
    def extract(self, images: Sequence[Image]) -> list[FeatureMap]:
        """Returns a feature map for each picture; alone or in a batch, a picture gives the same map."""

    @property
    def recipe(self) -> str:
        """Everything but the picture that changes the numbers, as text: part of the cache key."""
        options = ", ".join(f"{key}={value}" for key, value in sorted(asdict(self.options).items()))
        return f"{self.spec.name} v{self.spec.version} ({options}) {str(self.dtype).removeprefix('torch.')}"


def working_hw(hw: Hw, side: int, stride: int) -> Hw:
    """Returns the size to resize a picture to: longer side about `side`, both sides multiples of the stride.

    The grid then covers the picture exactly; the aspect ratio changes by at most half a cell.
    """
    scale = side / max(hw)
    return tuple(max(1, round(length * scale / stride)) * stride for length in hw)  # type: ignore[return-value]


def build(
    spec: ExtractorSpec,
    *,
    options: ExtractorOptions | None = None,
    weights: Sequence[Path] = (),
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Extractor:
    """Imports and builds the extractor of a row."""
    module, _, name = spec.entry.partition(":")
    factory: type[Extractor] = getattr(import_module(module), name)
    return factory(spec, options or spec.options, weights, device or torch.device("cpu"), dtype)
