import pytest
import torch

from semcorr_cli.core import light, processor


def test_round_trip() -> None:
    values = torch.linspace(0, 1, 1001, dtype=torch.float64)
    assert torch.allclose(light.to_srgb(light.to_linear(values)), values, atol=1e-6)


def test_every_8_bit_value_survives_the_table() -> None:
    codes = torch.arange(256)
    assert torch.equal(light.to_srgb_bytes(light.to_linear(codes / 255)).long(), codes)


def test_middle_of_black_and_white_is_188() -> None:
    assert int(light.to_srgb_bytes(torch.tensor([0.5]))[0]) == 188


def test_other_devices_encode_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.linspace(-0.1, 1.1, 5000)
    by_processor = light.to_srgb_bytes(values)
    monkeypatch.setattr(processor, "holds", lambda tensor: False)
    assert torch.equal(light.to_srgb_bytes(values), by_processor)
