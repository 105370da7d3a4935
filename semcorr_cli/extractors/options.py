"""Options of the extractors: frozen dataclasses, part of the cache key; imports no torch."""

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from semcorr_cli.errors import UsageError

Options = TypeVar("Options", bound="ExtractorOptions")


@dataclass(frozen=True, slots=True)
class ExtractorOptions:
    """What every extractor can be told.

    Attributes:
        side: working size in pixels of the picture's longer side.
    """

    side: int

    def resized(self: Options, side: int) -> Options:
        """Returns the options for another working size."""
        return replace(self, side=side)


@dataclass(frozen=True, slots=True)
class SiftOptions(ExtractorOptions):
    """Options of the dense multi-scale RootSIFT.

    Attributes:
        side: working size in pixels of the picture's longer side.
        stride: working pixels between cell centres.
        patches: side in working pixels of the square each descriptor looks at, one entry a scale.
        patch_weights: share of each scale in the similarity.
        orientations: bins round the circle of each of a patch's 4 × 4 places.
        position_prior: weight of the relative position in the picture in the similarity; 0 for none. Helps where both
            pictures are framed alike (+1 to +2 points of PCK@0.10 on such pairs) and hurts where they are not.
    """

    side: int = 320
    stride: int = 8
    patches: tuple[int, ...] = (40, 80, 160, 320)
    patch_weights: tuple[float, ...] = (1.0, 1.5, 1.5, 1.5)
    orientations: int = 8
    position_prior: float = 0.0


@dataclass(frozen=True, slots=True)
class BuiltinOptions(ExtractorOptions):
    """Options of the built-in network.

    Attributes:
        side: working size in pixels of the picture's longer side; a cell of the grid is 8 of them.
        scales: sizes at which the network looks, as shares of `side`; the maps are averaged.
        sift_weight: weight of dense RootSIFT in the similarity, beside the network's 1; 0 for none.
        sift_patches: its patches, in working pixels.
        sift_orientations: bins round the circle of each of a patch's 4 × 4 places.
    """

    side: int = 320
    scales: tuple[float, ...] = (0.5, 0.6, 0.8)
    sift_weight: float = 0.0
    sift_patches: tuple[int, ...] = ()
    sift_orientations: int = 8


@dataclass(frozen=True, slots=True)
class FacingOptions(ExtractorOptions):
    """Options of the network that tells ends apart.

    Attributes:
        side: working size in pixels of the picture's longer side; a cell of the grid is 16 of them.
        scales: sizes at which the network looks, as shares of `side`; the maps are averaged.
    """

    side: int = 256
    scales: tuple[float, ...] = (0.75, 1.0)


@dataclass(frozen=True, slots=True)
class DinoOptions(ExtractorOptions):
    """Options of DINO features.

    Attributes:
        side: working size in pixels of the picture's longer side.
        stride: pixels of a patch: 14 for DINOv2, 16 for DINOv3's transformers, 32 for its convolutional networks.
        layer: block whose output is taken, before any normalisation; −1 is the last (11 of the base models).
        facet: "token", or "query", "key" or "value" of the block's attention.
        frame: how the picture meets the working size; see `frame.framed`.
    """

    side: int = 840
    stride: int = 14
    layer: int = -1
    facet: str = "token"
    frame: str = "pad"


@dataclass(frozen=True, slots=True)
class DiffusionOptions(ExtractorOptions):
    """Options of Stable Diffusion features.

    Attributes:
        side: working size in pixels of the picture's longer side; a cell of the grid is 16 of them.
        layers: decoder states; see `diffusion.STATES`.
        timestep: the step of the noise schedule that the U-Net is told, and to which noise is added.
        noise: "own" draws it for each picture and member, "shared" once for all pictures, "none" adds none.
        ensemble: passes, each with its own noise, whose features are averaged.
        sampled: draw the latent from the encoder's distribution instead of taking its mean.
        crops: look through overlapping windows of 512 pixels instead of at the whole frame.
        freeu: amplify the decoder as FreeU does (Si et al. 2023), with the gains of the GeoAware-SC features.
        pca: principal components kept of each layer, found jointly for the pair; 0 for the layers as they are.
        prompt: what the picture shows, in words.
        frame: how the picture meets the working size; see `frame.framed`.
    """

    side: int = 768
    layers: tuple[str, ...] = ("us6",)
    timestep: int = 261
    noise: str = "none"
    ensemble: int = 1
    sampled: bool = False
    crops: bool = False
    freeu: bool = False
    pca: int = 0
    prompt: str = ""
    frame: str = "squash"


@dataclass(frozen=True, slots=True)
class HybridOptions(ExtractorOptions):
    """Options of Stable Diffusion and DINO features side by side.

    Attributes:
        side: working size for DINO in pixels of the picture's longer side; that for Stable Diffusion follows it.
        diffusion: of the one half.
        dino: of the other.
        weight: α, the share of Stable Diffusion: its unit descriptors count α, DINO's 1 − α.
    """

    side: int = 840
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    dino: DinoOptions = field(default_factory=DinoOptions)
    weight: float = 0.5

    def resized(self, side: int) -> "HybridOptions":
        """Returns the options for another working size; both halves keep the ratio of their grids."""
        cells = max(1, round(side / self.dino.stride))
        ratio = (self.diffusion.side // 16) / (self.dino.side // self.dino.stride)
        diffusion = self.diffusion.resized(max(1, round(cells * ratio)) * 16)
        return replace(self, side=side, diffusion=diffusion, dino=self.dino.resized(cells * self.dino.stride))


def changed(options: Options, key: str, text: str) -> Options:
    """Returns options with one of them changed.

    Args:
        options: of an extractor.
        key: name of a field; `dino.layer` for a field of a part.
        text: the value as it is typed; several are separated by commas or plus signs.

    Raises:
        UsageError: there is no such option, or the value is not of its kind.
    """
    name, _, rest = key.partition(".")
    values = {entry.name: getattr(options, entry.name) for entry in fields(options)}
    parts = [part for part, value in values.items() if isinstance(value, ExtractorOptions)]
    if name not in values or (name in parts) != bool(rest):
        known = [part for part in values if part not in parts]
        known += [f"{part}.{entry.name}" for part in parts for entry in fields(values[part])]
        raise UsageError(f"--feature-option {key}: there is no such option here", hint=f"known: {', '.join(known)}")
    value = changed(values[name], rest, text) if rest else _read(key, text, values[name])
    return replace(options, **{name: value})


def _read(key: str, text: str, like: Any) -> Any:
    """Returns the value that a text stands for, of the kind of another value."""
    if isinstance(like, tuple):
        kind = like[0] if like else 0
        return tuple(_read(key, part, kind) for part in re.split(r"[,+]", text) if part)
    try:
        if isinstance(like, bool):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        return type(like)(text)
    except (KeyError, ValueError):
        raise UsageError(f"--feature-option {key}={text}: like {like!r}, it must be a {type(like).__name__}") from None
