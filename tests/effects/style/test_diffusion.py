"""The real networks' classes, made small and at random."""

import gc
import json
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

from semcorr_cli.core import metrics
from semcorr_cli.core.warp import Warp
from semcorr_cli.effects.style import color, diffusion, network
from semcorr_cli.effects.style.attention import Frame, Guide
from semcorr_cli.effects.style.diffusion import DiffusionOptions
from semcorr_cli.effects.style.network import Networks
from semcorr_cli.effects.style.options import StyleOptions
from semcorr_cli.effects.style.parts import Parts
from semcorr_cli.errors import InputError, MissingError
from tests.effects.style.conftest import straight
from tests.specimens import middle, picture

HW = (48, 64)
FEW = DiffusionOptions(side=64, steps=3)


class Still(DDIMScheduler):
    """Stays at one timestep, so that losses can be compared."""

    def set_timesteps(self, count: int) -> None:
        self.timesteps = torch.full((count,), 100)


def parts_of(networks: Networks) -> dict:
    return {"unet": networks.unet, "vae": networks.vae, "scheduler": networks.scheduler}


@pytest.fixture(scope="module")
def networks() -> Networks:
    with torch.inference_mode(False):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=2,
            cross_attention_dim=12,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 8),
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
        )
        for each in (unet, vae):
            each.eval().requires_grad_(False)
        return Networks(unet, vae, DDIMScheduler(), torch.randn(1, 5, 12))


def painted(networks, *, probability=1.0, options=None, **more):
    content, style = picture(HW), picture((40, 56), 1)
    field = straight(content.hw, style.hw, probability=probability)
    return diffusion.restyle(content, style, field, options or StyleOptions(), networks, FEW, **more)


@pytest.mark.parametrize("probability", [1.0, 0.1, 0.0])
def test_it_paints_whatever_the_matches(networks, probability):
    styled = painted(networks, probability=probability)
    assert styled.image.hw == HW
    assert bool(styled.image.rgb.isfinite().all())
    assert float((styled.image.rgb - picture(HW).rgb).abs().mean()) > 0.01


def test_two_runs_give_the_same(networks):
    assert torch.equal(painted(networks).image.rgb, painted(networks).image.rgb)


def test_no_strength_is_the_content_and_a_mask_holds(networks):
    assert torch.equal(painted(networks, options=StyleOptions(strength=0.0)).image.rgb, picture(HW).rgb)
    mask = middle(HW)
    result = painted(networks, mask=mask).image.rgb
    assert torch.equal(result[:, mask[0] == 0], picture(HW).rgb[:, mask[0] == 0])
    assert float((result - picture(HW).rgb)[:, mask[0] == 1].abs().mean()) > 0.01


def test_depth_alpha_and_a_kept_background_survive(networks):
    content = replace(picture(HW, alpha=True), mask=middle(HW), depth=16)
    field = straight(HW, (40, 56))
    options = StyleOptions(background="keep")
    result = diffusion.restyle(content, picture((40, 56), 1), field, options, networks, FEW).image
    assert result.depth == 16
    assert torch.equal(result.alpha, content.alpha)
    outside = middle(HW)[0] == 0
    assert torch.equal(result.rgb[:, outside], content.rgb[:, outside])


def test_a_painting_has_the_colours_that_color_gives_whatever_the_autoencoder_shifts(networks):
    content, style = picture(HW), picture((40, 56), 1)
    start = color.restyle(content, style, straight(HW, style.hw), StyleOptions())
    tints = [torch.tensor([0.0, 0.0, 0.0]), torch.tensor([0.2, -0.1, 0.1])]
    plain = picture(HW, 2).rgb * 0.4 + 0.3
    results = [
        diffusion._finished(content, start, plain + tint[:, None, None], StyleOptions())[0].rgb for tint in tints
    ]
    shifted = metrics.colour_difference(plain, plain + tints[1][:, None, None]).mean()
    assert float(metrics.colour_difference(*results).mean()) < 0.25 * float(shifted)


def test_it_is_watched_and_holds_on_to_nothing(networks):
    counts = []

    def watch(done: int, total: int, render: object) -> None:
        gc.collect()
        counts.append((done, total, sum(type(entry) is torch.Tensor for entry in gc.get_objects())))

    painted(networks, preview=watch)
    assert [entry[:2] for entry in counts] == [(1, 3), (2, 3), (3, 3)]
    assert counts[2][2] <= counts[1][2] + 2


def test_optimising_brings_the_attention_nearer(networks):
    copies = [torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    losses = []
    with torch.inference_mode(False), torch.enable_grad():
        guide = Guide(None, None, (48, 64), (48, 64))
        gentle = DiffusionOptions(steps=12, side=64, rate=1e-3, content_weight=0.0)
        painter = diffusion._Painter(replace(networks, scheduler=Still()), guide, gentle, *copies)
        plain = painter._loss

        def spied(*arguments: object) -> torch.Tensor:
            losses.append(plain(*arguments))
            return losses[-1]

        painter._loss = spied
        for _ in painter.steps():
            pass
    assert float(losses[-1]) < float(losses[0])


def test_places_look_at_their_own_part_and_never_at_nothing():
    labels = torch.zeros(4, 4, dtype=torch.long)
    labels[:, 2:] = 1
    here = labels.clone()
    here[0] = 2  # which the style does not have
    ones = torch.ones(4, 4)
    guide = Guide(None, Parts(here, labels, ones, ones, 3), (32, 32), (32, 32))
    bias = guide.bias(Frame((32, 32)), Frame((32, 64)), (16, 32), 1.0).reshape(4, 4, 4, 8)
    open_ = bias.isfinite()
    assert not bool(open_[..., 4:].any())  # padding
    assert bool(open_[0, :, :, :4].all())
    assert bool(open_[2, 0, :, :2].all())
    assert not bool(open_[2, 0, :, 2:].any())
    assert bool(bias.softmax(dim=-1).isfinite().all())


def test_the_match_is_where_one_looks_first():
    guide = Guide(Warp.identity((64, 64), (64, 64)), None, (64, 64), (64, 64))
    frame = Frame((64, 64))
    assert torch.equal(guide.bias(frame, frame, (64, 64), 1.0).argmax(dim=1), torch.arange(64))
    assert not bool(guide.bias(frame, frame, (64, 64), 0.0).any())


def test_networks_are_read_from_a_folder(networks, tmp_path, semcorr, pictures):
    from transformers import CLIPTextConfig, CLIPTextModel

    with pytest.raises(MissingError):
        network.load(tmp_path, torch.device("cpu"), torch.float32)
    for name, part in parts_of(networks).items():
        part.save_pretrained(tmp_path / name)
    config = CLIPTextConfig(
        vocab_size=4, hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=5, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    CLIPTextModel(config).save_pretrained(tmp_path / "text_encoder")
    words = tmp_path / "tokenizer"
    words.mkdir()
    (words / "vocab.json").write_text(json.dumps({"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}))
    (words / "merges.txt").write_text("#version: 0.2\n")
    (words / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 5}))
    read = network.load(tmp_path, torch.device("cpu"), torch.float32)
    assert read.silence.shape == (1, 5, 12)
    assert read.stride == 4
    assert bool(painted(read).image.rgb.isfinite().all())
    place = tmp_path / "o.png"
    ran = semcorr(
        "transfer-style", *pictures, "--method", "diffusion", "--weights", f"diffusion={tmp_path}", "--steps", 1,
        "--features", "sift", "-o", place, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.envelope["result"]["style"]["method"] == "diffusion"
    assert ran.envelope["outputs"] == [{"path": str(place), "hw": [120, 160]}]
    (tmp_path / "unet" / "config.json").write_text("{")
    with pytest.raises(InputError):
        network.load(tmp_path, torch.device("cpu"), torch.float32)
