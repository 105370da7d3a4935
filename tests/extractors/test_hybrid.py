from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from semcorr_cli import extractors
from semcorr_cli.core.features import FeatureStack
from semcorr_cli.errors import UsageError
from semcorr_cli.extractors import freeu
from semcorr_cli.extractors.adapters import Adapter
from semcorr_cli.extractors.base import build
from semcorr_cli.extractors.hybrid import Hybrid
from semcorr_cli.extractors.options import HybridOptions
from semcorr_cli.extractors.spec import given_places
from tests import tiny_weights
from tests.specimens import picture


def extractor(tiny: Path, preset: str, side: int = 112, adapter: Path | None = None, **options: Any) -> Hybrid:
    spec = extractors.find(preset)
    places = given_places("hybrid", {"hybrid": tiny}) | ({} if adapter is None else {"adapter": adapter})
    found = build(spec, options=replace(spec.options.resized(side), **options), weights=places)
    assert isinstance(found, Hybrid)
    return found


def test_presets_are_the_published_ones() -> None:
    sd_dino, geoaware = (extractors.find(name).options for name in ("sd-dino", "geoaware"))
    assert isinstance(sd_dino, HybridOptions)
    assert isinstance(geoaware, HybridOptions)
    for options in (sd_dino, geoaware):
        assert (options.diffusion.side, options.dino.side, options.weight) == (960, 840, 0.5)
        assert (options.diffusion.layers, options.diffusion.frame, options.dino.frame) == (
            ("s3", "s4", "s5"),
            "pad",
            "pad",
        )
    assert (sd_dino.diffusion.timestep, sd_dino.diffusion.pca, sd_dino.diffusion.freeu) == (100, 256, False)
    assert (geoaware.diffusion.timestep, geoaware.diffusion.pca, geoaware.diffusion.freeu) == (50, 0, True)
    assert extractors.find("geoaware").window == 5
    assert extractors.find("hybrid") is extractors.find("clean")


def test_the_default_is_one_pass_of_each_half_side_by_side(tiny: Path) -> None:
    image = picture((90, 120))
    stack = extractor(tiny, "clean").describe([image])[0]
    (found,) = extractor(tiny, "clean").extract([image])
    halves = [functional.normalize(stack.resized(name), dim=0) for name in ("us6", "dino")]
    assert torch.allclose(found.data, functional.normalize(torch.cat(halves), dim=0), atol=1e-6)
    assert found.hw == (6, 8)


def test_geoaware_is_raw_layers_of_unit_length_beside_dino(tiny: Path) -> None:
    image = picture((90, 120))
    found = extractor(tiny, "geoaware")
    stack = found.describe([image])[0]
    raw = torch.cat([stack.resized(name) for name in ("s3", "s4", "s5")])
    joined = torch.cat([functional.normalize(raw, dim=0), functional.normalize(stack.resized("dino"), dim=0)])
    top, left, height, width = stack.inside
    expected = functional.normalize(joined[:, top : top + height, left : left + width], dim=0)
    assert torch.allclose(found.fuse([stack])[0].data, expected, atol=1e-6)


def test_joint_components_depend_on_the_partner_and_stacks_do_not(tiny: Path) -> None:
    a, b, c = picture((90, 120)), picture((120, 90), 1), picture((100, 100), 2)
    found = extractor(tiny, "sd-dino")
    stacks = {name: found.describe([image])[0] for name, image in (("a", a), ("b", b), ("c", c))}
    with_b = found.fuse([stacks["a"], stacks["b"]])[0].data
    with_c = found.fuse([stacks["a"], stacks["c"]])[0].data
    assert not torch.allclose(
        with_b.flatten(1).T @ with_b.flatten(1), with_c.flatten(1).T @ with_c.flatten(1), atol=1e-4
    )
    for name, layer in found.describe([a])[0].layers.items():
        assert torch.equal(layer, stacks["a"].layers[name])


def test_weights_of_the_halves_are_not_part_of_what_is_cached(tiny: Path) -> None:
    assert extractor(tiny, "clean", weight=0.2).recipe == extractor(tiny, "clean").recipe
    image = picture((90, 120))
    one, other = extractor(tiny, "clean", weight=0.0), extractor(tiny, "clean", weight=1.0)
    assert float(one.extract([image])[0].data[:64].abs().max()) == 0
    assert float(other.extract([image])[0].data[64:].abs().max()) == 0


@pytest.mark.parametrize("side", [100, 112, 150, 420])
@pytest.mark.parametrize("preset", ["sd-dino", "geoaware", "clean"])
def test_any_working_size_keeps_both_halves_on_one_frame(preset: str, side: int) -> None:
    options = extractors.find(preset).options.resized(side)
    dino, diffusion = options.dino.side // 14, options.diffusion.side // 16
    assert options.dino.side % 14 == options.diffusion.side % 16 == 0
    assert dino == round(side / 14)
    assert diffusion == (round(dino * 48 / 60) if preset == "clean" else dino)


def head(path: Path, channels: list[int]) -> Path:
    torch.manual_seed(0)
    adapter = Adapter([(number, 32) for number in channels], 64)
    save_file({key: value.contiguous() for key, value in adapter.state_dict().items()}, path)
    return path


def test_an_adapter_takes_the_raw_layers_on_the_whole_frame(tiny: Path, tmp_path: Path) -> None:
    path = head(tmp_path / "head.safetensors", [32, 64, 64, 32])
    image = picture((60, 120))
    found = extractor(tiny, "geoaware", adapter=path)
    stack = found.describe([image])[0]
    assert found.adapter is not None
    whole = found.adapter([stack.resized(name) for name in ("s3", "s4", "s5", "dino")])
    top, left, height, width = stack.inside
    expected = functional.normalize(whole[:, top : top + height, left : left + width], dim=0)
    assert torch.equal(found.extract([image])[0].data, expected)
    assert found.recipe == extractor(tiny, "geoaware").recipe


def test_an_adapter_for_other_features_is_refused(tiny: Path, tmp_path: Path) -> None:
    path = head(tmp_path / "head.safetensors", [32])
    with pytest.raises(UsageError, match="takes layers of 32 channels; these features have 32, 64, 64, 32"):
        extractor(tiny, "geoaware", adapter=path).extract([picture((60, 60))])
    with pytest.raises(UsageError, match="sift takes no adapter"):
        build(extractors.find("sift"), weights={"adapter": path})


def test_halves_that_frame_pictures_differently_are_refused(tiny: Path) -> None:
    dino = replace(extractors.find("clean").options.dino, frame="pad")
    with pytest.raises(UsageError, match="frame pictures alike"):
        extractor(tiny, "clean", dino=dino)
    with pytest.raises(UsageError, match="weight"):
        extractor(tiny, "clean", weight=1.5)


def by_hand(unet: Any, latent: torch.Tensor, words: torch.Tensor) -> dict[str, torch.Tensor]:
    """The decoder with FreeU by channels, as one loop over output blocks that takes the features on their way in."""
    wide, middle = unet.config.block_out_channels[-1], unet.config.block_out_channels[1]
    emb = unet.time_embedding(unet.time_proj(torch.tensor([50])))
    sample = unet.conv_in(latent)
    skips = [sample]
    for block in unet.down_blocks:
        keys = {"encoder_hidden_states": words} if getattr(block, "has_cross_attention", False) else {}
        sample, more = block(hidden_states=sample, temb=emb, **keys)
        skips += more
    sample = unet.mid_block(sample, emb, encoder_hidden_states=words)
    entering = []
    for block in unet.up_blocks:
        for index, resnet in enumerate(block.resnets):
            gain, low = {wide: (1.2, 0.9), middle: (1.4, 0.2)}.get(sample.shape[1], (1.0, None))
            half = sample.shape[1] // 2
            sample = torch.cat([gain * sample[:, :half], sample[:, half:]], dim=1)
            entering.append(sample)
            skip = skips.pop()
            if low is not None:
                spectrum = torch.fft.fftshift(torch.fft.fft2(skip))
                y, x = spectrum.shape[2] // 2, spectrum.shape[3] // 2
                spectrum[:, :, y - 1 : y + 1, x - 1 : x + 1] *= low
                skip = torch.fft.ifft2(torch.fft.ifftshift(spectrum)).real
            sample = resnet(torch.cat([sample, skip], dim=1), emb)
            if getattr(block, "attentions", None) is not None:
                sample = block.attentions[index](sample, encoder_hidden_states=words, return_dict=False)[0]
        if block.upsamplers is not None:
            sample = block.upsamplers[0](sample)
    return {"s5": entering[2], "s4": entering[5], "s3": entering[8]}


def test_freeu_is_that_of_the_published_features(tiny: Path) -> None:
    image = picture((64, 64))
    found = extractor(tiny, "geoaware", side=112)._diffusion
    pipeline = found._pipeline
    latent, words = torch.randn(1, 4, 16, 16), pipeline._embedding("")
    states = pipeline.states(latent, 50, "", True)
    expected = by_hand(tiny_unet(tiny), latent, words)
    for name, state in states.items():
        assert torch.allclose(state, expected[name], rtol=1e-3, atol=1e-4), name
    plain = pipeline.states(latent, 50, "", False)
    assert not torch.allclose(plain["s3"], states["s3"], atol=1e-2)
    assert isinstance(found.describe([image])[0], FeatureStack)
    assert torch.equal(pipeline.states(latent, 50, "", False)["s3"], plain["s3"])  # nothing is left switched on


def tiny_unet(tiny: Path) -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(tiny / "unet")


def test_levels_that_are_neither_deep_nor_middle_are_left_alone() -> None:
    state = torch.randn(1, tiny_weights.CHANNELS[0], 4, 4)
    assert torch.equal(freeu.amplified(state, tiny_weights.CHANNELS), state)
