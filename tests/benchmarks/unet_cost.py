"""What a pass of each preset costs of the whole U-Net's, and of DIFT's eight whole passes, in counted operations.

python -m tests.benchmarks.unet_cost

The U-Nets have their full size and no weights: torch's counter follows the shapes on the `meta` device.
"""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from semcorr_cli import extractors
from semcorr_cli.extractors.diffusion import STATES
from semcorr_cli.extractors.options import DiffusionOptions
from semcorr_cli.extractors.taps import tapped

SD21: dict[str, Any] = {
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SD15: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}
"""Where the configurations of Stable Diffusion 2.1 and 1.5 differ from diffusers' defaults."""


def operations(config: dict[str, Any], side: int, states: tuple[str, ...] = ()) -> int:
    """Counts the operations of a pass over latents of a side, up to the last of the states, or to the end."""
    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**config)
        sample, words = torch.empty(1, 4, side, side), torch.empty(1, 77, config["cross_attention_dim"])
        timestep = torch.tensor(261)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        if states:
            modules = {state: unet.get_submodule(STATES[state]) for state in states}
            tapped(lambda: unet(sample, timestep, encoder_hidden_states=words), modules)
        else:
            unet(sample, timestep, encoder_hidden_states=words)
    return int(counter.get_total_flops())


def main() -> None:
    dift = 8 * operations(SD21, 96)
    print(
        f"{'preset':<12} {'side':>5} {'passes':>6} {'share of the whole U-Net':>25} {'against DIFT as published':>26}"
    )
    for name, config in (("dift", SD21), ("cleandift", SD21), ("sd15", SD15)):
        options = extractors.find(name).options  # type: ignore[union-attr]
        assert isinstance(options, DiffusionOptions)
        side, passes = (64, 4) if options.crops else (options.side // 8, options.ensemble)
        one = operations(config, side, options.layers)
        share = one / operations(config, side)
        print(f"{name:<12} {8 * side:>5} {passes:>6} {share:>24.1%} {dift / (passes * one):>24.1f} ×")


if __name__ == "__main__":
    main()
