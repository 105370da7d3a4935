"""Small random networks, saved as the hub has them: the code that runs the large ones runs these."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

CHANNELS = (16, 32, 64, 64)
"""Of the levels of the U-Net; 320, 640, 1280, 1280 in Stable Diffusion."""

WORDS = 24
"""Channels of the prompt's embedding."""


def dino(folder: Path, family: str = "dinov2", **changes: Any) -> Path:
    """Saves a DINO network of a family, as transformers does."""
    import transformers

    torch.manual_seed(0)
    kinds = {
        "dinov2": ("Dinov2", {"patch_size": 14, "image_size": 70}),
        "dinov2_with_registers": (
            "Dinov2WithRegisters",
            {"patch_size": 14, "image_size": 70, "num_register_tokens": 4},
        ),
        "dinov3_vit": ("DINOv3ViT", {"patch_size": 16, "num_register_tokens": 4, "intermediate_size": 64}),
        "dinov3_convnext": ("DINOv3ConvNext", {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 2, 1]}),
    }
    name, own = kinds[family]
    if family != "dinov3_convnext":
        own = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "mlp_ratio": 2, **own}
    config = getattr(transformers, f"{name}Config")(**own, **changes)
    network = getattr(transformers, f"{name}Model")(config)
    with torch.no_grad():  # so that blocks and embeddings matter as much as in trained networks
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.save_pretrained(folder)
    return folder


def pipeline(folder: Path, seed: int = 0) -> Path:
    """Saves the parts of a Stable Diffusion pipeline that features need, as diffusers does."""
    from diffusers import AutoencoderKL, DDIMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=4,
    ).save_pretrained(folder / "vae")
    unet().save_pretrained(folder / "unet")
    DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, clip_sample=False
    ).save_pretrained(folder / "scheduler")
    _tokenizer(folder / "tokenizer")
    config = CLIPTextConfig(
        vocab_size=64,
        hidden_size=WORDS,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    return folder


def unet(seed: int = 0, **changes: Any) -> Any:
    """Returns a U-Net of Stable Diffusion's shape with few channels."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    own = {
        "sample_size": 32,
        "block_out_channels": CHANNELS,
        "cross_attention_dim": WORDS,
        "attention_head_dim": 4,
        "norm_num_groups": 8,
        **changes,
    }
    return UNet2DConditionModel(**own).eval()


def unet_file(path: Path, seed: int = 1) -> Path:
    """Saves a U-Net's weights in one file, as CleanDIFT's come."""
    save_file({key: value.contiguous() for key, value in unet(seed).state_dict().items()}, path)
    return path


def everything(folder: Path) -> Path:
    """Saves what the hybrid features need in one folder."""
    pipeline(folder)
    dino(folder / "dino")
    return folder


def _tokenizer(folder: Path) -> None:
    folder.mkdir(parents=True)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "pad_token": "<|endoftext|>"})
    )
