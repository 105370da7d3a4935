"""Images become feature maps; one file a backbone. SPECS is the table of names and imports no torch."""

from dataclasses import replace

from semcorr_cli.extractors.models import models
from semcorr_cli.extractors.options import (
    BuiltinOptions,
    DiffusionOptions,
    DinoOptions,
    ExtractorOptions,
    FacingOptions,
    HybridOptions,
    SiftOptions,
)
from semcorr_cli.extractors.spec import ExtractorSpec

AUTO = ("hybrid", "dino", "builtin")
"""What `--features auto` takes, the first one whose weights are on this disk."""

_CLEAN = DiffusionOptions()
_DIFT = replace(_CLEAN, noise="own", ensemble=8, sampled=True)
_SD15 = DiffusionOptions(
    side=960, layers=("s3", "s4", "s5"), timestep=100, noise="shared", crops=True, pca=256, frame="pad"
)
_GEOAWARE = replace(_SD15, timestep=50, freeu=True, pca=0)

_FINE = BuiltinOptions(scales=(1.0, 1.3), sift_weight=1.0, sift_patches=(32, 64, 128), sift_orientations=6)

_RAIL = "CreativeML Open RAIL++-M"


def _dino(preset: str, model: str, channels: int, stride: int = 14, side: int = 840) -> ExtractorSpec:
    weights = models(model)
    name = "dino" if preset == "base" else f"dino:{preset}"
    return ExtractorSpec(
        name=name,
        summary=f"{model}: tokens of its last block",
        entry="semcorr_cli.extractors.dino:Dino",
        options=DinoOptions(side=side, stride=stride),
        channels=channels,
        stride=stride,
        licence=weights[0].licence,
        version=1,
        preset=preset,
        models=weights,
    )


def _diffusion(preset: str, summary: str, options: ExtractorOptions, channels: int, *weights: str) -> ExtractorSpec:
    return ExtractorSpec(
        name="diffusion" if preset == "cleandift" else f"diffusion:{preset}",
        summary=summary,
        entry="semcorr_cli.extractors.diffusion:Diffusion",
        options=options,
        channels=channels,
        stride=16,
        licence=_RAIL if "sd21" in weights else "CreativeML OpenRAIL-M",
        version=1,
        preset=preset,
        models=models(*weights),
    )


def _hybrid(preset: str, summary: str, options: HybridOptions, channels: int, *weights: str) -> ExtractorSpec:
    return ExtractorSpec(
        name="hybrid" if preset == "clean" else f"hybrid:{preset}",
        summary=summary,
        entry="semcorr_cli.extractors.hybrid:Hybrid",
        options=options,
        channels=channels,
        stride=14,
        licence=f"{_RAIL if 'sd21' in weights else 'CreativeML OpenRAIL-M'}, Apache-2.0",
        version=1,
        preset=preset,
        models=models(*weights, "dinov2-base"),
        window=5 if preset == "geoaware" else None,
    )


SPECS: tuple[ExtractorSpec, ...] = (
    _hybrid(
        "clean",
        "CleanDIFT and DINOv2-B side by side; one pass of each",
        HybridOptions(diffusion=replace(_CLEAN, frame="fit"), dino=DinoOptions(frame="fit")),
        1280 + 768,
        "sd21",
        "cleandift",
    ),
    _hybrid(
        "sd-dino",
        "SD 1.5 and DINOv2-B, joint principal components of the pair (Zhang et al. 2023)",
        HybridOptions(diffusion=_SD15),
        3 * 256 + 768,
        "sd15",
        "sd15-unet",
    ),
    _hybrid(
        "geoaware",
        "SD 1.5 and DINOv2-B, raw layers, as GeoAware-SC without training (Zhang et al. 2024)",
        HybridOptions(diffusion=_GEOAWARE),
        640 + 1280 + 1280 + 768,
        "sd15",
        "sd15-unet",
    ),
    _dino("base", "dinov2-base", 768),
    _dino("small", "dinov2-small", 384),
    _dino("large", "dinov2-large", 1024),
    _dino("giant", "dinov2-giant", 1536),
    _dino("base-reg", "dinov2-base-reg", 768),
    _dino("small-reg", "dinov2-small-reg", 384),
    _dino("large-reg", "dinov2-large-reg", 1024),
    _dino("giant-reg", "dinov2-giant-reg", 1536),
    _dino("v3-small", "dinov3-small", 384, 16, 768),
    _dino("v3-small-plus", "dinov3-small-plus", 384, 16, 768),
    _dino("v3-base", "dinov3-base", 768, 16, 768),
    _dino("v3-large", "dinov3-large", 1024, 16, 768),
    _dino("v3-huge-plus", "dinov3-huge-plus", 1280, 16, 768),
    _dino("v3-7b", "dinov3-7b", 4096, 16, 768),
    _dino("v3-convnext-tiny", "dinov3-convnext-tiny", 768, 32, 1024),
    _dino("v3-convnext-small", "dinov3-convnext-small", 768, 32, 1024),
    _dino("v3-convnext-base", "dinov3-convnext-base", 1024, 32, 1024),
    _dino("v3-convnext-large", "dinov3-convnext-large", 1536, 32, 1024),
    _diffusion(
        "cleandift",
        "SD 2.1 as CleanDIFT, one pass without noise (Stracke et al. 2025)",
        _CLEAN,
        1280,
        "sd21",
        "cleandift",
    ),
    _diffusion("dift", "SD 2.1, mean of 8 noisy passes (Tang et al. 2023)", _DIFT, 1280, "sd21", "sd21-unet"),
    _diffusion("sd15", "SD 1.5, three layers in overlapping crops, as in sd-dino", _SD15, 3 * 256, "sd15", "sd15-unet"),
    ExtractorSpec(
        name="builtin",
        summary="a small network of our own, in the package; no network, a fraction of a second on a CPU",
        entry="semcorr_cli.extractors.builtin:Builtin",
        options=BuiltinOptions(),
        channels=128,
        stride=8,
        licence="Apache-2.0",
        version=3,
        packaged="builtin.safetensors",
        fine_options=_FINE,
        close_options=replace(_FINE, scales=(0.8, 1.0, 1.3)),
        cheap=True,
    ),
    ExtractorSpec(
        name="sift",
        summary="dense RootSIFT at four scales; no weights, no learning",
        entry="semcorr_cli.extractors.sift:DenseSift",
        options=SiftOptions(),
        channels=4 * 128,
        stride=8,
        licence="Apache-2.0",
        version=2,
        fine_options=SiftOptions(patches=(32, 64, 128), patch_weights=(1.0, 1.0, 1.0)),
        cheap=True,
    ),
)
"""All extractors, one row a recipe; a family's first row bears its plain name."""


def names() -> tuple[str, ...]:
    """Returns what `--features` accepts besides `auto`, presets by themselves aside."""
    return tuple(spec.name for spec in SPECS)


def find(name: str) -> ExtractorSpec | None:
    """Returns the row of a name, of a preset, or of both as family:preset; None for anything else."""
    return next(
        (spec for spec in SPECS if name in (spec.name, spec.preset or spec.name, f"{spec.family}:{spec.preset}")), None
    )


POSING = replace(
    next(spec for spec in SPECS if spec.name == "builtin"), options=BuiltinOptions(side=240, scales=(0.8,))
)
"""How pictures are described for telling their poses apart, whatever they are matched by."""

FACING = ExtractorSpec(
    name="facing",
    summary="a small network of our own, in the package, that tells fronts from backs",
    entry="semcorr_cli.extractors.facing:Facing",
    options=FacingOptions(),
    channels=32,
    stride=16,
    licence="Apache-2.0",
    version=2,
    packaged="facing.safetensors",
)
"""How pictures are described for telling which way things face, whatever they are matched by."""
