"""One extractor, one device, one cache: images become features, matches and warps.

A session is built once and reused: by a command for its pictures, by `evaluate` and batches for thousands of pairs.
"""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from semcorr_cli import extractors, weights
from semcorr_cli.core import resample
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.features import FeatureMap, FeatureStack
from semcorr_cli.core.image import Image
from semcorr_cli.errors import DeviceError, MissingError, UsageError
from semcorr_cli.extractors.base import Extractor, build
from semcorr_cli.extractors.options import DiffusionOptions, ExtractorOptions, HybridOptions, changed
from semcorr_cli.extractors.spec import ExtractorSpec
from semcorr_cli.io.cache import FeatureCache
from semcorr_cli.matchers import field as fields
from semcorr_cli.matchers import foreground, nearest
from semcorr_cli.matchers.looks import FieldOptions, Look, Looks
from semcorr_cli.matchers.support import local_support
from semcorr_cli.settings import Settings

COARSE, POSING, FACING, FINE, CLOSE = LOOKS = ("coarse", "posing", "facing", "fine", "close")
"""How a picture can be looked at; see `matchers.looks.Looks`."""

OWN = {POSING: extractors.POSING, FACING: extractors.FACING}
"""Looks that are taken through networks of the package, whatever pictures are matched by."""

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session is asked for; every field is an option of the command line.

    Attributes:
        features: name of an extractor, or "auto" for the best whose weights are on this disk.
        weights: local weights by family of extractors, instead of downloaded ones; see `extractors.spec.given_places`.
        adapter: file, or name of a model, of a head learnt on top of the features.
        feature_options: options of the extractor by name, `dino.layer` or `layer`, as text.
        prompt: what the pictures show, for extractors that can be told.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        dtype: "auto", "fp32", "fp16" or "bf16"; precision of networks.
        max_side: working size of the longer side instead of the extractor's own.
        seed: of everything random.
        cache: feature maps are kept on disk.
        field: how correspondences are found.
    """

    features: str = "auto"
    weights: Mapping[str, Path] = field(default_factory=dict)
    adapter: str | None = None
    feature_options: Mapping[str, str] = field(default_factory=dict)
    prompt: str = ""
    device: str = "auto"
    dtype: str = "auto"
    max_side: int | None = None
    seed: int = 0
    cache: bool = True
    field: FieldOptions = FieldOptions()


class Session:
    """Describes and matches pictures with one extractor on one device.

    Attributes:
        spec: the extractor's row of the table.
        device: where it runs.
        dtype: precision of its networks.
    """

    def __init__(self, options: SessionOptions, settings: Settings) -> None:
        """Chooses extractor and device; nothing is loaded until the first picture.

        Raises:
            UsageError: an unknown extractor or weights for one.
            MissingError: the extractor's weights are not on this disk.
            DeviceError: the device cannot be used.
        """
        self.options = options
        self.spec, self._weights = _choose(options, settings)
        self.device = _device(options.device)
        self.dtype = _dtype(options.dtype, self.device)
        nearest = options.field.nearest
        if self.spec.window is not None:
            nearest = replace(nearest, window=self.spec.window)
        side = max(options.field.side, self._told(self.spec.options).side)
        self._field = replace(options.field, calibration=self.spec.name, nearest=nearest, side=side)
        self._cache = FeatureCache(settings.cache, settings.cache_limit) if options.cache else None
        self._extractors: dict[str, Extractor] = {}
        self._from_cache: dict[str, bool] = {}

    @torch.inference_mode()
    def features(self, *images: Image, look: str = COARSE) -> list[FeatureMap]:
        """Returns the feature maps of pictures that are to be compared with each other.

        Args:
            images: any sizes.
            look: one of `LOOKS` but `FACING`, whose descriptors are no feature map; see `matchers.looks.Looks`.
        """
        return self._extractor(look).fuse([self.describe(image, look=look) for image in images])

    @torch.inference_mode()
    def describe(self, image: Image, *, look: str = COARSE) -> FeatureStack:
        """Returns what there is to say of a picture, from the cache where it has been described before.

        Args:
            image: any size; pictures without a digest are not cached.
            look: one of `LOOKS`.
        """
        if self._cache is None or not image.digest:
            found, is_known = self._extractor(look).describe([image])[0], False
        else:
            found, is_known = self._kept(image, look, self._cache)
        if image.digest and look == COARSE:
            self._from_cache.setdefault(_root(image.digest), is_known)
        return found.seen(image).to(self.device)

    def working(self, image: Image) -> Image:
        """Returns the reduced copy of a picture that `correspond` works on; a small one is its own."""
        return resample.shrink(image, self._field.side)

    def working_features(self, *images: Image) -> list[FeatureMap]:
        """Returns the feature maps of the pictures' working copies, which `correspond` describes too."""
        return self.features(*(self.working(image) for image in images))

    @torch.inference_mode()
    def prepare(self, images: Iterable[Image], *, is_matched: bool = True) -> int:
        """Describes pictures ahead of their use, together, where an extractor is faster that way.

        Args:
            images: any sizes, taken one by one.
            is_matched: they will be matched: their working copies are described, for all looks that are taken at whole
                pictures. Otherwise they themselves are, as `features` does.

        Returns:
            How many had not been described before.
        """
        if self._cache is None:
            return 0
        count = 0
        cache = self._cache
        small = [self.working(image) if is_matched else image for image in images if image.digest]
        sides = (FACING,) if self._field.flip == "auto" else ()
        for look in (COARSE, POSING, *sides) if is_matched else (COARSE,):
            wanted = {FeatureCache.key(self._extractor(look).recipe, image.digest): image for image in small}
            with cache.alone(list(wanted)):
                missing = {key: image for key, image in wanted.items() if cache.get(key) is None}
                found = self._extractor(look).describe(list(missing.values())) if missing else []
                for key, stack in zip(missing, found, strict=True):
                    cache.put(key, stack)
            count += len(missing) if look == COARSE else 0
        return count

    def again(self) -> "Session":
        """Returns a session for other pictures, with everything that this one has loaded."""
        other = copy.copy(self)
        other._from_cache = {}
        return other

    @torch.inference_mode()
    def correspond(self, source: Image, target: Image) -> Correspondence:
        """Finds the correspondence field between two pictures."""
        coarse, posing, fine, close = (self._look(look) for look in (COARSE, POSING, FINE, CLOSE))
        sides = partial(self.describe, look=FACING)
        looks = Looks(coarse, posing, sides, fine, close) if self.spec.cheap else Looks(coarse, posing, sides)
        return fields.correspond(source, target, looks, self._field, self.options.seed)

    @torch.inference_mode()
    def find_objects(self, source: Image, target: Image, *, of: tuple[bool, bool]) -> tuple[Image, Image]:
        """Returns the pictures with estimated masks of what they show; see `matchers.foreground`.

        Args:
            source: one picture.
            target: the other one, which shows something of the kind.
            of: whether to do so for the source, and for the target; the other one is returned as it is.
        """
        looked_at = features_s, features_t = self.working_features(source, target)
        matches = nearest.match(features_s, features_t, self._field.nearest).matches
        found = []
        for image, features, rows, wanted in zip(
            (source, target), looked_at, (matches.reversed(), matches), of, strict=True
        ):
            support = local_support(rows)(features.centres().cpu()).reshape(features.hw)
            found.append(replace(image, mask=foreground.estimate(image, features, support)) if wanted else image)
        return found[0], found[1]

    def on_device(self, source: Image, target: Image) -> tuple[Image, Image]:
        """Returns a pair of pictures where the session works, for effects to be drawn there."""
        return source.to(self.device), target.to(self.device)

    def cached(self, image: Image) -> bool:
        """Tells whether the picture's features were found in the cache when they were first asked for."""
        return self._from_cache.get(_root(image.digest), False)

    def close(self) -> None:
        """Keeps the cache below its limit."""
        if self._cache:
            self._cache.keep()

    def _kept(self, image: Image, look: str, cache: FeatureCache) -> tuple[FeatureStack, bool]:
        """Returns a picture's stack, and whether it was in the cache."""
        extractor = self._extractor(look)
        key = FeatureCache.key(extractor.recipe, image.digest)
        found = cache.get(key)
        if found is None:
            with cache.alone([key]):
                found = cache.get(key)  # another process may have been at it
                if found is None:
                    made = extractor.describe([image])[0]
                    cache.put(key, made)
                    return made, False
        return found, True

    def _look(self, look: str) -> Look:
        def compare(source: FeatureStack, target: FeatureStack) -> tuple[FeatureMap, FeatureMap]:
            first, second = self._extractor(look).fuse([source, target])
            return first, second

        return Look(partial(self.describe, look=look), compare)

    def _extractor(self, look: str) -> Extractor:
        if look not in self._extractors:
            if (own := OWN.get(look)) is not None:
                spec, options, given = own, own.options, own.places(Path())
            else:
                spec, given = self.spec, self._weights
                finer = {FINE: spec.fine_options, CLOSE: spec.close_options or spec.fine_options}.get(look)
                options = self._told(finer or spec.options)
            self._extractors[look] = build(
                spec,
                options=options,
                weights=given,
                device=self.device,
                dtype=torch.float32 if look in OWN else self.dtype,
                seed=self.options.seed,
                remember=self._cache.remember if self._cache else None,
            )
        return self._extractors[look]

    def _told(self, options: ExtractorOptions) -> ExtractorOptions:
        """Returns an extractor's options with what the user asked for."""
        if self.options.max_side is not None:
            options = options.resized(round(options.side * self.options.max_side / self.spec.options.side))
        for key, value in self.options.feature_options.items():
            options = changed(options, key, value)
        if not self.options.prompt:
            return options
        if isinstance(options, HybridOptions):
            return replace(options, diffusion=replace(options.diffusion, prompt=self.options.prompt))
        if isinstance(options, DiffusionOptions):
            return replace(options, prompt=self.options.prompt)
        raise UsageError(f"{self.spec.name} takes no prompt", hint="--features diffusion and hybrid do")


def _root(digest: str) -> str:
    """Returns the digest of the file that a reduced or mirrored picture comes from."""
    return digest.partition(":")[0]


def _choose(options: SessionOptions, settings: Settings) -> tuple[ExtractorSpec, dict[str, Path]]:
    known = ", ".join(extractors.names())
    families = {spec.family for spec in extractors.SPECS if spec.models or spec.packaged}
    for name, path in options.weights.items():
        if name not in families:
            names = ", ".join(sorted(families))
            raise UsageError(f"--weights names {name!r}, which is no extractor with weights", hint=f"known: {names}")
        if not path.exists():
            raise MissingError(f"--weights {name}: there is no file or folder {path}")
    wanted = extractors.AUTO if options.features == "auto" else (options.features,)
    for name in wanted:
        spec = extractors.find(name)
        if spec is None:
            raise UsageError(f"--features {name!r} is no extractor", hint=f"known: auto, {known}")
        local = weights.local(spec, options.weights, settings)
        if local is not None:
            return spec, local | weights.adapter(options.adapter, settings)
    raise MissingError(f"the weights of {name} are not on this machine", hint=f"semcorr models pull {name}")


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if re.fullmatch(r"cpu|mps|cuda(:\d+)?", name) is None:
        raise DeviceError(f"--device {name!r} is no device", hint="auto, cpu, cuda, cuda:N or mps")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DeviceError(f"--device {name} cannot be used: {reason}", hint="--device cpu works everywhere") from None
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name != "auto":
        return DTYPES[name]
    return torch.bfloat16 if device.type == "cuda" else torch.float32
