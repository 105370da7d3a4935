"""Adapters against published weights and an independent computation."""

import hashlib
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from semcorr_cli.errors import InputError, MissingError, UsageError
from semcorr_cli.extractors.adapters import Adapter, load_adapter
from tests.conftest import ROOT

REAL = ROOT.parent / "shared" / "data" / "adapters" / "diy_sc_dinov2b_0300.pth"
"""The published head of DIY-SC on DINOv2-B, where it is at hand."""


def head(widths: list[tuple[int, int]], dim: int = 64, seed: int = 0) -> Adapter:
    torch.manual_seed(seed)
    adapter = Adapter(widths, dim)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.copy_(0.3 * torch.randn_like(parameter))
    return adapter.eval()


def plain(state: dict[str, torch.Tensor], layers: list[torch.Tensor]) -> torch.Tensor:
    """The head's arithmetic, written down once more without modules."""

    def conv(x: torch.Tensor, key: str) -> torch.Tensor:
        weight = state[f"{key}.weight"]
        y = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        return functional.group_norm(y, 32, state[f"{key}.norm.weight"], state[f"{key}.norm.bias"])

    shares = torch.exp(state["mixing_weights"]) / torch.exp(state["mixing_weights"]).sum()
    total = torch.zeros(())
    for index, (share, layer) in enumerate(zip(shares, layers, strict=True)):
        key, x = f"bottleneck_layers.{index}.0", layer[None]
        y = conv(functional.relu(conv(functional.relu(conv(x, f"{key}.conv1")), f"{key}.conv2")), f"{key}.conv3")
        skip = conv(x, f"{key}.shortcut") if f"{key}.shortcut.weight" in state else x
        total = total + share * functional.relu(y + skip)[0]
    return total


def test_the_published_head_gives_the_published_numbers() -> None:
    if not REAL.is_file():
        pytest.skip("the published weights are not at hand")
    assert hashlib.sha256(REAL.read_bytes()).hexdigest().startswith("42e9c8a4d27041af7bb8dc5240ea3e83")
    adapter = load_adapter(REAL)
    assert sum(parameter.numel() for parameter in adapter.parameters()) + 2 == 628_995
    x = torch.sin(0.37 * torch.arange(768 * 36, dtype=torch.float64)).float().reshape(768, 6, 6)
    y = adapter([x])
    assert y.shape == (768, 6, 6)
    measured = [y.mean(), y.std(), y.max(), *y[:4, 0, 0], y[100, 3, 3]]
    golden = [0.789322, 1.054543, 8.039716, 0.91131, 0.52393, 2.71218, 1.38719, 3.43557]
    assert torch.allclose(torch.stack(measured), torch.tensor(golden), rtol=1e-4, atol=1e-5)
    tokens = functional.normalize(y.flatten(1).T, dim=1)
    assert float(tokens[0] @ tokens[1]) == pytest.approx(0.951141, abs=1e-4)
    assert float(tokens[0] @ tokens[35]) == pytest.approx(0.556615, abs=1e-4)


@pytest.mark.parametrize(
    "widths",
    [[(64, 32)], [(40, 32)], [(32, 32), (64, 32), (64, 32), (48, 32)]],
    ids=["same", "shortcut", "four branches"],
)
def test_a_head_is_the_weighted_sum_of_its_bottlenecks(widths: list[tuple[int, int]]) -> None:
    adapter = head(widths)
    layers = [torch.randn(channels, 5, 7) for channels, _ in widths]
    assert torch.allclose(adapter(layers), plain(dict(adapter.state_dict()), layers), atol=1e-5)


def test_four_branches_have_as_many_parameters_as_published() -> None:
    adapter = Adapter([(640, 192), (1280, 192), (1280, 192), (768, 192)], 768)
    assert sum(parameter.numel() for parameter in adapter.parameters()) + 2 == 5_150_214


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_what_is_saved_is_read(suffix: str, tmp_path: Path) -> None:
    adapter = head([(32, 32), (48, 32)])
    path = tmp_path / f"head{suffix}"
    state = {key: value.contiguous() for key, value in adapter.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    layers = [torch.randn(32, 4, 4), torch.randn(48, 4, 4)]
    assert torch.equal(load_adapter(path)(layers), adapter(layers))


def test_layers_of_other_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="takes layers of 32, 48 channels; these features have 32, 32"):
        head([(32, 32), (48, 32)])([torch.zeros(32, 3, 3), torch.zeros(32, 3, 3)])


def saved(tmp_path: Path, change: str) -> Path:
    state = {key: value.contiguous() for key, value in head([(32, 32)]).state_dict().items()}
    if change == "missing":
        del state["bottleneck_layers.0.0.conv2.norm.bias"]
    elif change == "surplus":
        state["head.weight"] = torch.zeros(3)
    elif change == "shape":
        state["bottleneck_layers.0.0.conv2.weight"] = torch.zeros(32, 32, 1, 1)
    elif change == "none":
        state = {"weight": torch.zeros(3)}
    path = tmp_path / f"{change}.safetensors"
    save_file(state, path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"1 keys are missing \(bottleneck_layers.0.0.conv2.norm.bias\)"),
        ("surplus", r"1 keys are not known \(head.weight\)"),
        ("shape", r"1 keys have other shapes \(bottleneck_layers.0.0.conv2.weight\)"),
        ("none", "no bottleneck layers"),
    ],
)
def test_other_weights_are_refused_by_their_keys(change: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        load_adapter(saved(tmp_path, change))


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"

    class Payload:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (mark,)

    torch.save({"bottleneck_layers.0.0.conv1.weight": Payload()}, tmp_path / "new.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Payload(), protocol=2))
    for name in ("new.pth", "old.pth"):
        with pytest.raises(InputError, match="cannot be read as weights"):
            load_adapter(tmp_path / name)
    assert not mark.exists()


def test_files_that_are_not_there_or_not_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nowhere\.pth"):
        load_adapter(tmp_path / "nowhere.pth")
    for name in ("text.pth", "text.safetensors", "empty.pth"):
        (tmp_path / name).write_bytes(b"" if name.startswith("empty") else b"just some text, longer than a header")
        with pytest.raises(InputError, match=name):
            load_adapter(tmp_path / name)
