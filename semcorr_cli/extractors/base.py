"""What every extractor is: a callable from pictures to feature maps, built from local files only."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import DeviceError, UsageError
from semcorr_cli.extractors.adapters import Adapter, load_adapter
from semcorr_cli.extractors.options import ExtractorOptions
from semcorr_cli.extractors.spec import ExtractorSpec

T = TypeVar("T")

Remember = Callable[[str, Callable[[], Tensor]], Tensor]
"""Returns the tensor kept under a name, computing it the first time."""

SAMPLES = 64
"""Places at which a large file is read to tell it from others."""

SAMPLE_BYTES = 1 << 16
"""Bytes read at each of them."""


class Extractor(ABC):
    """Base class of extractors.

    Constructing one never downloads, and reads no more than it must: networks are loaded when the first picture has to
    be described, so that features from the cache cost nothing.

    Attributes:
        spec: the row of the table it was built from.
        options: what it was told.
        device: where its networks run and its feature maps lie.
        dtype: precision of its networks; feature maps are float32 always.
        seed: of everything random.
        adapter: a head learnt on top of the features; None for none.
    """

    adapts: tuple[str, ...] = ()
    """Names of the layers that an adapter takes, in its order; empty where there are no adapters for such features."""

    def __init__(
        self,
        spec: ExtractorSpec,
        options: ExtractorOptions,
        weights: Mapping[str, Path],
        device: torch.device,
        dtype: torch.dtype,
        seed: int = 0,
        remember: Remember | None = None,
    ) -> None:
        self.spec = spec
        self.options = options
        self.device = device
        self.dtype = dtype
        self.seed = seed
        self.remember = remember or (lambda name, compute: compute())
        self.adapter: Adapter | None = None
        self.load(weights)
        if "adapter" in weights:
            if not self.adapts:
                raise UsageError(f"{spec.name} takes no adapter", hint="--features dino or hybrid:geoaware do")
            self.adapter = load_adapter(weights["adapter"]).to(device)

    def load(self, weights: Mapping[str, Path]) -> None:  # noqa: B027 (an extractor without weights has nothing to load)
        """Takes note of local files or folders of weights, by their roles."""

    @abstractmethod
    def describe(self, images: Sequence[Image]) -> list[FeatureStack]:
        """Returns what the layers say of each picture; alone or in a batch, a picture gives the same."""

    def fuse(self, stacks: Sequence[FeatureStack]) -> list[FeatureMap]:
        """Returns comparable descriptors of the pictures that are to be compared with each other."""
        if self.adapter is None:
            return self.combine(stacks)
        adapt = self.adapter
        return [stack.finished(adapt([stack.resized(name) for name in self.adapts])) for stack in stacks]

    def combine(self, stacks: Sequence[FeatureStack]) -> list[FeatureMap]:
        """Returns what `fuse` does when there is no adapter."""
        return [stack.finished() for stack in stacks]

    def extract(self, images: Sequence[Image]) -> list[FeatureMap]:
        """Returns a feature map for each picture by itself."""
        return [self.fuse([stack])[0] for stack in self.describe(images)]

    @property
    def recipe(self) -> str:
        """Everything but the picture that changes the stacks, as text: part of the cache key."""
        options = ", ".join(f"{key}={value}" for key, value in sorted(asdict(self.options).items()))
        return f"{self.spec.name} v{self.spec.version} ({options}) {str(self.dtype).removeprefix('torch.')}"


def working_hw(hw: Hw, side: int, stride: int) -> Hw:
    """Returns the size to resize a picture to: longer side about `side`, both sides multiples of the stride.

    The grid then covers the picture exactly; the aspect ratio changes by at most half a cell.
    """
    scale = side / max(hw)
    return tuple(max(1, round(length * scale / stride)) * stride for length in hw)  # type: ignore[return-value]


def fingerprint(*places: Path) -> str:
    """Returns what tells weights from others: names, sizes and samples of the content of files, or of whole folders.

    Gigabytes are not hashed at every start: large files are read at `SAMPLES` places, and a network that was trained
    further differs everywhere. `semcorr models verify` reads every byte.
    """
    total = hashlib.sha256()
    for place in places:
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        for path in files:
            size = path.stat().st_size
            total.update(f"{path.relative_to(place.parent)} {size}".encode())
            with path.open("rb") as file:
                if size <= SAMPLES * SAMPLE_BYTES:
                    total.update(file.read())
                    continue
                for number in range(SAMPLES):
                    file.seek(number * (size - SAMPLE_BYTES) // (SAMPLES - 1))
                    total.update(file.read(SAMPLE_BYTES))
    return total.hexdigest()[:16]


def patiently(compute: Callable[[int], T], members: int, what: str) -> T:
    """Computes with all members of a batch at once and, if the device's memory runs out, once more one by one.

    Args:
        compute: called with how many members to run at once.
        members: how many there are.
        what: what was computed, for the message.

    Raises:
        DeviceError: memory ran out again.
    """
    try:
        return compute(members)
    except torch.OutOfMemoryError:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    try:
        return compute(1)
    except torch.OutOfMemoryError:
        raise DeviceError(
            f"the device's memory does not hold {what}", hint="a smaller --max-side, --dtype bf16, or --device cpu"
        ) from None


def build(
    spec: ExtractorSpec,
    *,
    options: ExtractorOptions | None = None,
    weights: Mapping[str, Path] | None = None,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    remember: Remember | None = None,
) -> Extractor:
    """Imports and builds the extractor of a row."""
    module, _, name = spec.entry.partition(":")
    factory: type[Extractor] = getattr(import_module(module), name)
    return factory(spec, options or spec.options, weights or {}, device or torch.device("cpu"), dtype, seed, remember)
