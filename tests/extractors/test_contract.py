import socket
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from semcorr_cli import extractors
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.extractors import SPECS
from semcorr_cli.extractors.base import Extractor, build, working_hw
from semcorr_cli.extractors.spec import ExtractorSpec, given_places
from semcorr_cli.matchers import nearest
from tests import tiny_weights
from tests.specimens import cut, flat, picture

SHRUNK = {"dino": 112, "dino:v3-base": 128, "hybrid:sd-dino": 112, "hybrid:geoaware": 112}
"""Working sides at which small random networks say all there is to be said; those of other rows are their own."""

SUBJECTS = [
    replace(spec, options=spec.options.resized(SHRUNK.get(spec.name, 112 if spec.models else spec.options.side)))
    for spec in SPECS
    if spec.family != "dino" or spec.name in SHRUNK  # the other sizes of DINO differ in their weights alone
]

EVERY_SPEC = pytest.mark.parametrize("spec", SUBJECTS, ids=lambda spec: spec.name)

Build = Callable[..., Extractor]

NOWHERE = Path("nowhere")

SHAPES = [(120, 160), (160, 120), (64, 64), (8, 8), (8, 200), (300, 16), (97, 131)]

SHAPED = [(spec, hw) for spec in SUBJECTS for hw in (SHAPES[3:] if spec.models else SHAPES)]

CHANNELS = {"dino": 32, "dino:v3-base": 32, "diffusion": 64, "diffusion:dift": 64}
CHANNELS |= {"hybrid": 64 + 32, "hybrid:geoaware": 32 + 64 + 64 + 32}
"""Of descriptors made with small random weights; joint components depend on the number of cells besides."""


@pytest.fixture(scope="module")
def weights(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """Small random weights of each row."""
    folder = tmp_path_factory.mktemp("contract")
    own = {"dino:v3-base": "dinov3_vit"}
    dinos = {name: tiny_weights.dino(folder / family, family) for name, family in own.items()}
    return {
        spec.summary: spec.places(NOWHERE)
        if not spec.models
        else given_places(spec.family, {"hybrid": tiny, "diffusion": tiny, "dino": dinos.get(spec.name, tiny / "dino")})
        for spec in SUBJECTS
    }


@pytest.fixture
def built(weights: dict[str, dict[str, Path]]) -> Build:
    """Builds the extractor of a row; it is handed local files, so that there is nothing to download."""

    def build_(spec: ExtractorSpec, **chosen: Any) -> Extractor:
        return build(spec, weights=weights[spec.summary], **chosen)

    return build_


def described(extractor: Extractor, image: Image) -> FeatureMap:
    return extractor.extract([image])[0]


@pytest.mark.parametrize(("spec", "hw"), SHAPED, ids=lambda value: getattr(value, "name", str(value)))
def test_features_are_unit_vectors_on_a_grid_of_the_pictures_shape(
    built: Build, spec: ExtractorSpec, hw: tuple[int, int]
) -> None:
    found = described(built(spec), picture(hw))
    assert found.image_hw == hw
    assert found.data.dtype == torch.float32
    assert found.flat().data_ptr() == found.data.data_ptr()  # cells lie together in memory
    if spec.name in CHANNELS or not spec.models:
        assert found.data.shape[0] == CHANNELS.get(spec.name, spec.channels)
    cells = spec.options.side / spec.stride
    assert max(found.hw) == round(cells)
    for got, length in zip(found.hw, hw, strict=True):
        assert got >= 1
        if getattr(spec.options, "frame", "") == "squash":
            assert got == round(cells)
            continue
        assert abs(got - cells * length / max(hw)) <= (0.5 + 1e-6 if got > 1 else 1)
    assert torch.allclose(found.data.norm(dim=0), torch.ones(found.hw), atol=1e-5)


@EVERY_SPEC
def test_the_same_picture_gives_the_same_features(built: Build, spec: ExtractorSpec) -> None:
    first, second = described(built(spec), picture((120, 90))), described(built(spec), picture((120, 90)))
    assert torch.equal(first.data, second.data)


@EVERY_SPEC
def test_a_picture_is_described_alone_as_in_a_batch(built: Build, spec: ExtractorSpec) -> None:
    extractor = built(spec)
    batch = [picture((120, 90), 1), picture((60, 100), 2), flat((40, 40), 0.5), picture((120, 90), 3, alpha=True)]
    found = extractor.describe(batch)
    assert len(found) == len(batch)
    for image, together in zip(batch, found, strict=True):
        alone = extractor.describe([image])[0]
        assert together.layers.keys() == alone.layers.keys()
        for name, layer in alone.layers.items():
            assert torch.allclose(together.layers[name], layer, atol=1e-5 * float(layer.abs().max()))
    assert extractor.extract([]) == []


TOGETHER = [spec for spec in SUBJECTS if spec.models and getattr(spec.options, "ensemble", 1) == 1]
"""Rows whose networks have room for more than one picture at once."""


@pytest.mark.parametrize("spec", TOGETHER, ids=lambda spec: spec.name)
def test_pictures_of_one_frame_go_through_the_network_together(
    built: Build, spec: ExtractorSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    call = torch.nn.functional.linear

    def counted(given: torch.Tensor, *others: Any) -> torch.Tensor:
        sizes.append(len(given))
        return call(given, *others)

    extractor = built(spec)
    images = [picture((120, 90), seed) for seed in range(3)]
    extractor.describe(images)  # loads what has to be loaded, text encoders too
    monkeypatch.setattr(torch.nn.functional, "linear", counted)
    extractor.describe(images[:1])
    alone, sizes[:] = list(sizes), []
    extractor.describe(images)
    assert max(sizes) > max(alone)
    assert len(sizes) < 3 * len(alone)


@pytest.mark.parametrize("spec", [spec for spec in SUBJECTS if not spec.models], ids=lambda spec: spec.name)
@pytest.mark.parametrize(("top", "left", "hw"), [(32, 0, (140, 256)), (0, 40, (256, 150)), (0, 30, (256, 215))])
def test_the_grid_covers_the_picture_exactly(
    built: Build, spec: ExtractorSpec, top: int, left: int, hw: tuple[int, int]
) -> None:
    # Parts of one picture at one working scale: cells are where they claim to be only if nothing is padded or cut off.
    extractor, whole = built(spec), picture((256, 296))
    base, part = cut(whole, 0, 0, (256, 256)), cut(whole, top, left, hw)
    found = nearest.match(described(extractor, part), described(extractor, base)).matches
    place = found.source / torch.tensor([float(hw[1]), float(hw[0])])
    inner = ((place > 0.12) & (place < 0.88)).all(dim=-1) & (found.score > 0.8)
    cell = 256 * spec.stride / spec.options.side
    shift = (found.target - found.source - torch.tensor([float(left), float(top)])) / cell
    for first in (place[:, 0] < 0.5, place[:, 1] < 0.5):
        for half in (first & inner, ~first & inner):
            assert int(half.sum()) > 50
            assert float(shift[half].median(dim=0).values.abs().max()) < 0.5


@EVERY_SPEC
def test_every_part_of_the_picture_has_a_say(built: Build, spec: ExtractorSpec) -> None:
    extractor, image = built(spec), picture((120, 160))
    before = described(extractor, image)
    for rows, columns in ((slice(0, 12), slice(0, 12)), (slice(-12, None), slice(-12, None))):
        changed = image.rgb.clone()
        changed[:, rows, columns] = changed[:, rows, columns].flip(-1).mul(0.3)
        similarity = (described(extractor, Image(changed)).data * before.data).sum(dim=0)
        cell = (0, 0) if rows.start == 0 else (-1, -1)
        # What small random networks say varies little over a picture.
        assert float(similarity[cell]) < (0.9999 if spec.models else 0.97)
        if spec.family != "diffusion":  # a U-Net sees the whole picture from everywhere
            assert float(similarity.median()) > float(similarity[cell])


@EVERY_SPEC
def test_transparent_pixels_do_not_matter(built: Build, spec: ExtractorSpec) -> None:
    extractor, image = built(spec), picture((120, 90), 1, alpha=True)
    poisoned = replace(image, rgb=torch.where(image.alpha == 0, torch.ones(3, 1, 1), image.rgb))
    assert torch.allclose(described(extractor, image).data, described(extractor, poisoned).data, atol=1e-6)
    opaque = replace(image, alpha=None)
    assert not torch.allclose(described(extractor, image).data, described(extractor, opaque).data, atol=1e-2)


@EVERY_SPEC
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_have_features_too(built: Build, spec: ExtractorSpec, value: float) -> None:
    found = described(built(spec), flat((60, 90), value))
    assert bool(found.data.isfinite().all())
    assert torch.allclose(found.data.norm(dim=0), torch.ones(found.hw), atol=1e-5)


@EVERY_SPEC
def test_building_and_describing_open_no_socket(
    built: Build, spec: ExtractorSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert described(built(spec), picture((60, 60))).hw


@EVERY_SPEC
def test_the_recipe_tells_apart_whatever_changes_the_numbers(built: Build, spec: ExtractorSpec) -> None:
    larger = spec.options.resized(spec.options.side + 2 * spec.stride)
    variants = [
        built(spec),
        built(spec, options=larger),
        built(spec, dtype=torch.float16),
        built(replace(spec, version=spec.version + 1)),
        built(replace(spec, name="another")),
    ]
    finer = [options for options in (spec.fine_options, spec.close_options) if options is not None]
    variants += [built(spec, options=options) for options in finer]
    assert len({extractor.recipe for extractor in variants}) == len(variants)
    assert built(spec).recipe == built(spec, options=replace(spec.options)).recipe
    for option in fields(spec.options):
        # How the halves of hybrid features are weighed comes after what is cached.
        assert option.name in built(spec).recipe or option.name in ("diffusion", "dino", "weight")


@EVERY_SPEC
def test_a_larger_side_gives_a_finer_grid(built: Build, spec: ExtractorSpec) -> None:
    options = spec.options.resized(2 * spec.options.side)
    coarse, fine = (
        described(built(spec), picture((96, 128))),
        described(built(spec, options=options), picture((96, 128))),
    )
    assert fine.hw == (2 * coarse.hw[0], 2 * coarse.hw[1])


@EVERY_SPEC
def test_fine_features_have_the_grid_of_the_first_ones(built: Build, spec: ExtractorSpec) -> None:
    if spec.fine_options is None:
        assert not spec.cheap
        return
    for options in (spec.fine_options, spec.close_options or spec.fine_options):
        fine = described(built(spec, options=options), picture((120, 90)))
        assert fine.hw == described(built(spec), picture((120, 90))).hw


def test_names_are_unique_and_found() -> None:
    assert len(set(extractors.names())) == len(SPECS)
    for spec in SPECS:
        assert extractors.find(spec.name) is spec
        if spec.preset:
            assert extractors.find(spec.preset) is extractors.find(f"{spec.family}:{spec.preset}") is spec
    for name in ("no such extractor", "", "hybrid:", ":clean", "dino:clean"):
        assert extractors.find(name) is None


def test_families_have_a_row_of_their_plain_name() -> None:
    assert {spec.family for spec in SPECS} <= set(extractors.names())
    assert set(extractors.AUTO) <= set(extractors.names())


@pytest.mark.parametrize(
    ("hw", "side", "stride", "expected"),
    [
        ((100, 200), 320, 8, (160, 320)),
        ((200, 100), 320, 8, (320, 160)),
        ((101, 200), 320, 8, (160, 320)),
        ((8, 8000), 320, 8, (8, 320)),
        ((33, 50), 56, 14, (42, 56)),
        ((10, 10), 30, 14, (28, 28)),
    ],
)
def test_working_sizes_by_hand(hw: tuple[int, int], side: int, stride: int, expected: tuple[int, int]) -> None:
    assert working_hw(hw, side, stride) == expected
