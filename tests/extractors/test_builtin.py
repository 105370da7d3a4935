import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from semcorr_cli.core.image import Image
from semcorr_cli.errors import InputError
from semcorr_cli.extractors import SPECS
from semcorr_cli.extractors.base import Extractor, build
from semcorr_cli.extractors.network import DescriptorNet, NetworkOptions, load_network, prepared
from semcorr_cli.extractors.options import BuiltinOptions, SiftOptions
from semcorr_cli.extractors.sift import dense_root_sift
from tests.specimens import picture

HW = (120, 160)

SPEC = next(spec for spec in SPECS if spec.name == "builtin")
PLAIN = BuiltinOptions(side=160, scales=(1.0,))
TINY = NetworkOptions(8, (8, 8, 16, 16), (1, 1, 1, 1), (1, 1), heads=2, fuse=16, dim=24)


def saved(path: Path, options: NetworkOptions, seed: int = 0, **metadata: str) -> Path:
    torch.manual_seed(seed)
    state = {key: value.contiguous() for key, value in DescriptorNet(options).state_dict().items()}
    save_file(state, path, metadata={"network": json.dumps(asdict(options)), **metadata})
    return path


def extractor(path: Path, options: BuiltinOptions = PLAIN, dtype: torch.dtype = torch.float32) -> Extractor:
    return build(SPEC, options=options, weights={"builtin": path}, dtype=dtype)


def features(
    image: Image, path: Path, options: BuiltinOptions = PLAIN, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    return extractor(path, options, dtype).extract([image])[0].data


def cosine(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one * other).sum(dim=0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.inference_mode():
        return saved(tmp_path_factory.mktemp("weights") / "tiny.safetensors", TINY)


def test_the_weights_of_the_package_are_a_network_of_the_right_width() -> None:
    (path,) = SPEC.files(Path("nowhere"))
    network = load_network(path)
    assert network.options.dim == SPEC.channels
    assert network.classify is None
    assert not network.training
    assert all(bool(value.isfinite().all()) for value in network.state_dict().values())


def test_what_was_written_is_read(tiny: Path) -> None:
    network = load_network(tiny)
    assert network.options == TINY
    torch.manual_seed(0)
    written = DescriptorNet(TINY).state_dict()
    assert all(torch.equal(written[key].float(), value.float()) for key, value in network.state_dict().items())


@pytest.mark.parametrize("kind", ["no file", "no safetensors", "no metadata", "another network", "a tensor too many"])
def test_a_file_that_holds_no_such_network_is_refused(kind: str, tmp_path: Path, tiny: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = {key: value.contiguous() for key, value in load_network(tiny).state_dict().items()}
    if kind == "no safetensors":
        path.write_bytes(b"nothing of the kind")
    elif kind == "no metadata":
        save_file(state, path)
    elif kind == "another network":
        save_file(state, path, metadata={"network": json.dumps(asdict(replace(TINY, dim=32)))})
    elif kind == "a tensor too many":
        surplus = {**state, "surplus": torch.zeros(1)}
        save_file(surplus, path, metadata={"network": json.dumps(asdict(TINY))})
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        load_network(path)


def test_other_weights_make_another_recipe(tiny: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other.safetensors", TINY, seed=1)
    assert extractor(tiny).recipe != extractor(other).recipe
    same = tmp_path / "same.safetensors"
    same.write_bytes(tiny.read_bytes())
    assert extractor(tiny).recipe == extractor(same).recipe


def test_root_sift_stands_beside_the_network_with_its_weight(tiny: Path) -> None:
    a, b = picture(HW, 1), picture(HW, 2)
    both = replace(PLAIN, sift_weight=3.0, sift_patches=(32, 64))
    sift = SiftOptions(side=160, patches=(32, 64), patch_weights=(1.0, 1.0))
    assert features(a, tiny, both).shape[0] == TINY.dim + 2 * 128
    network = cosine(features(a, tiny), features(b, tiny))
    precise = cosine(dense_root_sift(a, sift), dense_root_sift(b, sift))
    together = cosine(features(a, tiny, both), features(b, tiny, both))
    assert torch.allclose(together, (network + 3 * precise) / 4, atol=1e-4)


def test_scales_are_averaged_on_the_grid_of_the_first_size(tiny: Path) -> None:
    image = picture(HW)
    parts = [features(image, tiny, replace(PLAIN, scales=scales)) for scales in ((1.0,), (0.6,), (1.0, 0.6))]
    assert {part.shape for part in parts} == {(TINY.dim, 15, 20)}
    # the smaller map is brought to the grid before it is normalised, so that the mean is only nearly that of the parts
    mean = torch.nn.functional.normalize(parts[0] + parts[1], dim=0)
    assert float(cosine(parts[2], mean).min()) > 0.99
    assert not torch.allclose(parts[0], parts[1], atol=1e-3)
    assert float(cosine(parts[2], mean).mean()) > float(cosine(parts[2], parts[0]).mean())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_close_to_full_and_given_back_in_full(tiny: Path, dtype: torch.dtype) -> None:
    full, low = features(picture(HW), tiny), features(picture(HW), tiny, dtype=dtype)
    assert low.dtype == torch.float32
    assert float(cosine(full, low).min()) > 0.99
    assert not torch.equal(full, low)


@pytest.mark.parametrize(("hw", "expected"), [((120, 160), (120, 160)), ((300, 40), (160, 24)), ((8, 8), (160, 160))])
def test_pictures_are_prepared_at_the_working_size(hw: tuple[int, int], expected: tuple[int, int]) -> None:
    ready = prepared(picture(hw), 160)
    assert ready.shape == (1, 3, *expected)
    assert bool(((ready >= 0) & (ready <= 1)).all())
