"""Repainting by Stable Diffusion: attention distillation (Zhou et al. 2025), told by the correspondence where to look.

    latents of the content ─► optimised: at every timestep its self-attention should say what it would say if its
                              keys and values were the style's, while its queries stay the content's
                           ─► decoded, its colours set right by `color`, its background put back

No inversion and no prompt. A place of the content looks at the places of the style that are of its own part, and at
first at those near its match (see `attention.Guide`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor
from torch.nn import functional

from semcorr_cli.core.coords import Hw
from semcorr_cli.core.correspondence import Correspondence
from semcorr_cli.core.features import FeatureMap
from semcorr_cli.core.image import Image
from semcorr_cli.effects.style import color, render
from semcorr_cli.effects.style.attention import Frame, Guide, Recorder, Seen, record
from semcorr_cli.effects.style.moments import blurred
from semcorr_cli.effects.style.network import Networks
from semcorr_cli.effects.style.options import Preview, Reach, Styled, StyleOptions

DRIFT_WINDOW = 16.0
"""Standard deviation in working pixels of the blur below which colours are those of `color`."""


@dataclass(frozen=True, slots=True)
class DiffusionOptions:
    """How latents are optimised.

    Attributes:
        side: longer side of the working copies in pixels; the networks know 512.
        steps: timesteps, one step of the optimiser each.
        rate: learning rate.
        content_weight: of the queries' staying the content's.
        near: share of the steps in which the nearness to the matched place counts, ever less.
    """

    side: int = 512
    steps: int = 200
    rate: float = 0.05
    content_weight: float = 0.25
    near: float = 0.6


def restyle(
    content: Image,
    style: Image,
    field: Correspondence,
    options: StyleOptions,
    networks: Networks,
    painting: DiffusionOptions | None = None,
    *,
    features: FeatureMap | None = None,
    mask: Float[Tensor, "1 h w"] | None = None,
    preview: Preview | None = None,
) -> Styled:
    """Returns the content repainted in the style, at the content's full size.

    Args:
        content: the picture that is repainted.
        style: the picture whose looks are taken.
        field: correspondence from content (source) to style (target).
        options: how.
        networks: Stable Diffusion.
        painting: how latents are optimised.
        features: see `color.restyle`, which sets the colours right.
        mask: 1 where the content may change, 0 where not; None for everywhere.
        preview: told after every step.
    """
    painting = painting or DiffusionOptions()
    plain = replace(options, strength=1.0, luma="match")
    start = color.restyle(content, style, field, plain, features=features, mask=mask)
    if options.strength == 0:
        return replace(start, image=replace(content, mask=None, digest="", notes=()), gamut_share=0.0)
    sizes = [_size(image.hw, painting.side) for image in (content, style)]
    guide = Guide(
        field.forward.to(torch.device("cpu")) if start.reach is Reach.LOCAL else None,
        None if start.reach is Reach.GLOBAL else start.parts,
        *sizes,
    )
    # The whole program runs without gradients; here they are the method.
    with torch.inference_mode(False), torch.enable_grad():
        copies = [_working(image, size, networks) for image, size in zip((content, style), sizes, strict=True)]
        optimiser = _Painter(networks, guide, painting, *copies)
        for done, latents in enumerate(optimiser.steps(), start=1):
            if preview is not None:
                preview(done, painting.steps, partial(_seen, networks, latents, sizes[0]))
        painted = _decoded(networks, latents, sizes[0])
    image, gamut_share = _finished(content, start, painted, options)
    return replace(start, image=image, gamut_share=gamut_share)


class _Painter:
    """The optimisation of the content's latents."""

    def __init__(
        self,
        networks: Networks,
        guide: Guide,
        options: DiffusionOptions,
        content: Float[Tensor, "1 3 h w"],
        style: Float[Tensor, "1 3 h2 w2"],
    ) -> None:
        self._networks, self._guide, self._options = networks, guide, options
        self._here, self._there = (Frame((copy.shape[2], copy.shape[3])) for copy in (content, style))
        self._content, self._style = (_encoded(networks, copy) for copy in (content, style))

    def steps(self) -> Iterator[Float[Tensor, "1 c h w"]]:
        """Yields the latents after every step."""
        options, networks = self._options, self._networks
        networks.scheduler.set_timesteps(options.steps)
        recorder = record(networks.unet)
        latents = self._content.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([latents], lr=options.rate)
        for index, timestep in enumerate(networks.scheduler.timesteps[: options.steps]):
            beta = max(0.0, 1 - index / max(options.near * options.steps, 1))
            with torch.no_grad():
                there = self._looked(recorder, self._style, timestep)
                queries = [seen.query for seen in self._looked(recorder, self._content, timestep)]
            here = self._looked(recorder, latents, timestep)
            loss = self._loss(here, there, queries, beta)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield latents.detach()

    def _looked(self, recorder: Recorder, latents: Float[Tensor, "1 c h w"], timestep: Tensor) -> list[Seen]:
        """Runs the network on clean latents and returns what its attention did."""
        unet, silence = self._networks.unet, self._networks.silence
        unet(latents.to(silence.dtype), timestep.to(silence.device), encoder_hidden_states=silence)
        return recorder.taken()

    def _loss(self, here: list[Seen], there: list[Seen], queries: list[Tensor], beta: float) -> Tensor:
        biases: dict[tuple[int, int], Tensor] = {}
        total = torch.zeros((), device=self._networks.device)
        for mine, theirs, query in zip(here, there, queries, strict=True):
            tokens = (mine.query.shape[2], theirs.key.shape[2])
            if tokens not in biases:
                bias = self._guide.bias(self._here, self._there, tokens, beta)
                biases[tokens] = bias.to(mine.query)
            with torch.no_grad():
                wanted = functional.scaled_dot_product_attention(
                    mine.query.detach(), theirs.key, theirs.value, attn_mask=biases[tokens]
                )
            total = total + functional.l1_loss(mine.attended.float(), wanted.float())
            total = total + self._options.content_weight * functional.l1_loss(mine.query.float(), query.float())
        return total


def _finished(
    content: Image, start: Styled, painted: Float[Tensor, "3 g g2"], options: StyleOptions
) -> tuple[Image, float]:
    """Sets the painting's colours right, enlarges it, and puts back what must not change.

    The autoencoder shifts colours and knows nothing finer than its working copy: low frequencies come from `color`, and
    what is finer than the copy from the content.
    """
    size: Hw = (painted.shape[1], painted.shape[2])
    looks = rgb_to_lab(painted)
    texture = render.Enlarged(looks - blurred(looks, DRIFT_WINDOW), content.hw)
    colours = render.Enlarged(blurred(rgb_to_lab(_resized(start.image.rgb, size)), DRIFT_WINDOW), content.hw)
    coarse = render.Enlarged(rgb_to_lab(_resized(content.rgb, size))[:1], content.hw)
    result = torch.empty_like(content.rgb)
    clipped = 0.0
    for rows in render.strips(content.hw):
        original = content.rgb[:, rows]
        lightness = rgb_to_lab(original)[:1]
        lab = colours.rows(rows) + texture.rows(rows)
        lab[:1] = lightness if options.luma == "keep" else lab[:1] + lightness - coarse.rows(rows)
        rgb, outside = render.fitted(lab_to_rgb(lab, clip=False))
        clipped += float(outside.sum())
        share = torch.ones_like(rgb[:1]) if start.changed is None else start.changed[:, rows]
        result[:, rows] = torch.lerp(original, rgb, options.strength * share)
    return Image(result, content.alpha, depth=content.depth), clipped / (content.hw[0] * content.hw[1])


def _working(image: Image, size: Hw, networks: Networks) -> Float[Tensor, "1 3 h w"]:
    """Returns a copy in [−1, 1] of the networks' size, its rim repeated to the right and below."""
    small = _resized(image.over(1.0).clone(), size)[None]
    pad = [-side % networks.stride for side in size]
    return functional.pad(2 * small - 1, (0, pad[1], 0, pad[0]), mode="replicate").to(networks.device)


def _encoded(networks: Networks, copy: Float[Tensor, "1 3 h w"]) -> Float[Tensor, "1 c h2 w2"]:
    with torch.no_grad():
        latents: Tensor = networks.vae.encode(copy).latent_dist.mean * networks.vae.config.scaling_factor
    return latents


def _decoded(networks: Networks, latents: Float[Tensor, "1 c h w"], size: Hw) -> Float[Tensor, "3 h2 w2"]:
    with torch.no_grad():
        pixels = networks.vae.decode(latents / networks.vae.config.scaling_factor).sample
    picture: Tensor = (pixels[0, :, : size[0], : size[1]] / 2 + 0.5).clamp(0, 1)
    return picture


def _seen(networks: Networks, latents: Float[Tensor, "1 c h w"], size: Hw) -> Image:
    return Image(_decoded(networks, latents, size).cpu())


def _size(hw: Hw, side: int) -> Hw:
    scale = min(1.0, side / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def _resized(planes: Float[Tensor, "c h w"], size: Hw) -> Float[Tensor, "c h2 w2"]:
    return functional.interpolate(planes[None], size=size, mode="area")[0]
