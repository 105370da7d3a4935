"""DINO features against transformers' own forward pass."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel

from semcorr_cli import extractors
from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError, UsageError
from semcorr_cli.extractors.base import Extractor, build
from semcorr_cli.extractors.frame import framed
from semcorr_cli.extractors.options import DinoOptions
from tests import tiny_weights
from tests.specimens import picture

STRIDES = {"dinov2": 14, "dinov2_with_registers": 14, "dinov3_vit": 16, "dinov3_convnext": 32}
SPECIAL = {"dinov2": 1, "dinov2_with_registers": 5, "dinov3_vit": 5}
EVERY_FAMILY = pytest.mark.parametrize("family", STRIDES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("dino")
    return {family: tiny_weights.dino(root / family, family) for family in STRIDES}


def extractor(folder: Path, family: str, **options: Any) -> Extractor:
    spec = extractors.find("dino")
    chosen = DinoOptions(**{"side": 8 * STRIDES[family], "stride": STRIDES[family], "frame": "fit", **options})
    return build(spec, options=chosen, weights={"dino": folder})


def normalised(image: Image, family: str, side: int, frame: str = "fit") -> torch.Tensor:
    rgb = framed(image, side, STRIDES[family], frame).rgb
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    return ((rgb - mean) / deviation)[None]


def tokens(found: Extractor, image: Image) -> torch.Tensor:
    return found.describe([image])[0].layers["dino"]


@EVERY_FAMILY
@pytest.mark.parametrize("hw", [(90, 120), (120, 90), (70, 70)], ids=str)
def test_the_last_block_normalised_is_what_transformers_returns(
    folders: dict[str, Path], family: str, hw: tuple[int, int]
) -> None:
    image = picture(hw)
    network = AutoModel.from_pretrained(folders[family])
    given = normalised(image, family, 8 * STRIDES[family])
    expected = network(pixel_values=given).last_hidden_state[0]
    found = tokens(extractor(folders[family], family), image)
    assert found.shape[1:] == tuple(length // STRIDES[family] for length in given.shape[2:])
    last = network.layer_norm if family == "dinov3_convnext" else getattr(network, "layernorm", None) or network.norm
    patches = expected[SPECIAL.get(family, 1) :]
    assert torch.allclose(last(found.flatten(1).T), patches, atol=1e-4)
    assert not torch.allclose(found.flatten(1).T, patches, atol=1e-2)  # it is the state before the normalisation


@pytest.mark.parametrize("family", list(SPECIAL))
def test_earlier_blocks_are_what_transformers_says_they_are(folders: dict[str, Path], family: str) -> None:
    image = picture((70, 90))
    network = AutoModel.from_pretrained(folders[family])
    states = network(
        pixel_values=normalised(image, family, 8 * STRIDES[family]), output_hidden_states=True
    ).hidden_states
    for layer in (0, 1, -2):
        found = tokens(extractor(folders[family], family, layer=layer), image)
        expected = states[layer + 1 if layer >= 0 else layer][0, SPECIAL[family] :]
        assert torch.allclose(found.flatten(1).T, expected, atol=1e-4)


@pytest.mark.parametrize("family", list(SPECIAL))
@pytest.mark.parametrize("facet", ["query", "key", "value"])
def test_facets_are_projections_of_the_blocks_attention(folders: dict[str, Path], family: str, facet: str) -> None:
    image = picture((70, 90))
    network = AutoModel.from_pretrained(folders[family])
    caught: list[torch.Tensor] = []
    letter = {"query": "q_proj", "key": "k_proj", "value": "v_proj"}[facet]
    wanted = [module for name, module in network.named_modules() if name.endswith(letter)][1]
    wanted.register_forward_hook(lambda module, inputs, output: caught.append(output))
    network(pixel_values=normalised(image, family, 8 * STRIDES[family]))
    found = tokens(extractor(folders[family], family, layer=1, facet=facet), image)
    assert torch.allclose(found.flatten(1).T, caught[0][0, SPECIAL[family] :], atol=1e-4)


@EVERY_FAMILY
def test_descriptors_are_unit_the_same_twice_and_alone_as_in_a_batch(folders: dict[str, Path], family: str) -> None:
    images = [picture((90, 120)), picture((64, 50), 1)]
    one, two = extractor(folders[family], family), extractor(folders[family], family)
    for alone, again, together in zip(
        (one.extract([image])[0] for image in images), two.extract(images), one.extract(images), strict=True
    ):
        assert torch.equal(alone.data, again.data)
        assert torch.equal(alone.data, together.data)
        assert torch.allclose(alone.data.norm(dim=0), torch.ones(alone.hw), atol=1e-5)


def test_a_padded_picture_is_described_on_its_black_square_and_cut_out(folders: dict[str, Path]) -> None:
    image = picture((60, 120))
    found = extractor(folders["dinov2"], "dinov2", frame="pad").describe([image])[0]
    assert found.grid_hw == (8, 8)
    assert found.inside == (2, 0, 4, 8)
    assert found.layers["dino"].shape == (32, 8, 8)
    assert found.finished(found.resized("dino")).hw == (4, 8)
    canvas = framed(image, 112, 14, "pad").rgb
    assert float(canvas[:, :28].abs().max()) == float(canvas[:, 84:].abs().max()) == 0
    network = AutoModel.from_pretrained(folders["dinov2"])
    expected = network(pixel_values=normalised(image, "dinov2", 112, "pad")).last_hidden_state[0, 1:]
    assert torch.allclose(network.layernorm(found.layers["dino"].flatten(1).T), expected, atol=1e-4)


def test_blocks_after_the_wanted_one_are_not_kept(folders: dict[str, Path]) -> None:
    found = extractor(folders["dinov2"], "dinov2", layer=0)
    tokens(found, picture((50, 50)))
    network, _ = found._network
    kept = sum(parameter.numel() for name, parameter in network.named_parameters() if "layer.1" in name)
    assert kept == 0


def test_nothing_is_loaded_before_the_first_picture(folders: dict[str, Path]) -> None:
    found = extractor(folders["dinov2"], "dinov2")
    assert found.recipe
    assert "_network" not in vars(found)


def test_the_recipe_follows_the_weights(folders: dict[str, Path], tmp_path: Path) -> None:
    other = tiny_weights.dino(tmp_path / "other", "dinov2", layer_norm_eps=1e-5)
    assert extractor(folders["dinov2"], "dinov2").recipe != extractor(other, "dinov2").recipe


def test_what_is_no_such_network_is_refused_in_one_sentence(folders: dict[str, Path], tmp_path: Path) -> None:
    spec = extractors.find("dino")
    (tmp_path / "vit").mkdir()
    (tmp_path / "vit" / "config.json").write_text('{"model_type": "vit"}')
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "config.json").write_text((folders["dinov2"] / "config.json").read_text())
    for folder, message in ((tmp_path, "no folder of a DINO"), (tmp_path / "vit", "holds a vit")):
        with pytest.raises(InputError, match=message):
            build(spec, weights={"dino": folder})
    with pytest.raises(InputError, match="patches of 16 pixels"):
        build(spec, weights={"dino": folders["dinov3_vit"]})
    with pytest.raises(InputError, match="cannot be loaded"):
        build(spec, weights={"dino": tmp_path / "bare"}).describe([picture((50, 50))])


def test_layers_and_facets_that_there_are_not_are_usage_errors(folders: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="has 3 blocks"):
        extractor(folders["dinov2"], "dinov2", layer=3).describe([picture((50, 50))])
    with pytest.raises(UsageError, match="facet"):
        extractor(folders["dinov2"], "dinov2", facet="keys")
    with pytest.raises(UsageError, match="facet"):
        extractor(folders["dinov3_convnext"], "dinov3_convnext", facet="key")
    with pytest.raises(UsageError, match="frame"):
        extractor(folders["dinov2"], "dinov2", frame="stretch").describe([picture((50, 50))])
