"""Stable Diffusion features against plain computations with the whole pipeline."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextModel, CLIPTokenizer

from semcorr_cli import extractors
from semcorr_cli.core.image import Image
from semcorr_cli.errors import DeviceError, InputError, MissingError, UsageError
from semcorr_cli.extractors.base import build
from semcorr_cli.extractors.diffusion import STATES, Diffusion
from semcorr_cli.extractors.frame import framed
from semcorr_cli.extractors.options import DiffusionOptions
from semcorr_cli.extractors.pipeline import _strip
from semcorr_cli.extractors.spec import given_places
from semcorr_cli.extractors.taps import tapped
from tests import tiny_weights
from tests.specimens import picture


def extractor(tiny: Path, preset: str, seed: int = 0, remember: Any = None, **options: Any) -> Diffusion:
    spec = extractors.find(preset)
    places = given_places("diffusion", {"diffusion": tiny})
    chosen = replace(spec.options, **options)
    found = build(spec, options=chosen, weights=places, seed=seed, remember=remember)
    assert isinstance(found, Diffusion)
    return found


class Plain:
    """The pipeline as the reference implementations run it: everything loaded, everything computed, one by one."""

    def __init__(self, folder: Path) -> None:
        self.vae = AutoencoderKL.from_pretrained(folder / "vae")
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet")
        self.scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")

    def words(self, prompt: str) -> torch.Tensor:
        ids = self.tokenizer(
            prompt, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        return self.text_encoder(ids).last_hidden_state

    def encoded(self, rgb: torch.Tensor, draw: torch.Tensor | None) -> torch.Tensor:
        found = self.vae.encode(2 * rgb[None] - 1).latent_dist
        latent = found.mean if draw is None else found.mean + found.std * draw
        return latent * self.vae.config.scaling_factor

    def state(self, latent: torch.Tensor, timestep: int, module: str, prompt: str = "") -> torch.Tensor:
        caught = []
        hook = self.unet.get_submodule(module).register_forward_hook(lambda m, i, o: caught.append(o))
        self.unet(latent, timestep, encoder_hidden_states=self.words(prompt))
        hook.remove()
        return caught[0][0] if isinstance(caught[0], tuple) else caught[0]


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return float((one - other).norm() / other.norm()) < 1e-4


@pytest.mark.parametrize("side", [64, 80, 144, 200])
def test_dift_is_the_mean_of_eight_noisy_passes_of_the_whole_pipeline(tiny: Path, side: int) -> None:
    image, found, plain = picture((50, 70)), extractor(tiny, "dift", side=side), Plain(tiny)
    assert found.options.ensemble == 8
    assert found.options.timestep == 261
    frame = framed(image, side, 16, "squash")
    latent_side = frame.rgb.shape[1] // 8
    draws, noises = found.draws(frame.rgb, (8, 4, latent_side, latent_side))
    total: Any = 0
    for draw, noise in zip(draws, noises, strict=True):
        latent = plain.encoded(frame.rgb, draw[None])
        noised = plain.scheduler.add_noise(latent, noise[None], torch.tensor([261]))
        total = total + plain.state(noised, 261, "up_blocks.1") / 8
    layer = found.describe([image])[0].layers["us6"]
    assert layer.shape[1:] == (frame.rgb.shape[1] // 16, frame.rgb.shape[2] // 16)
    assert close(layer, total[0])


def test_cleandift_is_one_pass_without_noise(tiny: Path) -> None:
    image, found, plain = picture((50, 70)), extractor(tiny, "cleandift", side=80), Plain(tiny)
    rgb = framed(image, 80, 16, "squash").rgb
    expected = plain.state(plain.encoded(rgb, None), 261, "up_blocks.1")[0]
    assert close(found.describe([image])[0].layers["us6"], expected)
    assert (
        extractor(tiny, "cleandift", side=80, seed=5)
        .describe([image])[0]
        .layers["us6"]
        .equal(found.describe([image])[0].layers["us6"])
    )


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("hw", [(64, 80), (90, 60)], ids=str)
def test_every_state_is_what_its_module_returns(tiny: Path, state: str, hw: tuple[int, int]) -> None:
    image, plain = picture(hw), Plain(tiny)
    found = extractor(tiny, "cleandift", side=112, layers=(state,), frame="fit", timestep=50)
    rgb = framed(image, 112, 16, "fit").rgb
    expected = plain.state(plain.encoded(rgb, None), 50, STATES[state])[0]
    assert close(found.describe([image])[0].layers[state], expected)


def test_a_prompt_is_what_the_text_encoder_makes_of_it(tiny: Path) -> None:
    image, plain = picture((64, 64)), Plain(tiny)
    found = extractor(tiny, "cleandift", side=64, prompt="a cat")
    expected = plain.state(plain.encoded(framed(image, 64, 16, "fit").rgb, None), 261, "up_blocks.1", "a cat")[0]
    assert close(found.describe([image])[0].layers["us6"], expected)
    assert found.recipe != extractor(tiny, "cleandift", side=64).recipe


def test_crops_are_averaged_where_they_overlap(tiny: Path) -> None:
    image, plain = picture((90, 90)), Plain(tiny)
    found = extractor(tiny, "sd15", side=640)
    rgb = framed(image, 640, 16, "pad").rgb
    noise = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(42))
    total, count = torch.zeros(32, 40, 40), torch.zeros(40, 40)
    for top in (0, 128):
        for left in (0, 128):
            latent = plain.encoded(rgb[:, top : top + 512, left : left + 512], None)
            noised = plain.scheduler.add_noise(latent, noise, torch.tensor([100]))
            state = plain.state(noised, 100, STATES["s3"])[0]
            rows, columns = slice(top // 16, top // 16 + 32), slice(left // 16, left // 16 + 32)
            total[:, rows, columns] += state
            count[rows, columns] += 1
    stack = found.describe([image])[0]
    assert close(stack.layers["s3"], total / count)
    assert {name: layer.shape[1:] for name, layer in stack.layers.items()} == {
        "s3": (40, 40),
        "s4": (20, 20),
        "s5": (10, 10),
    }


def test_a_picture_is_the_same_twice_alone_as_in_a_batch_and_different_by_its_seed(tiny: Path) -> None:
    images = [picture((60, 80)), picture((80, 60), 1)]
    found = extractor(tiny, "dift", side=64, ensemble=2)
    alone = [found.extract([image])[0].data for image in images]
    together = extractor(tiny, "dift", side=64, ensemble=2).extract(images)
    for image, one, other in zip(images, alone, together, strict=True):
        assert torch.equal(one, found.extract([image])[0].data)
        assert torch.allclose(one, other.data, atol=1e-5)
    other_seed = extractor(tiny, "dift", side=64, ensemble=2, seed=1)
    assert not torch.allclose(other_seed.extract([images[0]])[0].data, alone[0], atol=1e-3)
    assert other_seed.recipe != found.recipe


def test_a_unet_that_is_one_file_takes_the_place_of_the_pipelines(tiny: Path, tmp_path: Path) -> None:
    file = tiny_weights.unet_file(tmp_path / "unet.safetensors")
    spec = extractors.find("cleandift")
    options = replace(spec.options, side=64)
    places = {"diffusion": tiny, **given_places("diffusion", {"diffusion": file})}
    found, plain, image = build(spec, options=options, weights=places), Plain(tiny), picture((64, 64))
    plain.unet.load_state_dict(load_file(file))
    expected = plain.state(plain.encoded(framed(image, 64, 16, "fit").rgb, None), 261, "up_blocks.1")[0]
    assert close(found.describe([image])[0].layers["us6"], expected)
    assert found.recipe != extractor(tiny, "cleandift", side=64).recipe


def test_encoders_with_the_attention_names_of_old_files_are_read(tiny: Path, tmp_path: Path) -> None:
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    folder = tmp_path / "old"
    for part in ("unet", "scheduler", "text_encoder", "tokenizer"):
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / part).symlink_to(tiny / part)
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text((tiny / "vae" / "config.json").read_text())
    state = load_file(tiny / "vae" / "diffusion_pytorch_model.safetensors")
    for new, name in old.items():
        state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{name}."): value for key, value in state.items()}
    assert any(".proj_attn." in key for key in state)
    save_file(state, folder / "vae" / "diffusion_pytorch_model.safetensors")
    image = picture((64, 64))
    found, expected = (extractor(place, "cleandift", side=64).extract([image])[0].data for place in (folder, tiny))
    assert torch.equal(found, expected)


def test_the_text_encoder_is_asked_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, torch.Tensor] = {}

    def remember(name: str, compute: Any) -> torch.Tensor:
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    image = picture((64, 64))
    first = extractor(tiny, "cleandift", side=64, remember=remember).extract([image])[0].data
    assert len(kept) == 1
    monkeypatch.setattr(CLIPTextModel, "from_pretrained", None)
    assert torch.equal(extractor(tiny, "cleandift", side=64, remember=remember).extract([image])[0].data, first)


def test_only_what_is_run_is_kept(tiny: Path) -> None:
    found = extractor(tiny, "cleandift", side=64)
    found.describe([picture((64, 64))])
    pipeline = found._pipeline
    names = [name for name, _ in pipeline._unet.named_parameters()]
    assert any(name.startswith("up_blocks.1.") for name in names)
    assert not any(name.startswith(("up_blocks.2.", "up_blocks.3.", "conv_out", "conv_norm_out")) for name in names)
    assert not any(name.startswith("decoder") for name, _ in pipeline._vae.named_parameters())


SD21 = {
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}


def test_the_pass_costs_at_most_three_fifths_of_the_whole_unets() -> None:
    def operations(unet: Any, modules: dict[str, torch.nn.Module] | None) -> int:
        sample = torch.empty(1, 4, 96, 96, device="meta")
        words = torch.empty(1, 77, 1024, device="meta")
        with FlopCounterMode(display=False) as counter:
            if modules is None:
                unet(sample, torch.tensor(261, device="meta"), encoder_hidden_states=words)
            else:
                tapped(lambda: unet(sample, torch.tensor(261, device="meta"), encoder_hidden_states=words), modules)
        return counter.get_total_flops()

    with torch.device("meta"):
        unet = UNet2DConditionModel(**SD21)
    whole = operations(unet, None)
    assert whole > 5e11  # the full size: two operations for each of some 0.4 · 10¹² multiplications
    _strip(unet, ["up_blocks.1"])
    stopped = operations(unet, {"us6": unet.up_blocks[1]})
    assert stopped <= 0.6 * whole


@pytest.mark.parametrize("works", [1, 0])
def test_when_memory_runs_out_the_ensemble_is_run_one_by_one_and_then_given_up(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, works: int
) -> None:
    image = picture((64, 64))
    expected = extractor(tiny, "dift", side=64, ensemble=3).extract([image])[0].data
    found = extractor(tiny, "dift", side=64, ensemble=3)
    pipeline, sizes = found._pipeline, []
    states = pipeline.states

    def cramped(latents: torch.Tensor, *rest: Any) -> dict[str, torch.Tensor]:
        sizes.append(len(latents))
        if len(latents) > works:
            raise torch.OutOfMemoryError
        return states(latents, *rest)

    monkeypatch.setattr(pipeline, "states", cramped)
    if works:
        assert torch.allclose(found.extract([image])[0].data, expected, atol=1e-5)
        assert sizes == [3, 1, 1, 1]
    else:
        with pytest.raises(DeviceError) as refused:
            found.extract([image])
        assert sizes == [3, 1]
        assert "--max-side" in str(refused.value.hint)
        assert "diffusion:dift at 64 pixels" in refused.value.message


def test_parts_that_are_missing_or_wrong_are_named(tiny: Path, tmp_path: Path) -> None:
    image = picture((50, 50))
    for part in ("vae", "scheduler", "text_encoder", "tokenizer", "unet"):
        folder = tmp_path / part
        folder.mkdir()
        for other in ("vae", "scheduler", "text_encoder", "tokenizer", "unet"):
            if other != part:
                (folder / other).symlink_to(tiny / other)
        (folder / "unet").mkdir(exist_ok=True)
        with pytest.raises(MissingError, match=part):
            extractor(folder, "cleandift", side=64).describe([image])
    wrong = {key: value.clone() for key, value in load_file(tiny / "dino" / "model.safetensors").items()}
    save_file(wrong, tmp_path / "wrong.safetensors")
    (tmp_path / "noise.safetensors").write_bytes(b"no weights at all, whatever the name says")
    for name, message in (("wrong", "keys are missing"), ("noise", "cannot be loaded")):
        places = {"diffusion": tiny, "unet": tmp_path / f"{name}.safetensors"}
        with pytest.raises(InputError, match=message):
            build(extractors.find("cleandift"), weights=places).describe([image])


@pytest.mark.parametrize(
    "options", [{"layers": ("s9",)}, {"noise": "some"}, {"timestep": 1000}, {"ensemble": 0}, {"layers": ()}]
)
def test_options_that_make_no_sense_are_usage_errors(tiny: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        extractor(tiny, "cleandift", **options)


def test_transparency_shows_grey(tiny: Path) -> None:
    image = picture((64, 64), alpha=True)
    grey = Image(image.over(0.5))
    found = extractor(tiny, "cleandift", side=64)
    assert torch.equal(found.extract([image])[0].data, found.extract([grey])[0].data)


def test_presets_are_the_published_ones() -> None:
    dift, clean, sd15 = (extractors.find(name).options for name in ("dift", "cleandift", "sd15"))
    for options in (dift, clean, sd15):
        assert isinstance(options, DiffusionOptions)
    assert (dift.side, dift.timestep, dift.layers, dift.ensemble, dift.noise) == (768, 261, ("us6",), 8, "own")
    assert (clean.side, clean.timestep, clean.layers, clean.ensemble, clean.noise) == (768, 261, ("us6",), 1, "none")
    assert (sd15.side, sd15.timestep, sd15.layers, sd15.crops, sd15.noise) == (
        960,
        100,
        ("s3", "s4", "s5"),
        True,
        "shared",
    )
